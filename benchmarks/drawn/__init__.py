"""Draws the files, arrays and folders that people have, and compares what is found in them with what was drawn."""

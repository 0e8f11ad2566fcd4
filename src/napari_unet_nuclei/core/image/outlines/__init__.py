"""Outlines of nuclei as other programs keep them, and labels drawn from them."""

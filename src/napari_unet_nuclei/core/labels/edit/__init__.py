"""Edits of labels: split, merge, add, retouch."""

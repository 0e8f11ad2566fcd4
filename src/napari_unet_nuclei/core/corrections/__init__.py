"""Corrected labels: review, undo and redo, and corrections on disk."""

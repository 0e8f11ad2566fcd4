"""Many image files in one run."""

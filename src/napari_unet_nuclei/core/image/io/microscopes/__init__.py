"""Files of microscope makers: one module for each, all opened the same way, with planes that stay in their file."""

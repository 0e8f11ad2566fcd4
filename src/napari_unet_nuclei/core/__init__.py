"""The engine: everything that works without a viewer, so that window, command line and Python share it."""

"""Docks, menu entries and sample images for napari; the work is done by the core."""

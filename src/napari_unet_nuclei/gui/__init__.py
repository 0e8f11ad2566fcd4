"""Docks, menu entries and sample images for napari; the work is done by the core."""

PLUGIN = "napari-unet-nuclei"
"""Name of the plugin in napari."""

"""What docks share of napari's viewer and layers."""

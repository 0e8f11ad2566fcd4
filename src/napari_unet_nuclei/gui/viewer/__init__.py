"""Access to napari's viewer and layers that docks share."""

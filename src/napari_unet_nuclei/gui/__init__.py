"""The window: docks, menus and samples for napari, thin faces of the verbs in the core."""

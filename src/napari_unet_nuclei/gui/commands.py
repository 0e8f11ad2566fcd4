"""Commands of napari's menus and palette that are no dock."""

# Annotations are not deferred here: napari finds out by them that it has to give its viewer.

from typing import TYPE_CHECKING

from napari_unet_nuclei.gui.settings.remembered import PLUGIN

if TYPE_CHECKING:
    import napari

SEGMENT_WIDGET = "Segment nuclei"
"""Display name in the manifest."""


def segment_with_last_settings(viewer: "napari.viewer.Viewer") -> None:
    """Segment the image layer that is selected, as the dock was last told; opens the dock to show how it goes."""
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, SEGMENT_WIDGET)
    dock.segment_active_layer()

"""Labels layers that are made ready for the screen in a job's thread: napari would hold the window up for that.

napari slices a layer, and finds its outlines, in the window's thread when the layer is added: half a second for 16
megapixels. It does so in whichever thread adds the layer to a viewer model, and not again if the next viewer shows the
same position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.components import ViewerModel

from napari_unet_nuclei.gui.viewer.display import Display, display_labels, first_display, outline_width

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels


POSITION = ("range", "margin_left", "margin_right", "point")
"""What tells where a viewer is, one value per axis; a point is moved into the range, so that it comes last."""


class Stage:
    """Where a viewer was when a job began, and how it shows labels; create it in the window's thread.

    Parameters
    ----------
    viewer : napari.Viewer
    display : Display or None
        How labels are shown; None for what suits their size.
    """

    def __init__(self, viewer: Viewer, display: Display | None = None) -> None:
        self._display = display
        self._position = {name: getattr(viewer.dims, name) for name in POSITION}
        self._zoom = float(viewer.scene.camera.zoom)
        self._model = ViewerModel()

    def make_ready(self, layer: Labels, diameter: float) -> None:
        """Slice a layer that is in no viewer, as outlines for nuclei of a diameter in pixels, or filled."""
        display = self._display or first_display(layer)
        layer.visible = False  # what is invisible is not sliced: neither at once nor twice
        self._model.layers.append(layer)
        for name, values in self._position.items():
            setattr(self._model.dims, name, values[-layer.ndim :])
        display_labels(layer, display, outline_width(self._zoom, layer, diameter))
        self._model.layers.remove(layer)

"""The frame around one nucleus of any labels, in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Vectors
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.viewer.labels_and_image import MeasuredLabels
from napari_unet_nuclei.gui.viewer.reviewed_layer import alike
from napari_unet_nuclei.gui.viewer.view import units_factors
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari import Viewer

FRAME = "Selected nucleus"
"""Name of the layer."""

YELLOW, BLUE = "#ffe14d", "#0038c8"
"""On dark pictures and on bright ones, as in *Correct*."""

LINE = 2.0
"""Width in canvas pixels."""

MARGIN = 3
"""Pixels between a nucleus and its frame."""

SETTLE = 50
"""Milliseconds after which the width of the lines follows the zoom."""


class NucleusFrame(QObject):
    """A layer with one rectangle, added when there is something to frame; it is never the active layer."""

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Vectors | None = None
        self._labels: MeasuredLabels | None = None
        self._rest = rest_timer(self, self._set_width, SETTLE)
        viewer.scene.camera.events.zoom.connect(self._follow_zoom)

    def show(self, labels: MeasuredLabels, index: tuple[int, ...], box: Region) -> None:
        """Frame a rectangle of pixels in a plane of labels."""
        if self._labels is not None and self._labels.place.layer is not labels.place.layer:
            self.clear()
        self._labels = labels
        if self._layer is None or self._layer not in self._viewer.layers:
            self._layer = self._added(labels)
        place = labels.place
        y0, y1, x0, x1 = np.array(box, float) - 0.5 + np.array([-MARGIN, MARGIN, -MARGIN, MARGIN])
        corners = np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)])
        lines = np.zeros((4, 2, place.layer.ndim))
        for axis, position in zip(place.order, index, strict=False):
            lines[:, 0, axis] = position
        lines[:, :, place.order[-2:]] = np.stack([corners[:-1], np.diff(corners, axis=0)], axis=1)
        self._layer.data = lines
        bright = place.layer.metadata.get("nuclei", {}).get("provenance", {}).get("kind") == "brightfield"
        self._layer.edge_color = BLUE if bright else YELLOW
        self._set_width()

    def clear(self) -> None:
        """Frame nothing, and remove the layer."""
        layer, self._layer, self._labels = self._layer, None, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _added(self, labels: MeasuredLabels) -> Vectors:
        """Add the layer above all others, and give the selection back."""
        selection = self._viewer.layers.selection
        selected, active = set(selection), selection.active
        ndim = labels.place.layer.ndim
        empty: NDArray[np.float64] = np.empty((0, 2, ndim))
        layer = Vectors(empty, ndim=ndim, name=FRAME, vector_style="line", **alike(labels.place.layer))
        self._viewer.add_layer(layer)
        self._viewer.layers.selection = selected
        self._viewer.layers.selection.active = active
        return layer

    def _follow_zoom(self) -> None:
        if self._layer is not None:
            self._rest.start()

    def _set_width(self) -> None:
        """Keep the lines as wide on the screen: napari counts their width in pixels of the layer."""
        if self._layer is None or self._labels is None:
            return
        place, viewer = self._labels.place, self._viewer
        step = float(np.linalg.norm(place.matrix[:-1, -2])) * units_factors(place.layer, viewer.dims)[place.order[-1]]
        self._layer.edge_width = LINE / max(viewer.scene.camera.zoom * step, 1e-9)


def box_of(
    labels: MeasuredLabels, index: tuple[int, ...], label: int, centre: tuple[float, float], reach: float
) -> Region:
    """Return the rectangle around a nucleus, looked for within a distance of its centre; no more than that is read."""
    height, width = labels.shape[-2:]
    y, x = centre
    y0, x0 = max(int(y - reach), 0), max(int(x - reach), 0)
    y1, x1 = min(int(y + reach) + 2, height), min(int(x + reach) + 2, width)
    rows, columns = np.nonzero(labels.source.read(index, 0, (y0, y1, x0, x1)) == label)
    if not rows.size:  # painted over since it was measured
        return round(y), round(y) + 1, round(x), round(x) + 1
    return y0 + int(rows.min()), y0 + int(rows.max()) + 1, x0 + int(columns.min()), x0 + int(columns.max()) + 1

"""The frame around one nucleus of any labels, in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject

from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.viewer.labels_and_image import MeasuredLabels
from napari_unet_nuclei.gui.viewer.lines import (
    MARGIN,
    ON_BRIGHT,
    ON_DARK,
    SETTLE,
    add_lines,
    in_layer,
    rectangle,
    segments,
    set_width,
)
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Vectors

FRAME = "Selected nucleus"
"""Name of the layer."""


REACH = 2.0
"""Diameters around its centre in which a nucleus is looked for: far enough for one five times as long as wide."""


class NucleusFrame(QObject):
    """A layer with one rectangle, added when there is something to frame; it is never the active layer.

    It is hidden while its dock is behind another tab, whose own frame would be taken for it.
    """

    def __init__(self, viewer: Viewer, dock: Dock) -> None:
        super().__init__(dock)
        self._dock = dock
        dock.front_changed.connect(self._follow_dock)
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
            self._layer = add_lines(self._viewer, labels.place, FRAME)
        place = labels.place
        self._layer.data = in_layer(place, index, segments([rectangle(box, MARGIN)]))
        self._layer.visible = True
        bright = place.layer.metadata.get("nuclei", {}).get("provenance", {}).get("kind") == "brightfield"
        self._layer.edge_color = (ON_BRIGHT if bright else ON_DARK).found
        self._set_width()

    def show_row(self, measured: MeasuredTable, row: int) -> None:
        """Frame the nucleus of a row of a table."""
        labels, table = measured.labels, measured.table
        position = measured.position(row) - np.array(labels.place.origin)
        index = tuple(int(one) for one in position[:-2])
        reach = REACH * float(table["diameter_px"].iloc[row]) + 1
        label = int(table["label"].iloc[row])
        self.show(labels, index, box_of(labels, index, label, (position[-2], position[-1]), reach))

    def _follow_dock(self) -> None:
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.visible = self._dock.is_in_front

    def clear(self) -> None:
        """Frame nothing, and remove the layer."""
        layer, self._layer, self._labels = self._layer, None, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _follow_zoom(self) -> None:
        if self._layer is not None:
            self._rest.start()

    def _set_width(self) -> None:
        if self._layer is not None and self._labels is not None:
            set_width(self._layer, self._viewer, self._labels.place)


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

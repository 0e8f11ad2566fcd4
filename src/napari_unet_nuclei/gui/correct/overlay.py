"""Lines over the picture: the frame around the nucleus that keys act on, and what is being drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject

from napari_unet_nuclei.core.labels.export.trace import trace_polygons
from napari_unet_nuclei.core.labels.regions import grown, slices
from napari_unet_nuclei.core.types import Index, Region
from napari_unet_nuclei.gui.correct.current import CurrentCorrection
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer
from napari_unet_nuclei.gui.viewer.lines import (
    ON_BRIGHT,
    ON_DARK,
    SETTLE,
    Line,
    add_lines,
    canvas_pixel,
    in_layer,
    segments,
    set_width,
)
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Vectors

OVERLAY = "Correct nuclei: guide"
"""Name of the layer."""

CROSS = 6.0
"""Half the width of the cross at a clicked point, in canvas pixels."""


class Overlay(QObject):
    """A layer of lines on the current labels, added when there is something to show; it is never the active layer."""

    def __init__(self, viewer: Viewer, current: CurrentCorrection, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._current = current
        self._layer: Vectors | None = None
        self._is_outdated = False
        self.is_adding = False
        """True while the layer is added, which makes it the active one for a moment."""
        self._index: Index = ()
        self._frame: list[Line] = []
        self._is_missed = False
        self._drawing: list[Line] = []
        self._rest = rest_timer(self, self._show, SETTLE)
        viewer.scene.camera.events.zoom.connect(self._follow_zoom)
        current.changed.connect(self._forget)

    def frame(self, index: Index, lines: Sequence[Line], *, missed: bool = False) -> None:
        """Replace the frame; ``missed`` gives it the colour of a place where a nucleus may be missing."""
        self._index, self._frame, self._is_missed = index, list(lines), missed
        self._show()

    def draw(self, index: Index, lines: Sequence[Line], points: Sequence[Line] = ()) -> None:
        """Replace what is being drawn: lines, and points as crosses."""
        self._index = index
        self._drawing = [*lines, *(line for point in points for line in self._cross(point))]
        self._show()

    def set_visible(self, visible: bool) -> None:
        """Hide the lines while another dock is in front, whose own frame would be taken for theirs."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.visible = visible

    def clear(self) -> None:
        """Show nothing, and remove the layer."""
        self._frame, self._drawing = [], []
        self._remove()

    def _remove(self) -> None:
        self._is_outdated = False
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _forget(self) -> None:
        """Show nothing of the former labels; the layer, which lies where they do, is removed in a moment."""
        self._frame, self._drawing = [], []
        if self._layer is not None:
            # Not removed at once: the change may come from the viewer, which is just removing other layers.
            self._layer.data = np.empty((0, 2, self._layer.ndim))
            self._is_outdated = True
            self._rest.start()

    def _show(self) -> None:
        if self._is_outdated:
            self._remove()
        session = self._current.session
        if session is None or (self._layer is None and not (self._frame or self._drawing)):
            return
        corrected = session.corrected
        if self._layer is None or self._layer not in self._viewer.layers:
            self._layer = self._added(corrected)
        framed, drawn = (segments(lines) for lines in (self._frame, self._drawing))
        both = np.concatenate([framed, drawn])
        self._layer.data = in_layer(corrected.labels.place, self._index, both)
        if len(both):
            colours = ON_BRIGHT if corrected.is_bright else ON_DARK
            frame_colour = colours.missed if self._is_missed else colours.found
            self._layer.edge_color = [frame_colour] * len(framed) + [colours.drawn] * len(drawn)
        set_width(self._layer, self._viewer, corrected.labels.place)

    def _added(self, corrected: CorrectedLayer) -> Vectors:
        # A new layer becomes the active one: the dock would give its keys back for that moment, and cancel a gesture.
        self.is_adding = True
        layer = add_lines(self._viewer, corrected.labels.place, OVERLAY)
        self.is_adding = False
        return layer

    def _cross(self, point: Line) -> list[Line]:
        reach, (y, x) = CROSS * canvas_pixel(self._viewer, self._current.require().corrected.labels.place), point
        return [np.array([(y - reach, x), (y + reach, x)]), np.array([(y, x - reach), (y, x + reach)])]

    def _follow_zoom(self) -> None:
        if self._layer is not None:
            self._rest.start()


def outlines(corrected: CorrectedLayer, index: Index, nucleus: int, box: Region) -> list[Line]:
    """Return the outlines of a nucleus."""
    plane = corrected.view[index]
    window = grown(box, 1, plane.shape)
    mask = (plane[slices(window)] == nucleus).astype("uint8")
    corner = (window[0] - 0.5, window[2] - 0.5)
    rings = (ring for _, pieces in trace_polygons(mask) for one in pieces for ring in (one.exterior, *one.holes))
    # Rings are open, and in (x, y) as files of polygons have it.
    return [np.concatenate([ring, ring[:1]])[:, ::-1] + corner for ring in rings]

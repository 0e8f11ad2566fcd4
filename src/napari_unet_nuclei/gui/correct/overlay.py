"""Lines over the picture: the frame around the nucleus that keys act on, and what is being drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Vectors
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_unet_nuclei.core.labels.export.trace import trace_polygons
from napari_unet_nuclei.core.labels.regions import grown, slices
from napari_unet_nuclei.core.types import Index, Region
from napari_unet_nuclei.gui.correct.current import CurrentCorrection
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer
from napari_unet_nuclei.gui.viewer.reviewed_layer import alike
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari import Viewer

OVERLAY = "Correct nuclei: guide"
"""Name of the layer."""


@dataclass(frozen=True)
class Colours:
    """Colours of a frame around a nucleus, of one around a place where one may be missing, and of what is drawn."""

    found: str
    missed: str
    drawn: str


ON_DARK = Colours("#ffe14d", "#ff9f1c", "#ffffff")
ON_BRIGHT = Colours("#0038c8", "#d1002c", "#000000")

LINE = 2.0
"""Width in canvas pixels."""

MARGIN = 3
"""Pixels between a nucleus and its frame."""

CROSS = 6.0
"""Half the width of the cross at a clicked point, in canvas pixels."""

SETTLE = 50
"""Milliseconds after which the width of the lines follows the zoom."""

Line = NDArray[np.float64]
"""Points (N, 2) of a plane, (y, x) in pixels; a closed line repeats its first point."""


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
        framed, drawn = (_segments(lines) for lines in (self._frame, self._drawing))
        segments = np.concatenate([framed, drawn])
        self._layer.data = self._placed(corrected, segments)
        if len(segments):
            colours = ON_BRIGHT if corrected.is_bright else ON_DARK
            frame_colour = colours.missed if self._is_missed else colours.found
            self._layer.edge_color = [frame_colour] * len(framed) + [colours.drawn] * len(drawn)
        # napari counts the width in pixels of the layer, so that it has to follow the zoom.
        self._layer.edge_width = LINE * self._canvas_pixel(corrected)

    def _added(self, corrected: CorrectedLayer) -> Vectors:
        """Add the layer above all others, and give the selection back."""
        selected = set(self._viewer.layers.selection)
        active = self._viewer.layers.selection.active
        ndim = corrected.layer.ndim
        layer = Vectors(np.empty((0, 2, ndim)), ndim=ndim, name=OVERLAY, vector_style="line", **alike(corrected.layer))
        # A new layer becomes the active one: the dock would give its keys back for that moment, and cancel a gesture.
        self.is_adding = True
        self._viewer.add_layer(layer)
        self._viewer.layers.selection = selected
        self._viewer.layers.selection.active = active
        self.is_adding = False
        return layer

    def _placed(self, corrected: CorrectedLayer, segments: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring starts and directions in a plane to the layer's axes, shape (N, 2, ndim)."""
        place = corrected.labels.place
        result = np.zeros((len(segments), 2, corrected.layer.ndim))
        # Only starts get the plane's position: directions stay 0 there, as lines do not leave their plane.
        for axis, position in zip(place.order, self._index, strict=False):
            result[:, 0, axis] = position
        result[:, :, place.order[-2:]] = segments
        return result

    def _canvas_pixel(self, corrected: CorrectedLayer) -> float:
        """Return the size of a canvas pixel in pixels of the labels."""
        return 1 / max(corrected.canvas_pixels(self._viewer), 1e-9)

    def _cross(self, point: Line) -> list[Line]:
        reach, (y, x) = CROSS * self._canvas_pixel(self._current.require().corrected), point
        return [np.array([(y - reach, x), (y + reach, x)]), np.array([(y, x - reach), (y, x + reach)])]

    def _follow_zoom(self) -> None:
        if self._layer is not None:
            self._rest.start()


def rectangle(region: Region, margin: float = 0.0) -> Line:
    """Return the outline of a rectangle of pixels, widened by a margin."""
    # By half a pixel, as whole numbers are the centres of pixels and the outline runs along their edges.
    y0, y1, x0, x1 = np.array(region, float) - 0.5 + np.array([-margin, margin, -margin, margin])
    return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)])


def outlines(corrected: CorrectedLayer, index: Index, nucleus: int, box: Region) -> list[Line]:
    """Return the outlines of a nucleus."""
    plane = corrected.view[index]
    window = grown(box, 1, plane.shape)
    mask = (plane[slices(window)] == nucleus).astype("uint8")
    corner = (window[0] - 0.5, window[2] - 0.5)
    rings = (ring for _, pieces in trace_polygons(mask) for one in pieces for ring in (one.exterior, *one.holes))
    # Rings are open, and in (x, y) as files of polygons have it.
    return [np.concatenate([ring, ring[:1]])[:, ::-1] + corner for ring in rings]


def _segments(lines: Sequence[Line]) -> NDArray[np.float64]:
    """Return the segments of lines as starts and directions, shape (N, 2, 2)."""
    parts = [np.stack([line[:-1], np.diff(line, axis=0)], axis=1) for line in lines if len(line) > 1]
    return np.concatenate(parts) if parts else np.empty((0, 2, 2))

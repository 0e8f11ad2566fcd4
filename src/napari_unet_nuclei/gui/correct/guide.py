"""Lines over the picture: the frame round the nucleus that keys act on, and what is being drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Vectors
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.export.trace import trace_polygons
from napari_unet_nuclei.core.labels.regions import grown, slices
from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, Index
from napari_unet_nuclei.gui.viewer.reviewed_layer import alike
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari import Viewer

GUIDE = "Correct nuclei: guide"
"""Name of the layer; it has no pixels, and goes away when there is nothing to show."""


@dataclass(frozen=True)
class Colours:
    """Of a frame round a nucleus, round a place where one may have been missed, and of what is being drawn."""

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
"""Half the width of a clicked point's cross, in canvas pixels."""

Line = NDArray[np.float64]
"""Points (N, 2) of a plane, (y, x) in pixels; a closed one repeats its first point."""


class Guide:
    """A layer of lines, added when there is something to show; it never becomes the active layer.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Vectors | None = None
        self.is_adding = False
        """True while the layer is added, which makes it the active one for a moment."""
        self._corrected: CorrectedLayer | None = None
        self._index: Index = ()
        self._frame: list[Line] = []
        self._is_missed = False
        self._drawing: list[Line] = []
        self._rest = rest_timer(None, self._show, 50)
        viewer.scene.camera.events.zoom.connect(self._follow_zoom)

    def frame(self, corrected: CorrectedLayer, index: Index, lines: Sequence[Line], *, missed: bool = False) -> None:
        """Show a frame, in place of the last one; one round a place where a nucleus may be missing looks otherwise."""
        self._corrected, self._index = corrected, index
        self._frame, self._is_missed = list(lines), missed
        self._show()

    def draw(self, corrected: CorrectedLayer, index: Index, lines: Sequence[Line], points: Sequence[Line] = ()) -> None:
        """Show what is being drawn, in place of what was: lines, and points as crosses."""
        self._corrected, self._index = corrected, index
        self._drawing = [*lines, *(line for point in points for line in self._cross(point))]
        self._show()

    def clear(self) -> None:
        """Show nothing; the layer goes."""
        self._frame, self._drawing = [], []
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _show(self) -> None:
        if self._corrected is None or (self._layer is None and not (self._frame or self._drawing)):
            return
        if self._layer is None or self._layer not in self._viewer.layers:
            self._add_layer(self._corrected)
        assert self._layer is not None, "it was just added"
        framed, drawn = (_segments(lines) for lines in (self._frame, self._drawing))
        segments = np.concatenate([framed, drawn])
        self._layer.data = self._placed(segments)
        if len(segments):
            colours = ON_BRIGHT if self._corrected.is_bright else ON_DARK
            frame_colour = colours.missed if self._is_missed else colours.found
            self._layer.edge_color = [frame_colour] * len(framed) + [colours.drawn] * len(drawn)
        self._layer.edge_width = LINE * self._canvas_pixel()

    def _add_layer(self, corrected: CorrectedLayer) -> None:
        """Add the layer above all others, and give the selection back."""
        selected = set(self._viewer.layers.selection)
        active = self._viewer.layers.selection.active
        self._layer = Vectors(
            np.empty((0, 2, corrected.layer.ndim)),
            ndim=corrected.layer.ndim,
            name=GUIDE,
            vector_style="line",
            **alike(corrected.layer),
        )
        self.is_adding = True
        self._viewer.add_layer(self._layer)
        self._viewer.layers.selection = selected
        self._viewer.layers.selection.active = active
        self.is_adding = False

    def _placed(self, segments: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring starts and directions in a plane to the layer's axes, shape (N, 2, ndim)."""
        assert self._corrected is not None, "lines come with their labels"
        place = self._corrected.labels.place
        result = np.zeros((len(segments), 2, self._corrected.layer.ndim))
        for axis, position in zip(place.order, self._index, strict=False):
            result[:, 0, axis] = position
        result[:, :, place.order[-2:]] = segments
        return result

    def _canvas_pixel(self) -> float:
        """Return how many pixels of the labels one of the canvas is."""
        assert self._corrected is not None, "lines come with their labels"
        return 1 / max(self._corrected.canvas_pixels(self._viewer), 1e-9)

    def _cross(self, point: Line) -> list[Line]:
        reach, (y, x) = CROSS * self._canvas_pixel(), point
        return [np.array([(y - reach, x), (y + reach, x)]), np.array([(y, x - reach), (y, x + reach)])]

    def _follow_zoom(self) -> None:
        if self._layer is not None:
            self._rest.start()


def rectangle(region: Region, margin: float = 0.0) -> Line:
    """Return the outline of a rectangle of pixels, some pixels outside of it."""
    y0, y1, x0, x1 = np.array(region, float) - 0.5 + np.array([-margin, margin, -margin, margin])
    return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)])


def outlines(corrected: CorrectedLayer, index: Index, nucleus: int, box: Region) -> list[Line]:
    """Return the outlines of a nucleus."""
    plane = corrected.view[index]
    window = grown(box, 1, plane.shape)
    mask = (plane[slices(window)] == nucleus).astype("uint8")
    corner = (window[0] - 0.5, window[2] - 0.5)
    rings = (ring for _, pieces in trace_polygons(mask) for one in pieces for ring in (one.exterior, *one.holes))
    return [np.concatenate([ring, ring[:1]])[:, ::-1] + corner for ring in rings]


def _segments(lines: Sequence[Line]) -> NDArray[np.float64]:
    """Return lines as starts and directions, shape (N, 2, 2)."""
    parts = [np.stack([line[:-1], np.diff(line, axis=0)], axis=1) for line in lines if len(line) > 1]
    return np.concatenate(parts) if parts else np.empty((0, 2, 2))

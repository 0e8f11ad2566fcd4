"""What is laid over the picture: the frame around what keys act on, what is being drawn, and a note at its top."""

from __future__ import annotations

import textwrap
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

NOTE_SIZE = 12
"""Size of the letters of a note, in points."""

NOTE_LINE = 40
"""Most letters of a line of a note."""

NOTE_LETTER = 10.5
"""Pixels of a letter: napari cuts lines off that are longer than a canvas between docks is wide."""

NOTE_LEAST = 12
"""Letters of a line of a note, however narrow the canvas is."""

NOTE_TIME = 6000
"""Milliseconds for which a warning is shown."""


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


class CanvasNote(QObject):
    """Text at the top of the canvas; what the user shows there comes back afterwards."""

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._before: dict[str, object] | None = None
        self._said = ""
        self._shown = ""
        self._reading = rest_timer(self, self._end_warning, NOTE_TIME)
        viewer.canvas.events.size.connect(self._fit)

    def say(self, text: str) -> None:
        """Show a text until another one comes; an empty one takes it away."""
        self._said = text
        self._reading.stop()
        self._show(text)

    def warn(self, text: str) -> None:
        """Show a warning for a while; what was said before comes back."""
        self._show(f"⚠ {text}")
        self._reading.start()

    def _end_warning(self) -> None:
        self._show(self._said)

    def _fit(self, _event: object = None) -> None:
        """Break the lines anew for a canvas of another width."""
        if self._shown:
            self._show(self._shown)

    def _show(self, text: str) -> None:
        self._shown = text
        overlay = self._viewer.canvas.overlays.text
        if text and self._before is None:
            self._before = {name: getattr(overlay, name) for name in ("text", "visible", "position", "font_size")}
        if text:
            _, width = self._viewer.canvas.size
            lines = textwrap.fill(text, min(max(int(width / NOTE_LETTER), NOTE_LEAST), NOTE_LINE))
            overlay.text, overlay.position, overlay.font_size, overlay.visible = lines, "top_center", NOTE_SIZE, True
        elif self._before is not None:
            before, self._before = self._before, None
            for name, value in before.items():
                setattr(overlay, name, value)

"""What is drawn or clicked on the canvas for a tool: a line, an outline, a box, or some points."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.gui.correct.guide import Guide, Line
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, Index
from napari_unet_nuclei.gui.viewer.navigation import STEADY_HAND, world_point

if TYPE_CHECKING:
    from napari import Viewer

STEP = 2.0
"""Canvas pixels between two points of a line that is drawn by hand."""

Kind = Literal["line", "outline", "box", "points"]


@dataclass(frozen=True, eq=False)
class Gesture:
    """Something that was drawn or clicked.

    Attributes
    ----------
    index : Index
        The plane.
    points : ndarray, shape (N, 2)
        (y, x) in pixels, in their order; two opposite corners of a box.
    """

    index: Index
    points: NDArray[np.float64]


class Gestures(QObject):
    """Waits for one gesture at a time; meanwhile the camera stands still, and no tool of napari's is active.

    Parameters
    ----------
    viewer : napari.Viewer
    guide : Guide
        Shows what is being drawn.
    """

    waiting_changed = Signal()

    clicked = Signal(object)
    """A click while nothing is waited for and no tool of napari's is active: a `Gesture` of one point."""

    def __init__(self, viewer: Viewer, guide: Guide) -> None:
        super().__init__()
        self._viewer = viewer
        self._guide = guide
        self.corrected: CorrectedLayer | None = None
        self._is_waiting = False
        self._kind: Kind = "line"
        self._count = 0
        self._take: Callable[[Gesture], None] = lambda gesture: None
        self._index: Index = ()
        self._points: list[NDArray[np.float64]] = []
        self._mode = ""
        _watch_mouse(viewer, self)

    @property
    def is_waiting(self) -> bool:
        """True while a gesture is expected or under way."""
        return self._is_waiting

    def wait_for(self, kind: Kind, take: Callable[[Gesture], None], count: int = 0) -> None:
        """Wait for a gesture, in place of the one that was waited for.

        Parameters
        ----------
        kind : {"line", "outline", "box", "points"}
        take : callable
            Gets the gesture.
        count : int
            Points after which it is complete; 0 for as many as come before `finish`.
        """
        self.cancel()
        assert self.corrected is not None, "tools come with labels"
        layer = self.corrected.layer
        self._kind, self._take, self._count = kind, take, count
        self._is_waiting, self._mode = True, str(layer.mode)
        layer.mode = "pan_zoom"
        layer.mouse_pan = False
        layer.cursor = "crosshair"
        self.waiting_changed.emit()

    def finish(self) -> None:
        """Take the points that were clicked."""
        gesture, take = Gesture(self._index, np.array(self._points).reshape(-1, 2)), self._take
        self.cancel()
        take(gesture)

    def cancel(self) -> None:
        """Wait no longer; what was drawn goes, and napari's tool is active again that was before."""
        self._points = []
        if not self._is_waiting or self.corrected is None:
            return
        self._is_waiting = False
        layer = self.corrected.layer
        layer.mouse_pan = True
        layer.cursor = "standard"
        layer.mode = self._mode
        self._guide.draw(self.corrected, self._index, [])
        self.waiting_changed.emit()

    def follow(self, event: Any) -> Iterator[None]:
        """Follow the mouse from a press to its release."""
        corrected = self.corrected
        index = None if corrected is None else corrected.shown_plane(self._viewer)
        if corrected is None or index is None or event.button != 1:
            return
        steps = self._follow_gesture if self._is_waiting else self._follow_click
        yield from steps(corrected, index, event)

    def _follow_gesture(self, corrected: CorrectedLayer, index: Index, event: Any) -> Iterator[None]:
        event.handled = True
        if index != self._index:
            self._points = []
        self._index = index
        self._add(corrected, event)
        yield
        while event.type == "mouse_move":
            if self._kind != "points" and self._is_waiting:
                self._add(corrected, event)
            yield
        if self._is_waiting and (self._kind != "points" or len(self._points) == self._count):
            self.finish()

    def _follow_click(self, corrected: CorrectedLayer, index: Index, event: Any) -> Iterator[None]:
        active = self._viewer.layers.selection.active
        if corrected.layer != active or corrected.layer.mode != "pan_zoom":
            return
        pressed = np.array(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos) - pressed).max() < STEADY_HAND:
            self.clicked.emit(Gesture(index, self._point(corrected, event)[np.newaxis]))

    def _point(self, corrected: CorrectedLayer, event: Any) -> NDArray[np.float64]:
        """Return where the mouse is, (y, x) in pixels."""
        return corrected.position(world_point(self._viewer, corrected.layer, event))[-2:]

    def _add(self, corrected: CorrectedLayer, event: Any) -> None:
        point = self._point(corrected, event)
        if self._kind == "box":
            self._points = [*self._points[:1], point]
        elif not self._points or self._kind == "points" or self._is_far(corrected, point):
            self._points.append(point)
        lines, crosses = self._drawn()
        self._guide.draw(corrected, self._index, lines, crosses)

    def _is_far(self, corrected: CorrectedLayer, point: NDArray[np.float64]) -> bool:
        distance = float(np.linalg.norm(point - self._points[-1]))
        return distance * corrected.canvas_pixels(self._viewer) >= STEP

    def _drawn(self) -> tuple[list[Line], list[Line]]:
        """Return what is drawn so far, as lines and as points."""
        if self._kind == "points":
            return [], list(self._points)
        if self._kind == "box":
            (y0, x0), (y1, x1) = self._points[0], self._points[-1]
            return [np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)])], []
        closed = self._points[:1] if self._kind == "outline" else []
        return [np.array([*self._points, *closed])], []


def _watch_mouse(viewer: Viewer, gestures: Gestures) -> None:
    """Let gestures follow the mouse for as long as they live."""
    callbacks = viewer.mouse_drag_callbacks

    def forget(_reference: object) -> None:
        callbacks.remove(watch)

    reference = weakref.ref(gestures, forget)

    def watch(_viewer: object, event: Any) -> Iterator[None]:
        alive = reference()
        if alive is not None:
            yield from alive.follow(event)

    callbacks.append(watch)

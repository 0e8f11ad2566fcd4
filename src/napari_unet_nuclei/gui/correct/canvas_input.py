"""What the user draws or clicks on the canvas for a tool: a line, an outline, a box, or some points."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.types import Index
from napari_unet_nuclei.gui.correct.current import CurrentCorrection
from napari_unet_nuclei.gui.correct.overlay import Overlay
from napari_unet_nuclei.gui.viewer.lines import Line
from napari_unet_nuclei.gui.viewer.view import CLICK_DISTANCE, world_point

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

STEP = 2.0
"""Canvas pixels between two points of a freehand line."""

Kind = Literal["line", "outline", "box", "points"]


@dataclass(frozen=True, eq=False)
class Gesture:
    """Something drawn or clicked on a plane: (y, x) in pixels, in order; two opposite corners of a box."""

    index: Index
    points: NDArray[np.float64]
    planes: tuple[Index, ...]  # that of every point: clicks on volumes may lie in several planes of a stack


@dataclass(eq=False)
class _Waiting:
    """A gesture that is expected, and the layer whose mouse was taken from napari until it comes."""

    kind: Kind
    take: Callable[[Gesture], None]
    count: int
    layer: Labels
    mode: str
    through_frames: bool
    index: Index = ()
    points: list[NDArray[np.float64]] = field(default_factory=list)
    planes: list[Index] = field(default_factory=list)


class CanvasInput(QObject):
    """Wait for one gesture at a time; meanwhile the camera stands still and napari's own tools are off."""

    waiting_changed = Signal()

    clicked = Signal(object)
    """A click while no gesture is expected and napari's own tools are off: a `Gesture` of one point."""

    def __init__(self, viewer: Viewer, current: CurrentCorrection, overlay: Overlay, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._current = current
        self._overlay = overlay
        self._waiting: _Waiting | None = None
        current.changed.connect(self.cancel)
        _watch_mouse(viewer, self)

    @property
    def is_waiting(self) -> bool:
        """True while a gesture is expected or under way."""
        return self._waiting is not None

    def wait_for(
        self, kind: Kind, take: Callable[[Gesture], None], count: int = 0, *, through_frames: bool = False
    ) -> None:
        """Expect a gesture in place of an earlier one; ``count`` points complete it, or 0 any number until `finish`.

        Points may lie in several frames of a movie where ``through_frames`` says so.
        """
        self.cancel()
        layer = self._current.require().layer
        self._waiting = _Waiting(kind, take, count, layer, str(layer.mode), through_frames)
        # In this order: choosing a mode makes napari set panning and cursor to those of the mode.
        layer.mode = "pan_zoom"
        layer.mouse_pan = False
        layer.cursor = "crosshair"
        self.waiting_changed.emit()

    def finish(self) -> None:
        """Complete the gesture with the points that were clicked so far."""
        if self._waiting is not None:
            waiting = self._waiting
            self.take(Gesture(waiting.index, np.array(waiting.points).reshape(-1, 2), tuple(waiting.planes)))

    def take(self, gesture: Gesture) -> None:
        """Hand a gesture to the tool that waits for one."""
        waiting = self._waiting
        # Before the tool acts: it may fail, and the mouse must be free again then.
        self.cancel()
        if waiting is not None:
            waiting.take(gesture)

    def cancel(self) -> None:
        """Expect no gesture, erase what was drawn, and give the mouse and its previous tool back to napari."""
        # Forgotten before anything else: the layer's events may come back here.
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        # The layer of the gesture, as another one may be the current one by now.
        waiting.layer.mouse_pan = True
        waiting.layer.cursor = "standard"
        waiting.layer.mode = waiting.mode
        self._overlay.draw(waiting.index, [])
        self.waiting_changed.emit()

    def follow(self, event: Any) -> Iterator[None]:
        """Follow the mouse from a press to its release."""
        # napari calls this at the press and goes on with it at every move, and at the release a last time.
        session = self._current.session
        index = None if session is None else session.corrected.shown_plane(self._viewer)
        if index is None or event.button != 1:
            return
        if self._waiting is None:
            yield from self._follow_click(index, event)
        else:
            yield from self._follow_gesture(self._waiting, index, event)

    def _follow_gesture(self, waiting: _Waiting, index: Index, event: Any) -> Iterator[None]:
        event.handled = True
        # Points that are clicked one by one belong together only on one plane, or in one stack of volumes.
        together = waiting.through_frames or (waiting.kind == "points" and self._is_one_stack(index, waiting.index))
        if index != waiting.index and not together:
            waiting.points, waiting.planes = [], []
        waiting.index = index
        self._add(waiting, event)
        yield
        while event.type == "mouse_move":
            # The user may cancel, or choose other labels, while the button is down.
            if waiting.kind != "points" and waiting is self._waiting:
                self._add(waiting, event)
            yield
        if waiting is self._waiting and (waiting.kind != "points" or len(waiting.points) == waiting.count):
            self.finish()

    def _follow_click(self, index: Index, event: Any) -> Iterator[None]:
        layer = self._current.require().layer
        # In the other modes a click paints, fills or picks.
        if layer != self._viewer.layers.selection.active or layer.mode != "pan_zoom":
            return
        pressed = np.array(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        # A key or a closing dock may have changed what is corrected while the button was down.
        session = self._current.session
        is_same = session is not None and session.layer == layer
        if is_same and np.abs(np.array(event.pos) - pressed).max() < CLICK_DISTANCE:
            self.clicked.emit(Gesture(index, self._point(event)[np.newaxis], (index,)))

    def _is_one_stack(self, one: Index, other: Index) -> bool:
        depth = self._current.require().corrected.depth
        # No plane has been clicked before the first one.
        return (
            depth is not None and bool(other) and one[:depth] + one[depth + 1 :] == other[:depth] + other[depth + 1 :]
        )

    def _point(self, event: Any) -> NDArray[np.float64]:
        corrected = self._current.require().corrected
        return corrected.position(world_point(self._viewer, corrected.layer, event))[-2:]

    def _add(self, waiting: _Waiting, event: Any) -> None:
        point = self._point(event)
        if waiting.kind == "box":
            waiting.points = [*waiting.points[:1], point]
            waiting.planes = [waiting.index] * len(waiting.points)
        elif not waiting.points or waiting.kind == "points" or self._is_far(waiting.points[-1], point):
            waiting.points.append(point)
            waiting.planes.append(waiting.index)
        lines, crosses = _drawn(waiting)
        self._overlay.draw(waiting.index, lines, crosses)

    def _is_far(self, last: NDArray[np.float64], point: NDArray[np.float64]) -> bool:
        # On the canvas, not in the image: far zoomed out a hand moves over many pixels at once.
        distance = float(np.linalg.norm(point - last))
        return distance * self._current.require().corrected.labels.place.canvas_pixels(self._viewer) >= STEP


def _drawn(waiting: _Waiting) -> tuple[list[Line], list[Line]]:
    """Return what is drawn so far, as lines and points to mark."""
    if waiting.kind == "points":
        return [], [
            point for point, plane in zip(waiting.points, waiting.planes, strict=True) if plane == waiting.index
        ]
    if waiting.kind == "box":
        (y0, x0), (y1, x1) = waiting.points[0], waiting.points[-1]
        return [np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)])], []
    closed = waiting.points[:1] if waiting.kind == "outline" else []
    return [np.array([*waiting.points, *closed])], []


def _watch_mouse(viewer: Viewer, canvas_input: CanvasInput) -> None:
    """Connect to the viewer's mouse without keeping the object alive, as the viewer outlives the dock."""
    callbacks = viewer.mouse_drag_callbacks

    def forget(_reference: object) -> None:
        callbacks.remove(watch)

    reference = weakref.ref(canvas_input, forget)

    def watch(_viewer: object, event: Any) -> Iterator[None]:
        alive = reference()
        if alive is not None:
            yield from alive.follow(event)

    callbacks.append(watch)

"""Go from one doubtful nucleus to the next, and frame the one that keys act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.corrections.history import Touched
from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.doubt import Candidate
from napari_unet_nuclei.core.labels.edit.edit import find_box
from napari_unet_nuclei.core.labels.regions import pixel
from napari_unet_nuclei.core.types import Index, Region
from napari_unet_nuclei.gui.correct.canvas_input import Gesture
from napari_unet_nuclei.gui.correct.current import CurrentCorrection
from napari_unet_nuclei.gui.correct.overlay import Overlay, outlines
from napari_unet_nuclei.gui.viewer.lines import MARGIN, Line, rectangle
from napari_unet_nuclei.gui.viewer.view import go_to, world_point

if TYPE_CHECKING:
    from napari import Viewer


LARGE_ENOUGH = 90
"""Smallest size in canvas pixels of a nucleus that is gone to, so that its outline can be judged."""


@dataclass(frozen=True)
class Framed:
    """Nuclei in the frame by id, or none where one may have been missed; and the queue's candidate that it shows."""

    index: Index
    boxes: dict[int, Region]
    candidate: Candidate | None = None

    @property
    def is_missed(self) -> bool:
        """True for a place where a nucleus may have been missed."""
        return self.candidate is not None and self.candidate.kind == "missed"


class Navigator(QObject):
    """Go through the review queue, and frame what is gone to or clicked."""

    changed = Signal()
    """The frame shows something else, or nothing."""

    finished = Signal()
    """The queue is empty."""

    def __init__(self, viewer: Viewer, current: CurrentCorrection, overlay: Overlay, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._current = current
        self._overlay = overlay
        self.all_planes = False
        self.candidate: Candidate | None = None
        """Position in the queue."""
        self.framed: Framed | None = None
        self._is_awaited = False
        current.changed.connect(self._start)
        current.edited.connect(self._follow_changes)

    @property
    def plane(self) -> Index | None:
        """The plane that the viewer shows; None where it shows none of the labels."""
        session = self._current.session
        return None if session is None else session.corrected.shown_plane(self._viewer)

    @property
    def scope(self) -> Index | None:
        """The plane that is reviewed; None for all planes, among which volumes and tracks extend."""
        return None if self.all_planes or self.extend_through_planes else self.plane

    @property
    def extend_through_planes(self) -> bool:
        """True where nuclei are volumes, or were followed over time: there is one queue for all planes then."""
        session = self._current.session
        return session is not None and (session.corrected.depth is not None or session.tracks is not None)

    def choose_scope(self, all_planes: bool) -> None:
        """Review all planes, or only the one that is shown."""
        self.all_planes = all_planes
        self.look()
        self.changed.emit()

    def look(self) -> None:
        """List the candidates of the planes that are reviewed, in the background."""
        session, plane = self._current.session, self.plane
        if session is not None and plane is not None:
            for index in self._planes(plane):
                session.look(index)

    def next(self) -> None:
        """Go to the most doubtful nucleus that is left, and move the framed one to the end of the queue.

        From a nucleus that was clicked, return to the position in the queue.
        """
        session, plane = self._current.require(), self.shown_plane()
        self.look()
        candidate = self.candidate
        # The position on a plane that the user has left would lead back to it.
        if candidate is not None and self.scope is not None and candidate.plane != plane:
            candidate = None
        if candidate is not None and session.review.is_pending(candidate):
            if self.framed is None or self.framed.candidate != candidate:
                self.go_to(candidate)
                return
            session.review.skip(candidate)
        left = session.review.pending(self.scope)
        # An empty queue may only not be filled yet: the thread that lists candidates takes seconds on large planes.
        self._is_awaited = not left and not all(session.review.is_listed(index) for index in self._planes(plane))
        if left:
            self.go_to(left[0])
            return
        self.candidate = None
        self.release()
        if not self._is_awaited:
            self.finished.emit()

    def finished_planes(self) -> list[Index]:
        """List the reviewed planes of which nothing is left."""
        session, plane = self._current.session, self.plane
        if session is None or plane is None:
            return []
        review = session.review
        return [index for index in self._planes(plane) if review.is_listed(index) and not review.count(index)[1]]

    def _planes(self, shown: Index) -> list[Index]:
        return self._current.require().corrected.plane_indices if self.scope is None else [shown]

    def shown_plane(self) -> Index:
        """Return the plane that is shown; raise `EditError` if there is none, or nothing is corrected."""
        self._current.require()
        plane = self.plane
        if plane is None:
            raise EditError("Show a plane of these labels, in 2-D and from above: nuclei are corrected plane by plane.")
        return plane

    def go_to(self, candidate: Candidate) -> None:
        """Bring a candidate into the middle of the view and frame it."""
        self._bring_into_view(candidate.plane, candidate.box)
        self.candidate = candidate
        self.frame(Framed(candidate.plane, {candidate.id: candidate.box} if candidate.id else {}, candidate))

    def frame(self, framed: Framed) -> None:
        """Put the frame around something."""
        corrected = self._current.require().corrected
        lines: list[Line] = []
        for nucleus, box in framed.boxes.items():
            lines += [rectangle(box, MARGIN), *outlines(corrected, framed.index, nucleus, box)]
        if framed.is_missed and framed.candidate is not None:
            lines = [rectangle(framed.candidate.box, MARGIN)]
        self.framed = framed
        self._overlay.frame(framed.index, lines, missed=framed.is_missed)
        self.changed.emit()

    def visit(self, index: Index, nucleus: int) -> None:
        """Bring a nucleus into the middle of the view and frame it; raise `EditError` if it does not exist."""
        session = self._current.require()
        known = session.review.find(index, nucleus)
        box = find_box(session.corrected.view[index], nucleus, known.box if known else None)
        self._bring_into_view(index, box)
        self.frame(Framed(index, {nucleus: box}))

    def frame_nuclei(self, index: Index, nuclei: Sequence[int]) -> None:
        """Frame those of some nuclei that exist; remove the frame where none does."""
        session = self._current.require()
        plane, boxes = session.corrected.view[index], {}
        for nucleus in nuclei:
            # The queue knows where nuclei lie, which spares a search of the whole plane for each.
            known = session.review.find(index, nucleus)
            try:
                boxes[nucleus] = find_box(plane, nucleus, known.box if known else None)
            except EditError:
                continue
        if boxes:
            self.frame(Framed(index, boxes))
        else:
            self.release()

    def release(self) -> None:
        """Remove the frame."""
        self.framed = None
        self._overlay.frame((), [])
        self.changed.emit()

    def take_click(self, gesture: Gesture) -> None:
        """Frame the nucleus that was clicked; remove the frame after a click on background."""
        plane = self._current.require().corrected.view[gesture.index]
        try:
            y, x = pixel(gesture.points[0], plane.shape)
        except EditError:
            return  # beside the labels: whoever moves the view there wants to keep the frame
        nucleus = int(plane[y, x])
        if nucleus > 0:
            self.frame(Framed(gesture.index, {nucleus: find_box(plane, nucleus, (y, y + 1, x, x + 1))}))
        else:
            self.release()

    def under_mouse(self) -> tuple[float, float] | None:
        """Return the point (y, x) of the shown plane under the mouse; None where the mouse is elsewhere."""
        if self.plane is None or not self._viewer.mouse_over_canvas:
            return None
        corrected = self._current.require().corrected
        point = corrected.position(world_point(self._viewer, corrected.layer, self._viewer.cursor))[-2:]
        # Centres of pixels lie at whole numbers, so that the first pixel begins at -0.5.
        inside = ((point >= -0.5) & (point < np.array(corrected.labels.shape[-2:]) - 0.5)).all()
        return (float(point[0]), float(point[1])) if inside else None

    def show_step(self, touched: Touched) -> None:
        """Show what was undone or redone; after an undone decision, ask for it again."""
        planes = touched.planes
        index = self.plane if self.plane is not None and self.plane in planes else planes[0]
        if touched.ids:
            self._bring_into_view(index, touched.region, only_where_hidden=True)
            self.frame_nuclei(index, touched.ids)
            return
        # A decision changes no nuclei. Undone, its candidate waits in the queue again, known by its box.
        for candidate in self._current.require().review.pending(None if self.extend_through_planes else index):
            if candidate.box == touched.region and candidate.plane in planes:
                self.go_to(candidate)
                return

    def _start(self) -> None:
        self.candidate = self.framed = None
        self._is_awaited = False
        self.look()
        self.changed.emit()

    def _follow_changes(self) -> None:
        """Adapt the frame to nuclei that have changed, or go on once awaited candidates are listed."""
        session, framed = self._current.session, self.framed
        if session is None:
            return
        if self._is_awaited and self.plane is not None and session.review.pending(self.scope):
            self.next()
        elif framed is not None and framed.boxes:
            self.frame_nuclei(framed.index, list(framed.boxes))
            # Or else *Next* would come back to the same candidate, as if it were a nucleus that was clicked.
            if self.framed is not None and framed.candidate is not None:
                self.framed = Framed(self.framed.index, self.framed.boxes, framed.candidate)

    def _bring_into_view(self, index: Index, box: Region, *, only_where_hidden: bool = False) -> None:
        corrected = self._current.require().corrected
        if only_where_hidden and index == self.plane and self._is_in_view(box):
            return
        y0, y1, x0, x1 = box
        side = max(y1 - y0, x1 - x0)
        # The ends of a region lie behind its last pixels, whose centres are at whole numbers.
        middle = corrected.world(index, ((y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2))
        go_to(self._viewer, corrected.layer, middle, side * corrected.labels.place.pixel_length)
        # After `go_to`, which may have changed the zoom already.
        on_screen = side * corrected.labels.place.canvas_pixels(self._viewer)
        if not only_where_hidden and on_screen < LARGE_ENOUGH:
            self._viewer.scene.camera.zoom *= LARGE_ENOUGH / on_screen

    def _is_in_view(self, box: Region) -> bool:
        corrected = self._current.require().corrected
        shown = np.array(corrected.layer.corner_pixels)[:, corrected.labels.place.order[-2:]]
        (top, left), (bottom, right) = shown.tolist()
        y0, y1, x0, x1 = box
        return bool(y0 < bottom and y1 > top and x0 < right and x1 > left)

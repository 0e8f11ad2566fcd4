"""From one doubtful nucleus to the next, and the frame that tells which one the keys act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.corrections.history import Touched
from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.doubt.doubt import Candidate
from napari_unet_nuclei.core.labels.edit.edit import find_box
from napari_unet_nuclei.core.labels.regions import pixel
from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.correct.gestures import Gesture
from napari_unet_nuclei.gui.correct.guide import MARGIN, Guide, Line, outlines, rectangle
from napari_unet_nuclei.gui.correct.look import planes_of, region_of
from napari_unet_nuclei.gui.correct.session import CorrectSession
from napari_unet_nuclei.gui.viewer.corrected_layer import Index
from napari_unet_nuclei.gui.viewer.navigation import go_to, world_point

if TYPE_CHECKING:
    from napari import Viewer


LARGE_ENOUGH = 90
"""Canvas pixels that a nucleus takes at least when it is gone to, so that its outline can be judged."""


@dataclass(frozen=True)
class Framed:
    """What has the frame.

    Attributes
    ----------
    index : Index
        Its plane.
    boxes : dict of int to Region
        Nuclei; none where one may have been missed.
    candidate : Candidate or None
        Of the queue.
    """

    index: Index
    boxes: dict[int, Region]
    candidate: Candidate | None = None

    @property
    def is_missed(self) -> bool:
        """True for a place where a nucleus may have been missed."""
        return self.candidate is not None and self.candidate.kind == "missed"


class Walk(QObject):
    """Goes through the queue, and frames what is gone to or clicked.

    Parameters
    ----------
    viewer : napari.Viewer
    guide : Guide
        Draws the frame.
    """

    changed = Signal()
    """Something else has the frame, or nothing."""

    finished = Signal()
    """Nothing is left in the queue."""

    def __init__(self, viewer: Viewer, guide: Guide) -> None:
        super().__init__()
        self._viewer = viewer
        self._guide = guide
        self.session: CorrectSession | None = None
        self.all_planes = False
        self.current: Candidate | None = None
        self.framed: Framed | None = None
        self._is_awaited = False

    def choose(self, session: CorrectSession | None) -> None:
        """Walk through other labels."""
        self.session = session
        self.current = None
        self._is_awaited = False
        self.release()

    @property
    def plane(self) -> Index | None:
        """The plane that the viewer shows; None where it shows none of the labels."""
        return None if self.session is None else self.session.corrected.shown_plane(self._viewer)

    @property
    def scope(self) -> Index | None:
        """The plane whose candidates are gone through; None for all planes."""
        return None if self.all_planes else self.plane

    def choose_scope(self, all_planes: bool) -> None:
        """Go through all planes, or only the one that is shown."""
        self.all_planes = all_planes
        self.look()
        self.changed.emit()

    def look(self) -> None:
        """Have the candidates listed that are to be gone through."""
        if self.session is None or self.plane is None:
            return
        for index in self._planes(self.plane):
            self.session.look(index)

    def next(self) -> None:
        """Go to the most doubtful nucleus that is left; the one in the frame comes again at the end.

        From a nucleus that was clicked it goes back to where the queue stands.

        Raises
        ------
        EditError
            If the viewer shows none of the planes.
        """
        session, plane = self.session, self.shown_plane()
        assert session is not None, "planes come with labels"
        self.look()
        current = self.current if self.all_planes or (self.current and self.current.plane == plane) else None
        if current is not None and session.review.is_pending(current):
            if self.framed is None or self.framed.candidate != current:
                self.go_to(current)
                return
            session.review.skip(current)
        left = session.review.pending(self.scope)
        self._is_awaited = not left and not all(session.review.is_listed(index) for index in self._planes(plane))
        if left:
            self.go_to(left[0])
        else:
            self.current = None
            self.release()
            if not self._is_awaited:
                self.finished.emit()

    def finished_planes(self) -> list[Index]:
        """List the planes that were gone through and of which nothing is left."""
        if self.session is None or self.plane is None:
            return []
        review = self.session.review
        return [index for index in self._planes(self.plane) if review.is_listed(index) and not review.count(index)[1]]

    def _planes(self, shown: Index) -> list[Index]:
        """List the planes that are gone through."""
        assert self.session is not None, "planes come with labels"
        return self.session.corrected.plane_indices if self.all_planes else [shown]

    def shown_plane(self) -> Index:
        """Return the plane that is shown.

        Raises
        ------
        EditError
            If there is none.
        """
        if self.plane is None:
            raise EditError("Show a plane of these labels, in 2-D and from above: nuclei are corrected plane by plane.")
        return self.plane

    def go_to(self, candidate: Candidate) -> None:
        """Bring a candidate into the middle of the view and frame it."""
        assert self.session is not None, "candidates come with labels"
        self._bring_into_view(candidate.plane, candidate.box)
        self.current = candidate
        self.frame(Framed(candidate.plane, {candidate.id: candidate.box} if candidate.id else {}, candidate))

    def frame(self, framed: Framed) -> None:
        """Put the frame round something."""
        assert self.session is not None, "nuclei come with labels"
        corrected = self.session.corrected
        lines: list[Line] = []
        for nucleus, box in framed.boxes.items():
            lines += [rectangle(box, MARGIN), *outlines(corrected, framed.index, nucleus, box)]
        if framed.is_missed and framed.candidate is not None:
            lines = [rectangle(framed.candidate.box, MARGIN)]
        self.framed = framed
        self._guide.frame(corrected, framed.index, lines, missed=framed.is_missed)
        self.changed.emit()

    def frame_nuclei(self, index: Index, nuclei: Sequence[int]) -> None:
        """Put the frame round nuclei, those that are there; where none is, back to where the queue stands."""
        assert self.session is not None, "nuclei come with labels"
        plane, boxes = self.session.corrected.view[index], {}
        for nucleus in nuclei:
            known = self.session.review.find(index, nucleus)
            try:
                boxes[nucleus] = find_box(plane, nucleus, known.box if known else None)
            except EditError:
                continue
        if boxes:
            self.frame(Framed(index, boxes))
        else:
            self.release()

    def release(self) -> None:
        """Take the frame away."""
        self.framed = None
        if self.session is not None:
            self._guide.frame(self.session.corrected, (), [])
        self.changed.emit()

    def take_click(self, gesture: Gesture) -> None:
        """Frame the nucleus that was clicked; a click on background takes the frame away."""
        if self.session is None:
            return
        plane = self.session.corrected.view[gesture.index]
        try:
            y, x = pixel(gesture.points[0], plane.shape)
        except EditError:
            return
        nucleus = int(plane[y, x])
        if nucleus > 0:
            self.frame(Framed(gesture.index, {nucleus: find_box(plane, nucleus, (y, y + 1, x, x + 1))}))
        else:
            self.release()

    def under_mouse(self) -> tuple[float, float] | None:
        """Return the point (y, x) of the shown plane that the mouse is over; None where it is elsewhere."""
        if self.session is None or self.plane is None or not self._viewer.mouse_over_canvas:
            return None
        corrected = self.session.corrected
        point = corrected.position(world_point(self._viewer, corrected.layer, self._viewer.cursor))[-2:]
        inside = ((point >= -0.5) & (point < np.array(corrected.labels.shape[-2:]) - 0.5)).all()
        return (float(point[0]), float(point[1])) if inside else None

    def follow_changes(self) -> None:
        """Bring the frame in line with nuclei that have changed, or are gone; go on where candidates were awaited."""
        framed = self.framed
        if self._is_awaited and self.session is not None and self.session.review.pending(self.scope):
            self.next()
        elif framed is not None and framed.boxes:
            kept = framed.candidate
            self.frame_nuclei(framed.index, list(framed.boxes))
            if self.framed is not None and kept is not None:
                self.framed = Framed(self.framed.index, self.framed.boxes, kept)

    def show_step(self, touched: Touched) -> None:
        """Show what was taken back or made again; a decision that was taken back is asked for again."""
        assert self.session is not None, "steps come with labels"
        planes, region = planes_of(touched.box), region_of(touched.box)
        index = self.plane if self.plane in planes else planes[0]
        assert index is not None, "a step lies on a plane"
        if touched.ids:
            self._bring_into_view(index, region, only_where_hidden=True)
            self.frame_nuclei(index, touched.ids)
            return
        for candidate in self.session.review.pending(index):
            if candidate.box == region:
                self.go_to(candidate)
                return

    def _bring_into_view(self, index: Index, box: Region, *, only_where_hidden: bool = False) -> None:
        assert self.session is not None, "places come with labels"
        corrected = self.session.corrected
        if only_where_hidden and index == self.plane and self._is_in_view(box):
            return
        y0, y1, x0, x1 = box
        side = max(y1 - y0, x1 - x0)
        middle = corrected.world(index, ((y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2))
        go_to(self._viewer, corrected.layer, middle, side * corrected.pixel_length)
        on_screen = side * corrected.canvas_pixels(self._viewer)
        if not only_where_hidden and on_screen < LARGE_ENOUGH:
            self._viewer.scene.camera.zoom *= LARGE_ENOUGH / on_screen

    def _is_in_view(self, box: Region) -> bool:
        assert self.session is not None, "places come with labels"
        shown = np.array(self.session.layer.corner_pixels)[:, self.session.corrected.labels.place.order[-2:]]
        (top, left), (bottom, right) = shown.tolist()
        y0, y1, x0, x1 = box
        return bool(y0 < bottom and y1 > top and x0 < right and x1 > left)

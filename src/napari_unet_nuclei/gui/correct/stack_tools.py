"""What keys and buttons do to nuclei that extend through planes, and to tracks that go through frames."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from napari_unet_nuclei.core.corrections.review import ACCEPT
from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.doubt import Candidate
from napari_unet_nuclei.core.labels.edit.volume import (
    StackEdit,
    cut_from,
    delete_volume,
    fill_between,
    merge_volumes,
    merge_with_touching,
    sections,
    split_volume,
    split_volume_by_points,
)
from napari_unet_nuclei.core.labels.regions import united
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.tracking.edit import TrackEditor
from napari_unet_nuclei.core.types import AnyArray, Index
from napari_unet_nuclei.gui.correct.canvas_input import Gesture
from napari_unet_nuclei.gui.correct.tools import HOW_TO_UNDO, Tools, named, told


class VolumeTools(Tools):
    """The commands of correcting, which act through all planes where the labels hold volumes."""

    @property
    def holds_volumes(self) -> bool:
        """True where nuclei extend through planes."""
        return self.session.corrected.depth is not None

    def accept(self) -> None:
        """Accept the nucleus in all planes, and go on."""
        if not self.holds_volumes:
            super().accept()
            return
        index, boxes = self._nuclei()
        accepted = [
            (self.session.corrected.along_stack(index, z), nucleus)
            for nucleus in boxes
            for z in sections(self._stack(index), nucleus)
        ]
        whole = [one.box for one in map(self._queued, [index] * len(boxes), boxes) if one is not None]
        self.session.decide(ACCEPT, index, united(whole or list(boxes.values())), accepted)
        self._go_on(f"Accepted {named(boxes)}.")

    def accept_rest(self) -> None:
        """Accept all nuclei that are left, of volumes those of all planes."""
        if not self.holds_volumes:
            super().accept_rest()
            return
        index, session = self._navigator.shown_plane(), self.session
        left = {(session.corrected.stack_planes(one.plane)[0], one.id): one for one in session.review.pending(None)}
        if not left:
            raise EditError("Nothing is left in this stack.")
        accepted = [
            (plane, nucleus)
            for plane in session.corrected.plane_indices
            for nucleus in np.unique(session.corrected.view[plane]).tolist()
            if (session.corrected.stack_planes(plane)[0], nucleus) in left
        ]
        session.decide(ACCEPT, index, united([one.box for one in left.values()]), accepted)
        # Nothing is left, so that this announces the end of the queue.
        self._navigator.next()
        self.status.emit(f"Accepted {quantity(len(left), 'nucleus', 'nuclei')}. {HOW_TO_UNDO}")

    def delete(self) -> None:
        """Delete the nucleus from all planes, as in a plane otherwise."""
        if not self.holds_volumes or self._missed() is not None:
            super().delete()
            return
        index, nucleus, _ = self._nucleus()
        edit = delete_volume(self._stack(index), nucleus)
        self.session.edit_stack(index, edit)
        self._go_on(f"{told(edit.title)} in {_counted(len(edit.planes))}. {HOW_TO_UNDO}")

    def join(self) -> None:
        """Merge the nucleus with the neighbour that touches most of its surface, in all planes."""
        if not self.holds_volumes:
            super().join()
            return
        index, nucleus, _ = self._nucleus()
        self._make_through(index, merge_with_touching(self._stack(index), nucleus))

    def split(self) -> None:
        """Split the nucleus in two at its clearest waist, in or across planes."""
        if not self.holds_volumes:
            super().split()
            return
        index, nucleus, _ = self._nucleus()
        session = self.session
        edit = split_volume(self._stack(index), nucleus, session.next_id, session.corrected.plane_spacing)
        self._make_through(index, edit)

    def cut_here(self) -> None:
        """Give the nucleus another id from the shown plane on."""
        if not self.holds_volumes:
            raise EditError("Only nuclei that extend through planes can be cut between two planes: draw a line (K).")
        index, nucleus, _ = self._nucleus()
        depth = self.session.corrected.depth
        assert depth is not None, "told above"
        self._make_through(index, cut_from(self._stack(index), nucleus, index[depth], self.session.next_id))

    def fill_planes(self) -> None:
        """Fill the planes between those in which the nucleus was painted."""
        if not self.holds_volumes:
            raise EditError("Only nuclei that extend through planes can be filled between planes.")
        index, nucleus, _ = self._nucleus()
        self._make_through(index, fill_between(self._stack(index), nucleus))

    def _unite(self, gesture: Gesture) -> None:
        if not self.holds_volumes:
            super()._unite(gesture)
            return
        (first, _), (second, _) = self._clicked(gesture, 0), self._clicked(gesture, 1)
        self._make_through(gesture.index, merge_volumes(self._stack(gesture.index), first, second))

    def _split_by_seeds(self, gesture: Gesture) -> None:
        depth = self.session.corrected.depth
        if depth is None:
            super()._split_by_seeds(gesture)
            return
        if self._splits_by_image:
            raise EditError("Nuclei that extend through planes are split by shape: choose that under More tools.")
        nucleus, _ = self._clicked(gesture, 0)
        points = [(plane[depth], *point) for plane, point in zip(gesture.planes, gesture.points.tolist(), strict=True)]
        stack, session = self._stack(gesture.index), self.session
        spacing = session.corrected.plane_spacing
        self._make_through(gesture.index, split_volume_by_points(stack, nucleus, points, session.next_id, spacing))

    def _make_through(self, index: Index, edit: StackEdit) -> None:
        """Apply an edit to all planes, and frame the resulting nuclei in the shown one for inspection."""
        self.session.edit_stack(index, edit)
        self._navigator.frame_nuclei(index, edit.touched)
        self.status.emit(f"{told(edit.title)}: {_counted(len(edit.planes))} changed. {HOW_TO_UNDO}")

    def _queued(self, index: Index, nucleus: int) -> Candidate | None:
        """Return the candidate of a nucleus of a stack."""
        planes = self.session.corrected.stack_planes(index)
        found = (self.session.review.find(plane, nucleus) for plane in planes)
        return next((one for one in found if one is not None), None)

    def _stack(self, index: Index) -> AnyArray:
        return self.session.corrected.stack(index)


def _counted(planes: int) -> str:
    return "1 plane" if planes == 1 else f"{planes} planes"


class TrackTools(VolumeTools):
    """The commands of correcting, and those that link nuclei of different frames."""

    def accept(self) -> None:
        """Accept the doubtful link or division in the frame, else the nucleus, and go on."""
        framed, session = self._navigator.framed, self.session
        candidate = None
        if framed is not None and len(framed.boxes) == 1:
            candidate = session.review.find(framed.index, *framed.boxes)
        if candidate is None or candidate.link < 0:
            super().accept()
            return
        session.require_tracks().edit(TrackEditor.accept, candidate.link)
        # Its shape is another question, which comes later.
        self._navigator.next()
        self.status.emit(f"Right as it is: {candidate.reason}. {HOW_TO_UNDO}")

    def cut_track(self) -> None:
        """Begin a new track with the nucleus."""
        index, nucleus, _ = self._nucleus()
        self._edit(TrackEditor.cut, self._row(index, nucleus))

    def link(self) -> None:
        """Let the nucleus go on as one of another frame."""
        self._with_another("link", "that is the same nucleus", TrackEditor.link)

    def divide(self) -> None:
        """Make the later of two nuclei a daughter of the earlier one."""
        self._with_another("divide", "that is its mother or daughter", TrackEditor.divide)

    def join_tracks(self) -> None:
        """Let the track of one of two nuclei go on as that of the other one."""
        self._with_another("join_tracks", "whose track goes on as this one", TrackEditor.join)

    def _with_another(self, verb: str, which: str, edit: Callable[..., None]) -> None:
        """Edit the framed nucleus and one that is clicked in another frame; two that are clicked where none is."""
        framed = self._navigator.framed
        rows = [self._row(framed.index, *framed.boxes)] if framed is not None and len(framed.boxes) == 1 else []
        how = f"Click the nucleus {which}, in its frame." if rows else "Click both nuclei, each in its frame."
        take = partial(self._take_clicked, edit, rows)
        key_again = " Press the key again to cancel."
        self._wait(verb, how + key_again, "points", take, 2 - len(rows), through_frames=True)

    def _take_clicked(self, edit: Callable[..., None], rows: list[int], gesture: Gesture) -> None:
        clicked = [self._row(plane, self._clicked(gesture, place)[0]) for place, plane in enumerate(gesture.planes)]
        self._edit(edit, *rows, *clicked)

    def _edit(self, edit: Callable[..., None], *rows: int) -> None:
        """Correct the tracks, and frame the nucleus under its new id."""
        session = self.session
        tracks = session.require_tracks()
        tracks.edit(edit, *rows)
        index = self._navigator.shown_plane()
        track = int(tracks.lineages.track[rows[-1]])
        self._navigator.frame_nuclei(index, [track])
        self.status.emit(f"{tracks.state.title}. {HOW_TO_UNDO}")

    def _row(self, index: Index, nucleus: int) -> int:
        """Return the row of a nucleus among those that were followed."""
        session = self.session
        row = session.require_tracks().row_of(nucleus, session.frame_of(index))
        if row is None:
            raise EditError(f"Nucleus {nucleus} was not followed: press Follow again, which keeps ids where it can.")
        return row

"""What keys and buttons do to the tracks of nuclei that were followed over time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.tracking.edit import TrackEditor
from napari_unet_nuclei.core.types import Index
from napari_unet_nuclei.gui.correct.canvas_input import Gesture
from napari_unet_nuclei.gui.correct.tools import HOW_TO_UNDO
from napari_unet_nuclei.gui.correct.volume_tools import VolumeTools


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

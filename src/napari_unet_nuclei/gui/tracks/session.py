"""One labels layer that is followed: its tracks, their layer, and what is corrected in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID
from weakref import WeakValueDictionary

import numpy as np
from napari.layers import Tracks
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.tracking.doubt import Doubt
from napari_unet_nuclei.core.tracking.edit import TrackEditor, TrackState
from napari_unet_nuclei.core.tracking.lineage import Lineages
from napari_unet_nuclei.core.tracking.movie import ArrayMovie
from napari_unet_nuclei.core.tracking.track import TrackResult
from napari_unet_nuclei.gui.tracks.request import FollowAnswer, put_frames
from napari_unet_nuclei.gui.viewer.companion import alike
from napari_unet_nuclei.gui.viewer.followed_layer import TRACK_COLUMNS, is_followed, mark_followed
from napari_unet_nuclei.gui.viewer.frame import REACH, NucleusFrame, box_of
from napari_unet_nuclei.gui.viewer.labels_and_image import describe_labels
from napari_unet_nuclei.gui.viewer.layers import replace_labels
from napari_unet_nuclei.gui.viewer.view import go_to

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels


CHANGED = "The labels have changed since they were followed: press Follow again. Ids stay where they can."


_SESSIONS: WeakValueDictionary[UUID, FollowSession] = WeakValueDictionary()
"""By the unique id of the layer; the dock *Follow over time* keeps them."""


def tracks_of(layer: Labels) -> FollowSession | None:
    """Return the tracks of a labels layer; None where it was not followed, or its labels were replaced since."""
    session = _SESSIONS.get(layer.unique_id)
    return session if session is not None and layer.data is session.labels else None


class FollowSession(QObject):
    """Shows the tracks of one labels layer, and carries out corrections of them."""

    changed = Signal()
    """Tracks have changed."""

    relabelled = Signal()
    """Somebody else has put other labels into the layer, as sliders do."""

    painted = Signal()
    """Somebody has changed pixels of the layer."""

    def __init__(self, viewer: Viewer, answer: FollowAnswer) -> None:
        super().__init__()
        self._viewer = viewer
        self._place = answer.request.place
        self._axes = answer.request.axes
        self._result = answer.result
        self._editor = TrackEditor(answer.result.lineages)
        self._is_writing = False
        self.layer: Labels = answer.request.layer
        self.labels = answer.labels
        self.tracks_layer: Tracks | None = None
        _SESSIONS[self.layer.unique_id] = self  # first, as whoever hears of the new labels asks for their tracks
        self._show_labels()
        self._show_tracks()
        self.layer.events.data.connect(self._note_data)
        self.layer.events.paint.connect(self._note_paint)

    def close(self) -> None:
        """Stop watching the layer; what is shown stays."""
        _SESSIONS.pop(self.layer.unique_id, None)
        self.layer.events.data.disconnect(self._note_data)
        self.layer.events.paint.disconnect(self._note_paint)

    def take(self, answer: FollowAnswer) -> None:
        """Show the same layer followed anew."""
        self._place, self._axes, self._result = answer.request.place, answer.request.axes, answer.result
        self._editor, self.labels = TrackEditor(answer.result.lineages), answer.labels
        self._show_labels()
        self._show_tracks()
        self.changed.emit()

    @property
    def result(self) -> TrackResult:
        """The tracks with all corrections."""
        return self._result

    @property
    def lineages(self) -> Lineages:
        """The tracks with all corrections."""
        return self._editor.lineages

    @property
    def state(self) -> TrackState:
        """The tracks with all corrections and decisions; another object after every step."""
        return self._editor.state

    @property
    def is_shown(self) -> bool:
        """True while the layer is in the viewer."""
        return self.layer in self._viewer.layers

    @property
    def can_undo(self) -> bool:
        """True if there is a correction to undo."""
        return self._editor.can_undo

    @property
    def can_redo(self) -> bool:
        """True if there is a correction to redo."""
        return self._editor.can_redo

    def doubts(self) -> tuple[Doubt, ...]:
        """Return what is left to look at."""
        return tuple(doubt for doubt in self.result.doubts if doubt.row not in self._editor.decided)

    def edit(self, verb: Callable[..., None], *rows: int) -> None:
        """Carry out a correction, a method of `TrackEditor`, on some nuclei; raise EditError where it is impossible."""
        self.check()
        before = self.lineages
        verb(self._editor, *rows)
        self._show_change(before)

    def undo(self) -> None:
        """Take back the last correction."""
        self.check()
        before = self.lineages
        self._editor.undo()
        self._show_change(before)

    def redo(self) -> None:
        """Repeat what was taken back last."""
        self.check()
        before = self.lineages
        self._editor.redo()
        self._show_change(before)

    def check(self) -> None:
        """Raise EditError if somebody has changed the labels since: what was painted must not be overwritten."""
        if self.layer.data is not self.labels or not is_followed(self.layer):
            raise EditError(CHANGED)

    def row_of(self, track: int, frame: int) -> int | None:
        """Return the row of a track in a frame; None where it is not."""
        rows = self.lineages.rows(track)
        found = rows[self.lineages.spots.frame[rows] == frame]
        return int(found[0]) if len(found) else None

    def frame_at(self, world: NDArray[np.float64]) -> int:
        """Return the frame at a point of the world."""
        leading = [letter for letter in self._axes if letter not in "YX"]
        position = self._place.position(world) - np.array(self._place.origin)
        return round(float(position[leading.index("T")]))

    def go_to(self, row: int) -> None:
        """Show a nucleus in its frame."""
        position = self._position(row) + np.array(self._place.origin)
        diameter = self._place.pixel_length * max(self.lineages.spots.diameter, 1.0)
        go_to(self._viewer, self.layer, self._place.world(position), diameter)
        self.layer.selected_label = int(self.lineages.track[row])

    def show_in(self, frame: NucleusFrame, row: int) -> None:
        """Put the frame around a nucleus."""
        *leading, y, x = self._position(row).tolist()
        labels, index = describe_labels(self.layer), tuple(round(one) for one in leading)
        reach = REACH * max(self.lineages.spots.diameter, 1.0) + 1
        frame.show(labels, index, box_of(labels, index, int(self.lineages.track[row]), (y, x), reach))

    def _position(self, row: int) -> NDArray[np.float64]:
        """Return the centre of a nucleus in pixels: leading axes, Y, X."""
        spots = self.lineages.spots
        names = "ZYX"[-spots.centre.shape[1] :]
        at = {"T": float(spots.frame[row]), **dict(zip(names, spots.centre[row].tolist(), strict=True))}
        leading = [letter for letter in self._axes if letter not in "YX"]
        return np.array([at[letter] for letter in (*leading, "Y", "X")])

    def _show_change(self, before: Lineages) -> None:
        """Put new ids into the frames where there are any."""
        after = self.lineages
        if after is before:  # only a decision
            self.changed.emit()
            return
        self._result = self._result.with_lineages(after)
        movie = self._result.movie
        assert isinstance(movie, ArrayMovie), "of a layer"
        frames = np.unique(after.spots.frame[after.track != before.track])
        put_frames(self.labels, movie, after, frames)
        self.layer.refresh()
        self._show_features()
        mark_followed(self.layer)
        self._show_tracks()
        self.changed.emit()

    def _show_labels(self) -> None:
        self._is_writing = True
        replace_labels(self.layer, self.labels)
        self._is_writing = False
        self._show_features()
        mark_followed(self.layer)

    def _show_features(self) -> None:
        """Give the layer the table of tracks: napari shows it in the status bar, and measuring takes it over."""
        table = self.result.tracks
        columns = [*TRACK_COLUMNS, "first", "last", "frames"]
        self.layer.features = table[columns].assign(index=table["track"])[["index", *columns]]

    def _show_tracks(self) -> None:
        """Draw the tracks into their layer, which is added where it is missing."""
        lineages = self.lineages
        rows, spots = lineages.by_track, lineages.spots
        if not len(rows):
            return
        names = "ZYX"[-spots.centre.shape[1] :]
        at = {"T": spots.frame[rows], **{name: spots.centre[rows, axis] for axis, name in enumerate(names)}}
        data = np.column_stack([lineages.track[rows], *(at[letter] for letter in self._axes)]).astype(float)
        graph = {int(one): [int(mother)] for one, mother in zip(lineages.ids, lineages.parent, strict=True) if mother}
        if self.tracks_layer is not None and self.tracks_layer in self._viewer.layers:
            self.tracks_layer.graph = {}  # of tracks that may be gone
            self.tracks_layer.data = data
            self.tracks_layer.graph = graph
            return
        self.tracks_layer = Tracks(
            data,
            graph=graph,
            name=f"{self.layer.name} tracks",
            # Tracks in the colours of their nuclei.
            color_by="track_id",
            colormaps_dict={"track_id": self.layer.colormap},
            **alike(self.layer),
        )
        selected = set(self._viewer.layers.selection)
        self._viewer.add_layer(self.tracks_layer)
        self._viewer.layers.selection = selected or {self.layer}

    def _note_data(self) -> None:
        if not self._is_writing and self.layer.data is not self.labels:
            self.relabelled.emit()

    def _note_paint(self) -> None:
        self.painted.emit()

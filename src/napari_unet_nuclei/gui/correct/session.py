"""One labels layer under correction: its pixels, history, review queue and table stay consistent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QApplication

from napari_unet_nuclei.core.corrections.history import Entry, History, PlaneEdit, Stroke, Touched
from napari_unet_nuclei.core.corrections.review import Review, Verdicts, boxes_after_edit, candidates_after_edit
from napari_unet_nuclei.core.corrections.track_step import TrackStep
from napari_unet_nuclei.core.errors import EditError, NucleiError
from napari_unet_nuclei.core.labels.doubt import Candidate
from napari_unet_nuclei.core.labels.doubt_volume import changed_volume
from napari_unet_nuclei.core.labels.edit.edit import Edit
from napari_unet_nuclei.core.labels.edit.volume import StackEdit
from napari_unet_nuclei.core.labels.edit.volume import sections as sections_through
from napari_unet_nuclei.core.labels.regions import united
from napari_unet_nuclei.core.tracking.doubt import Doubt
from napari_unet_nuclei.core.tracking.edit import TrackState
from napari_unet_nuclei.core.types import Index, Region
from napari_unet_nuclei.gui.correct.candidates import candidates_job
from napari_unet_nuclei.gui.correct.painted_labels import PaintedLabels, painting
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.tracks.session import FollowSession, tracks_of
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, corrected_layer
from napari_unet_nuclei.gui.viewer.nuclei_table import (
    KeptTable,
    accepted_in,
    measured_rows,
    measured_volume_rows,
    table_job,
)
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari.layers import Image, Labels


REST = 300
"""Milliseconds without new labels after which they are examined: a slider that is dragged replaces them repeatedly."""

LINK_DOUBT = {"division": 0.95, "link": 0.9, "begin": 0.6, "end": 0.5}
"""Doubt of links and divisions in the queue: before most shapes, in the order in which they are listed."""

LINK_KINDS = {"division": "division", "link": "link", "begin": "track begins", "end": "track ends"}


class CorrectSession(QObject):
    """Make, undo and redo edits of a labels layer, and record what napari's own tools paint in it."""

    changed = Signal()
    """Nuclei, decisions, or the list of candidates have changed."""

    failed = Signal(object)

    def __init__(self, layer: Labels, image: Image | None = None) -> None:
        super().__init__()
        self.image = image
        """The image layer that the labels belong to."""
        self.corrected: CorrectedLayer = corrected_layer(layer, image)
        self._depth = self.corrected.depth
        self.history = History()
        self.verdicts = Verdicts(accepted_in(self.corrected, layer.features))
        self.review = Review(self.verdicts, self._is_background)
        self.unsaved: dict[Index, int] = {}
        """Number of changes of each plane since it was saved."""
        self.edited: dict[Index, Region] = {}
        """Rectangle around all changes of each plane."""
        self.saved_masks: dict[Index, int] = {}
        """Checksums of the reviewed masks on disk."""
        self._table: KeptTable | None = None
        self._next_id = 0
        self._is_writing = False
        self._wanted: list[Index] = []
        self._listed: dict[tuple[Index, int], Candidate] = {}
        """Candidates of volumes as they were found, by the first plane of their stack and their id."""
        self._touched_since: list[tuple[Index, tuple[int, ...]]] = []
        self._strokes: list[Touched] = []
        self._rest = rest_timer(self, self._examine_again, REST)
        self._taking, self._showing = rest_timer(self, self._take_strokes), rest_timer(self, self._show_table)
        self._to_measure = rest_timer(self, self._measure)
        self._is_to_measure = False
        self._looking, self._measuring = LatestJob(), LatestJob()
        self._looking.succeeded.connect(self._take_candidates)
        self._measuring.succeeded.connect(self._take_table)
        for job in (self._looking, self._measuring):
            job.failed.connect(self.failed)
        self._looking.failed.connect(self._measure)
        for event, method in self._listeners():
            event.connect(method)
        self.tracks: FollowSession | None = None
        """Where the nuclei were followed over time: their tracks, whose doubts are in the queue, too."""
        self._track_state: TrackState | None = None
        self._link_doubts: dict[tuple[int, int], Doubt] = {}
        self._find_tracks()
        self._measure_soon()

    @property
    def layer(self) -> Labels:
        """The labels layer."""
        return self.corrected.layer

    @property
    def is_busy(self) -> bool:
        """True while candidates are searched or the table is measured."""
        waits = self._is_to_measure or self._rest.isActive()
        return waits or self._looking.is_busy or self._measuring.is_busy

    @property
    def next_id(self) -> int:
        """An id that no nucleus has or has had in this session."""
        # Counted up later on: an id that was given twice would be one nucleus again once the first is restored by undo.
        if not self._next_id:
            self._next_id = max(int(self.corrected.view.max(initial=0)), 0) + 1
        return self._next_id

    def choose_image(self, image: Image | None) -> None:
        """Set the image that the labels belong to; if it has another size, the session stays unchanged."""
        self.corrected = corrected_layer(self.layer, image)
        self.image = image
        if self.corrected.depth != self._depth:  # the layer has got a scale along z
            self._depth = self.corrected.depth
            self._start_over()

    def close(self) -> None:
        """Stop listening to the layer, which stays as it is."""
        for event, method in self._listeners():
            event.disconnect(method)
        if self.tracks is not None:
            self.tracks.changed.disconnect(self._note_tracks)
        for timer in (self._rest, self._taking, self._showing, self._to_measure):
            timer.stop()
        for job in (self._looking, self._measuring):
            job.cancel()

    def require_tracks(self) -> FollowSession:
        """Return the tracks; raise `EditError` where nuclei were not followed."""
        if self.tracks is None:
            raise EditError("These nuclei were not followed over time: open the dock Follow over time first.")
        return self.tracks

    def frame_of(self, index: Index) -> int:
        """Return the frame of a movie that a plane belongs to."""
        letters = self.corrected.labels.source.leading_axes
        return index[letters.index("T") if "T" in letters else 0]

    def look(self, index: Index) -> None:
        """List the candidates of a plane in the background, unless they are known; `changed` announces them.

        Those of volumes are listed for the whole stack: each nucleus once, in its middle plane.
        """
        index = self.corrected.stack_planes(index)[0]
        if not self.review.is_listed(index) and index not in self._wanted:
            self._wanted.append(index)
            self._look_at_next()

    def edit(
        self,
        index: Index,
        edit: Edit,
        *,
        accepted: Iterable[int] | None = None,
        dismissed: Iterable[tuple[Index, Region]] = (),
    ) -> Entry:
        """Apply an edit, and accept the given nuclei, by default those that the edit leaves."""
        nuclei = edit.boxes() if accepted is None else accepted
        return self._make([PlaneEdit(index, edit)], edit.title, [(index, one) for one in nuclei], dismissed)

    def edit_stack(self, index: Index, edit: StackEdit, *, dismissed: Iterable[tuple[Index, Region]] = ()) -> Entry:
        """Apply an edit through the planes of the stack that a plane belongs to, and accept the nuclei it leaves."""
        changes = [PlaneEdit(self.corrected.along_stack(index, z), one) for z, one in edit.planes.items()]
        accepted = [(change.index, nucleus) for change in changes for nucleus in change.edit.boxes()]
        stack = self.corrected.stack(index)
        for z in set(range(len(stack))) - set(edit.planes):
            # A nucleus is right in all planes, also in those that the edit leaves as they are.
            here = [nucleus for nucleus in edit.touched if (stack[z] == nucleus).any()]
            accepted += [(self.corrected.along_stack(index, z), nucleus) for nucleus in here]
        return self._make(changes, edit.title, accepted, dismissed)

    def _make(
        self,
        changes: Sequence[PlaneEdit],
        title: str,
        accepted: Iterable[tuple[Index, int]],
        dismissed: Iterable[tuple[Index, Region]],
    ) -> Entry:
        """Apply edits of planes and the decisions that go with them, as one step of the history."""
        if not self.layer.editable:
            raise EditError(f"'{self.layer.name}' is locked: unlock it in the layer list to correct it.")
        verdict = self.verdicts.verdict(changes[0].box, accepted, dismissed)
        entry = Entry(changes if verdict.is_empty else [*changes, verdict], title)
        self._write(lambda labels: self.history.make(labels, entry))
        return entry

    def decide(
        self,
        title: str,
        index: Index,
        region: Region,
        accepted: Iterable[tuple[Index, int]] = (),
        dismissed: Iterable[tuple[Index, Region]] = (),
    ) -> None:
        """Accept nuclei and dismiss places, as one step of the history.

        ``region`` lies around them, ``index`` is their plane, or that of the nuclei of volumes that is shown.
        """
        y0, y1, x0, x1 = region
        accepted = list(accepted)
        # Volumes are accepted in all their planes.
        along = zip(index, *(plane for plane, _ in accepted), strict=True)
        box = (*(slice(min(places), max(places) + 1) for places in along), slice(y0, y1), slice(x0, x1))
        verdict = self.verdicts.verdict(box, accepted, dismissed)
        if not verdict.is_empty:
            self._write(lambda labels: self.history.make(labels, Entry([verdict], title)))

    def undo(self) -> Touched | None:
        """Undo the last step; return None where there is none."""
        return self._step(self.history.undo)

    def redo(self) -> Touched | None:
        """Redo the step that was undone last; otherwise as `undo`."""
        return self._step(self.history.redo)

    def _step(self, step: Callable[[PaintedLabels], Touched | None]) -> Touched | None:
        try:
            return self._write(step)
        except EditError:
            # The labels were changed elsewhere, so that no other step fits either.
            self.history.clear()
            raise

    def _write(self, change: Callable[[PaintedLabels], Touched | None]) -> Touched | None:
        self._is_writing = True
        try:
            with painting(self.corrected) as labels:
                touched = change(labels)
        finally:
            self._is_writing = False
        # Not before: it writes the table, which sets and clears the same flag.
        if touched is not None:
            self._take(touched)
        return touched

    def _take(self, touched: Touched) -> None:
        """Update queue and table after a change."""
        self._next_id = max([self.next_id, *(nucleus + 1 for nucleus in touched.ids)])
        region = touched.region
        for index in touched.planes:
            self.unsaved[index] = self.unsaved.get(index, 0) + 1
            self.edited[index] = united([region, self.edited.get(index, region)])
        # Volumes are examined as a whole, whichever of their planes were changed.
        for index in {self.corrected.stack_planes(index)[0]: None for index in touched.planes if touched.ids}:
            self._examine(index, touched.ids, region)
            # A job works on a copy from before this change, and its result will need it once more.
            if self.is_busy:
                self._touched_since.append((index, touched.ids))
        self._show_table()
        self.changed.emit()

    def _examine(self, index: Index, nuclei: Sequence[int], region: Region) -> None:
        """Update candidates and rows of nuclei that were changed within a region of a plane, or in its stack."""
        if self.corrected.depth is None:
            self._examine_plane(index, nuclei, region)
        else:
            self._examine_volumes(index, nuclei)

    def _examine_plane(self, index: Index, nuclei: Iterable[int], region: Region) -> None:
        corrected, plane = self.corrected, self.corrected.view[index]
        boxes = boxes_after_edit(plane, nuclei, region, self.review.boxes(index, nuclei))
        if self.review.is_listed(index):
            found = candidates_after_edit(plane, corrected.maps(index), corrected.thresholds, index, boxes)
            self.review.update(index, nuclei, found)
        if self._table is not None:
            rows = measured_rows(corrected, list(self._table.table.columns), index, boxes)
            self._table = self._table.with_rows(corrected, index, nuclei, rows)

    def _examine_volumes(self, index: Index, nuclei: Iterable[int]) -> None:
        """Update nuclei of the stack that begins with a plane; one that is as it was gets its former doubt back."""
        corrected, there = self.corrected, {}
        for nucleus in nuclei:
            with contextlib.suppress(EditError):  # it is gone
                there[nucleus] = sections_through(corrected.stack(index), nucleus)
        if self.review.is_listed(index):
            for plane in corrected.stack_planes(index):
                self.review.update(plane, nuclei, ())
            for nucleus, sections in there.items():
                now = changed_volume(nucleus, sections)
                now = replace(now, plane=corrected.along_stack(index, *now.plane))
                before = self._listed.get((index, nucleus), now)
                is_same = (before.plane, before.box) == (now.plane, now.box)
                self.review.update(now.plane, [nucleus], [before if is_same else now])
        if self._table is not None:
            rows = measured_volume_rows(corrected, list(self._table.table.columns), index, there)
            self._table = self._table.with_rows(corrected, index, nuclei, rows)

    def _is_background(self, candidate: Candidate) -> bool:
        return bool(self.corrected.view[(*candidate.plane, *map(round, candidate.centre))] <= 0)

    def _look_at_next(self) -> None:
        if self._wanted and not self._looking.is_busy and not self._rest.isActive():
            self._looking.submit(candidates_job(self.corrected, self._wanted[0]))

    def _take_candidates(self, found: tuple[Index, tuple[Candidate, ...]]) -> None:
        index, candidates = found
        # Removed only now: until then the plane must not be asked for a second time.
        self._wanted.remove(index)
        planes = self.corrected.stack_planes(index)
        for plane in planes:
            self.review.list_plane(plane, [one for one in candidates if one.plane == plane])
        self._listed |= {(index, one.id): one for one in candidates} if len(planes) > 1 else {}
        self._catch_up([(plane, nuclei) for plane, nuclei in self._touched_since if plane in planes])
        self._look_at_next()
        self._measure()
        self.changed.emit()

    def _take_table(self, table: KeptTable) -> None:
        self._table = table
        self._catch_up(self._touched_since)
        self._show_table()
        self.changed.emit()

    def _catch_up(self, touched: list[tuple[Index, tuple[int, ...]]]) -> None:
        """Update nuclei that were changed while a job examined their earlier state."""
        # In the whole plane: the result tells nothing of where changed nuclei were in the meantime.
        height, width = self.corrected.labels.shape[-2:]
        for index, nuclei in touched:
            self._examine(index, nuclei, (0, height, 0, width))
        if not self.is_busy:
            self._touched_since.clear()

    def _show_table(self) -> None:
        if self._table is not None:
            self._is_writing = True
            self.layer.features = self._table.features(self.corrected, self.verdicts.accepted)
            self._is_writing = False

    def _listeners(self) -> list[tuple[Any, Callable[..., None]]]:
        events = self.layer.events
        return [
            (events.paint, self._note_stroke),
            (events.set_data, self._note_refresh),
            (events.data, self._note_new_labels),
            (events.features, self._note_features),
        ]

    def _note_stroke(self, event: Any) -> None:
        """Record a stroke of napari's own tools."""
        if self._is_writing:
            return
        place = self.corrected.labels.place
        stroke = Stroke.of_paint(event.value, self.layer.data.shape, place.order)
        if stroke is not None:
            # napari reports single calls before it writes their pixels: examine them in the event loop's next turn.
            self._strokes.append(self.history.push(Entry([stroke], stroke.title)))
            self._taking.start()

    def _take_strokes(self) -> None:
        strokes, self._strokes = self._strokes, []
        for touched in strokes:
            self._take(touched)

    def _find_tracks(self) -> None:
        """Take the doubts of tracks into the queue, where the nuclei were followed."""
        tracks = tracks_of(self.layer)
        if tracks is not self.tracks:
            if self.tracks is not None:
                self.tracks.changed.disconnect(self._note_tracks)
            if tracks is not None:
                tracks.changed.connect(self._note_tracks)
        self.tracks = tracks
        self._track_state = None if tracks is None else tracks.state
        self.review.with_link = None if tracks is None else self._with_link
        self._list_links()
        for index in self.corrected.plane_indices if tracks is not None else []:
            self.look(index)

    def _list_links(self) -> None:
        """List the most doubtful link of each nucleus, by its frame and id."""
        tracks = self.tracks
        self._link_doubts = {}
        if tracks is not None:
            track, frame = tracks.lineages.track, tracks.lineages.spots.frame
            for doubt in reversed(tracks.doubts()):
                self._link_doubts[int(frame[doubt.row]), int(track[doubt.row])] = doubt

    def _with_link(self, candidate: Candidate) -> Candidate:
        doubt = self._link_doubts.get((self.frame_of(candidate.plane), candidate.id))
        if doubt is None:
            return candidate
        reason = f"{LINK_KINDS[doubt.kind]}: {doubt.reason}"
        return replace(candidate, doubt=LINK_DOUBT[doubt.kind], reason=reason, link=doubt.row)

    def _note_tracks(self) -> None:
        """Follow a step of the tracks, whoever made it: nuclei have other ids, and undo takes it back in its order."""
        tracks, before = self.tracks, self._track_state
        if tracks is None or before is None or tracks.state is before:
            return
        now = self._track_state = tracks.state
        old, new, frames = before.lineages.track, now.lineages.track, now.lineages.spots.frame
        changed = {
            (int(frames[row]), int(old[row])): int(new[row]) for row in (old != new).nonzero()[0] if old[row] > 0
        }
        for ids in (self.verdicts, self.review):
            ids.rename(lambda plane, nucleus: changed.get((self.frame_of(plane), nucleus), nucleus))
        self._list_links()
        # The dock Follow over time may have undone a step that is in the history here.
        if not self._is_writing and not self.history.follow_tracks(self.corrected.view):
            self.history.push(Entry([TrackStep(tracks, before, now, self._box_of(now))], now.title))
        if changed:
            self._table = None
            self._rest.start()  # then it is measured anew
        self.changed.emit()

    def _box_of(self, state: TrackState) -> tuple[slice, ...]:
        """Return the box, over all axes of the labels, of the nucleus that a step of the tracks concerns."""
        spots, nucleus = state.lineages.spots, int(state.lineages.track[state.row])
        frame = int(spots.frame[state.row])
        for index in self.corrected.plane_indices:
            candidate = self.review.find(index, nucleus) if self.frame_of(index) == frame else None
            if candidate is not None:
                y0, y1, x0, x1 = candidate.box
                return (*(slice(place, place + 1) for place in index), slice(y0, y1), slice(x0, x1))
        place = {"T": frame, "Z": round(float(spots.centre[state.row][0]))}  # not listed yet
        leading = self.corrected.labels.source.leading_axes
        index = tuple(place["Z" if letter == "Z" else "T"] for letter in leading)
        y, x = (round(float(middle)) for middle in spots.centre[state.row][-2:])
        return (*(slice(one, one + 1) for one in index), slice(y, y + 1), slice(x, x + 1))

    def _note_refresh(self, _event: object) -> None:
        """Notice napari's own undo, which the user can reach while the dock does not take the key."""
        if self.tracks is not None and self.tracks.state is not self._track_state:
            self._note_tracks()  # it has written ids
            return
        # It emits the same event as each move of a brush, whose stroke is recorded at its end.
        is_drawing = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        if not self._is_writing and not is_drawing and self.history.follow(self.corrected.view):
            self._start_over()

    def _note_new_labels(self, _event: object) -> None:
        try:
            self.corrected = corrected_layer(self.layer, self.image)
        except NucleiError as error:
            self.failed.emit(error)
            return
        self._find_tracks()
        self.history.clear()
        self.verdicts.accepted.clear()
        self.verdicts.dismissed.clear()
        self._next_id = 0
        self._start_over()

    def _note_features(self, _event: object) -> None:
        """Restore the table where others clear the features, and adopt theirs where they replace them."""
        if self._is_writing:
            return
        # Not within the event: listeners after this one would hear of both changes in the wrong order.
        if self.layer.features.empty:
            self._showing.start()
        else:
            self._measure_soon()

    def _measure_soon(self) -> None:
        """Measure the table, but not before the candidates are found that somebody waits for."""
        self._is_to_measure = True
        self._to_measure.start()

    def _measure(self) -> None:
        if self._is_to_measure and not self._looking.is_busy:
            self._is_to_measure = False
            self._measuring.submit(table_job(self.corrected))

    def _start_over(self) -> None:
        """Forget all nuclei, and examine them again once the labels rest."""
        planes, wanted = self.corrected.plane_indices, self._wanted
        again = [index for index in planes if self.review.is_listed(index) or index in wanted]
        self._wanted = list(dict.fromkeys(self.corrected.stack_planes(index)[0] for index in again))
        self.review.clear()
        self._listed.clear()
        self._looking.cancel()
        self._touched_since.clear()
        self._table, self._is_to_measure = None, False
        self._rest.start()
        self.changed.emit()

    def _examine_again(self) -> None:
        self._look_at_next()
        self._measure_soon()

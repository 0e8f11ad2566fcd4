"""One labels layer that is being corrected: its history, its queue and its table, which never disagree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_unet_nuclei.core.corrections.history import Entry, History, PlaneEdit, Touched
from napari_unet_nuclei.core.errors import EditError, NucleiError
from napari_unet_nuclei.core.labels.doubt.doubt import Candidate
from napari_unet_nuclei.core.labels.edit.edit import Edit
from napari_unet_nuclei.core.labels.regions import united
from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.correct.live_table import LiveTable
from napari_unet_nuclei.gui.correct.look import candidates_job, look_again, planes_of, region_of, where
from napari_unet_nuclei.gui.correct.review import ACCEPT, Review, Verdicts
from napari_unet_nuclei.gui.correct.write import WrittenLabels, follow_steps, read_stroke, written
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, Index, corrected_layer
from napari_unet_nuclei.gui.viewer.nuclei_table import accepted_in
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari.layers import Image, Labels


REST = 300
"""Milliseconds without other labels after which they are looked at."""


class CorrectSession(QObject):
    """Makes edits, takes them back, and listens to what napari's own tools do to the labels.

    Parameters
    ----------
    layer : napari.layers.Labels
    image : napari.layers.Image, optional

    Raises
    ------
    ImageShapeError
        If the labels cannot be corrected, or the image does not belong to them.
    """

    changed = Signal()
    """Nuclei, decisions on them, or what is known of them are others than before."""

    failed = Signal(object)

    def __init__(self, layer: Labels, image: Image | None = None) -> None:
        super().__init__()
        self.image = image
        """The image layer that the labels belong to."""
        self.corrected: CorrectedLayer = corrected_layer(layer, image)
        self.history = History()
        self.verdicts = Verdicts(accepted_in(self.corrected, layer.features))
        self.review = Review(self.verdicts, self._is_background)
        self.unsaved: dict[Index, int] = {}
        """How often planes were changed since they were saved."""
        self.worked: dict[Index, Region] = {}
        """Where planes were changed, since ever."""
        self._next_id = 0
        self._is_writing = False
        self._wanted: list[Index] = []
        self._touched_since: list[tuple[Index, tuple[int, ...]]] = []
        self._rest = rest_timer(self, self._look_again_at_all, REST)
        self._looking = LatestJob()
        self._looking.succeeded.connect(self._take_candidates)
        self._looking.failed.connect(self.failed)
        self._table = LiveTable(self.corrected, self.verdicts)
        self._table.measured.connect(self._take_table)
        self._table.failed.connect(self.failed)
        for event, method in self._listeners():
            event.connect(method)
        self._table.measure(self.corrected)

    @property
    def layer(self) -> Labels:
        """The labels layer."""
        return self.corrected.layer

    @property
    def is_busy(self) -> bool:
        """True while candidates are looked for or the table is made."""
        return self._looking.is_busy or self._table.is_busy or self._rest.isActive()

    @property
    def next_id(self) -> int:
        """An id that no nucleus has, nor ever had here."""
        if not self._next_id:
            self._next_id = max(int(self.corrected.view.max(initial=0)), 0) + 1
        return self._next_id

    def choose_image(self, image: Image | None) -> None:
        """Take another image for the one that the labels belong to.

        Raises
        ------
        ImageShapeError
            If it does not; nothing is changed then.
        """
        self.corrected = corrected_layer(self.layer, image)
        self.image = image

    def close(self) -> None:
        """Listen no longer; the layer stays as it is."""
        for event, method in self._listeners():
            event.disconnect(method)
        self._rest.stop()
        self._looking.cancel()
        self._table.close()

    def look(self, index: Index) -> None:
        """Have the candidates of a plane listed, if they are not yet; `changed` tells when they have come."""
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
    ) -> None:
        """Make an edit; the nuclei that it leaves count as accepted, or those that are given.

        Raises
        ------
        EditError
            If the layer is locked.
        """
        if not self.layer.editable:
            raise EditError(f"'{self.layer.name}' is locked: unlock it in the layer list to correct it.")
        change = PlaneEdit(index, edit)
        nuclei = edit.boxes() if accepted is None else accepted
        verdict = self.verdicts.verdict(change.box, [(index, nucleus) for nucleus in nuclei], dismissed)
        entry = Entry([change] if verdict.is_empty else [change, verdict], edit.title)
        self._write(lambda labels: self.history.make(labels, entry))

    def accept(self, index: Index, nuclei: Iterable[int], region: Region) -> None:
        """Say that nuclei of a plane, which lie in a region, are right."""
        self.decide(ACCEPT, index, region, [(index, nucleus) for nucleus in nuclei])

    def decide(
        self,
        title: str,
        index: Index,
        region: Region,
        accepted: Iterable[tuple[Index, int]] = (),
        dismissed: Iterable[tuple[Index, Region]] = (),
    ) -> None:
        """Decide on nuclei and places that lie in a region of a plane; `ACCEPT` and `DISMISS` are the titles."""
        y0, y1, x0, x1 = region
        box = (*(slice(i, i + 1) for i in index), slice(y0, y1), slice(x0, x1))
        verdict = self.verdicts.verdict(box, accepted, dismissed)
        if not verdict.is_empty:
            self._write(lambda labels: self.history.make(labels, Entry([verdict], title)))

    def undo(self) -> Touched | None:
        """Take the last step back; None where there is none.

        Raises
        ------
        EditError
            If the labels were changed behind the history's back; it starts anew then.
        """
        return self._step(self.history.undo)

    def redo(self) -> Touched | None:
        """Make the step again that was taken back last; otherwise as `undo`."""
        return self._step(self.history.redo)

    def _step(self, step: Callable[[WrittenLabels], Touched | None]) -> Touched | None:
        try:
            return self._write(step)
        except EditError:
            self.history.clear()
            raise

    def _write(self, change: Callable[[WrittenLabels], Touched | None]) -> Touched | None:
        self._is_writing = True
        try:
            with written(self.corrected) as labels:
                touched = change(labels)
        finally:
            self._is_writing = False
        if touched is not None:
            self._take(touched)
        return touched

    def _take(self, touched: Touched) -> None:
        """Bring queue and table in line with what was changed."""
        planes = planes_of(touched.box)
        self._next_id = max([self.next_id, *(nucleus + 1 for nucleus in touched.ids)])
        region = region_of(touched.box)
        for index in planes:
            self.unsaved[index] = self.unsaved.get(index, 0) + 1
            self.worked[index] = united([region, self.worked.get(index, region)])
            if touched.ids:
                self._look_again(index, touched.ids, region)
            if touched.ids and self.is_busy:
                self._touched_since.append((index, touched.ids))
        self._table.show()
        self.changed.emit()

    def _look_again(self, index: Index, nuclei: Iterable[int], region: Region) -> None:
        known = None
        if self.review.is_listed(index):
            candidates = [self.review.find(index, nucleus) for nucleus in nuclei]
            known = {one.id: one.box for one in candidates if one is not None}
        boxes = where(self.corrected.view[index], nuclei, region, known)
        if self.review.is_listed(index):
            self.review.update(index, nuclei, look_again(self.corrected, index, boxes))
        self._table.update(index, nuclei, boxes)

    def _is_background(self, candidate: Candidate) -> bool:
        return bool(self.corrected.view[(*candidate.plane, *map(round, candidate.centre))] <= 0)

    def _look_at_next(self) -> None:
        if self._wanted and not self._looking.is_busy and not self._rest.isActive():
            index = self._wanted[0]
            job = candidates_job(self.corrected, index)
            self._looking.submit(lambda progress: (index, job(progress)))

    def _take_candidates(self, found: tuple[Index, tuple[Candidate, ...]]) -> None:
        index, candidates = found
        self._wanted.remove(index)
        self.review.list_plane(index, candidates)
        self._catch_up([(plane, nuclei) for plane, nuclei in self._touched_since if plane == index])
        self._look_at_next()
        self.changed.emit()

    def _take_table(self) -> None:
        self._catch_up(self._touched_since)
        self._table.show()
        self.changed.emit()

    def _catch_up(self, touched: list[tuple[Index, tuple[int, ...]]]) -> None:
        """Look again at nuclei that were touched while a job looked at how they were before."""
        height, width = self.corrected.labels.shape[-2:]
        for index, nuclei in touched:
            self._look_again(index, nuclei, (0, height, 0, width))
        if not self.is_busy:
            self._touched_since.clear()

    def _listeners(self) -> list[tuple[Any, Callable[..., None]]]:
        events = self.layer.events
        return [
            (events.paint, self._note_stroke),
            (events.set_data, self._note_refresh),
            (events.data, self._note_other_labels),
        ]

    def _note_stroke(self, event: Any) -> None:
        """Record what napari's own tools painted; they may report it before they have written the last pixels."""
        stroke = None if self._is_writing else read_stroke(self.corrected, event.value)
        if stroke is not None:
            QTimer.singleShot(0, partial(self._take, self.history.push(Entry([stroke], stroke.title))))

    def _note_refresh(self, _event: object) -> None:
        """Notice napari's own undo, which may run while the dock does not take the key."""
        is_drawing = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        if not self._is_writing and not is_drawing and follow_steps(self.history, self.corrected.view):
            self._start_anew()

    def _note_other_labels(self, _event: object) -> None:
        """Begin with other labels as if they had just been chosen."""
        try:
            self.corrected = corrected_layer(self.layer, self.image)
        except NucleiError as error:
            self.failed.emit(error)
            return
        self.history.clear()
        self.verdicts.accepted.clear()
        self.verdicts.dismissed.clear()
        self._next_id = 0
        self._start_anew()

    def _start_anew(self) -> None:
        """Forget what is known of all nuclei, and look again when the labels rest: a slider changes them in a row."""
        planes, wanted = self.corrected.plane_indices, self._wanted
        self._wanted = [index for index in planes if self.review.is_listed(index) or index in wanted]
        self.review.clear()
        self._looking.cancel()
        self._touched_since.clear()
        self._table.forget()
        self._rest.start()
        self.changed.emit()

    def _look_again_at_all(self) -> None:
        self._table.measure(self.corrected)
        self._look_at_next()

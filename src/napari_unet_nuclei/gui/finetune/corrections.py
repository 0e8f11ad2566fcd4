"""The corrections to learn from: suggested from the open layers, added by hand, or saved earlier."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.core.corrections.correction import Correction
from napari_unet_nuclei.core.corrections.store import remove_correction
from napari_unet_nuclei.core.errors import ImageShapeError, NucleiError
from napari_unet_nuclei.core.finetune.kept import as_kind
from napari_unet_nuclei.core.image.kind import ChosenKind
from napari_unet_nuclei.core.segment.remedy import KIND_NAMES
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.gui.finetune.check import SAME_IMAGE, Asked, Checker, Key, Outlook
from napari_unet_nuclei.gui.finetune.correction_list import CorrectionList, Listed, RowDetail
from napari_unet_nuclei.gui.finetune.rows import (
    LayerWatch,
    Pixels,
    Plane,
    Row,
    copied,
    correction_of_plane,
    find_plane,
    row_title,
    suggest_rows,
)
from napari_unet_nuclei.gui.finetune.thumbnails import Thumbnails
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.viewer.corrected_layer import correction_name
from napari_unet_nuclei.gui.viewer.pairing import image_of
from napari_unet_nuclei.gui.viewer.reviewed_layer import is_plane_reviewed, mark_plane
from napari_unet_nuclei.gui.widgets.choice_box import choice_box
from napari_unet_nuclei.gui.widgets.confirm import is_sure
from napari_unet_nuclei.gui.widgets.forms import fill, fill_form
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    from napari import Viewer

KINDS: dict[ChosenKind, str] = {
    "auto": "automatic, by the labels",
    "fluorescence": KIND_NAMES["fluorescence"],
    "brightfield": KIND_NAMES["brightfield"],
}
"""Kinds of image that can be chosen for a row."""

HINT = (
    "Open an image, segment it and correct the labels; mark with 'Reviewed' which of them can be trusted. "
    "The model never learns from anything else."
)


class CorrectionsPanel(QWidget):
    """List of corrected labels to choose from, and the number of nuclei in them."""

    changed = Signal()
    """The choice or the number of nuclei has changed."""

    failed = Signal(object)

    def __init__(self, viewer: Viewer, folder: Path) -> None:
        super().__init__()
        self._viewer = viewer
        self._folder = folder
        self._own: list[Row] = []
        self._left_out: set[Row] = set()
        self._ticks: dict[Key, bool] = {}
        self._kinds: dict[Key, ChosenKind] = {}
        self._doubts: dict[Key, str] = {}
        self._drawn: dict[Row, Correction | NucleiError] = {}
        self._asked: tuple[InputForm, int, Path | None] = (InputForm(), 0, None)
        self.outlook = Outlook()
        self._pixels = Pixels()
        self._thumbnails = Thumbnails()
        self._checker = Checker()
        self._checking = LatestJob()
        self._checking.succeeded.connect(self._show_outlook)
        self._checking.failed.connect(self.failed)
        self._watch = LayerWatch(viewer, self)
        self.list = CorrectionList()
        self.detail = RowDetail(viewer)
        self.add_button = QPushButton("Add row")
        self.add_button.setToolTip("Learn from another labels layer, or from another plane of the same one.")
        self.remove_button = QPushButton("Remove")
        self.kind_box = choice_box(
            "How the image of this row is read. Automatic compares the pixels inside the nuclei\n"
            "with those just outside: are they brighter or darker?"
        )
        for kind, title in KINDS.items():
            self.kind_box.addItem(title, kind)
        self.sentence_label, self.reason_label = Sentence(), Sentence()
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        buttons = fill(QHBoxLayout(), self.add_button, self.remove_button)
        self.kind_row = QWidget()
        fill_form(QFormLayout(self.kind_row), ("Read as", self.kind_box))
        labels = (self.reason_label, self.sentence_label)
        fill(QVBoxLayout(self), self.list, buttons, self.detail, self.kind_row, *labels)

    def _connect(self) -> None:
        self._watch.stirred.connect(self.changed)
        self._watch.rested.connect(self.refresh)
        self.list.chosen.connect(self._show_chosen)
        self.list.tick_changed.connect(self._tick)
        self.list.whole_changed.connect(self._mark_whole)
        self.detail.row_changed.connect(self._replace)
        self.kind_box.activated.connect(self._choose_kind)
        self.add_button.clicked.connect(self._add)
        self.remove_button.clicked.connect(self._remove)

    @property
    def is_checking(self) -> bool:
        """True while the numbers do not reflect the choice yet."""
        return self._watch.is_stirred or self._checking.is_busy

    def ask(self, form: InputForm, seed: int, reference: Path | None) -> None:
        """Set the input of the model, the seed for holding out nuclei, and the folder of reference images."""
        if (form, seed, reference) != self._asked:
            self._asked = (form, seed, reference)
            self._watch.stir()

    def copied(self) -> tuple[Correction, ...]:
        """Copy all ticked planes of open layers; raise `NucleiError` if one cannot be used."""
        # In the window's thread, so that nobody paints meanwhile.
        planes = [(row, find_plane(row, self._viewer)) for row in self._drawn if self._is_ticked(row)]
        return tuple(
            replace(
                self._with_kind(row, correction_of_plane(plane, self._viewer, copied)),
                name=correction_name(plane.corrected, plane.image, plane.index),
            )
            for row, plane in planes
        )

    def kept(self) -> tuple[str, ...]:
        """Return the names of the saved corrections that are ticked."""
        return tuple(entry.name for entry in self.outlook.entries if self._is_ticked(entry.name))

    def ticked(self) -> tuple[str, ...]:
        """Return the titles of all ticked lines."""
        rows = (row_title(row, self._viewer) for row in self._drawn if self._is_ticked(row))
        return (*rows, *self.kept())

    def kinds(self) -> dict[str, ChosenKind]:
        """Return the kinds of image that were chosen for saved corrections, by name."""
        return {key: kind for key, kind in self._kinds.items() if isinstance(key, str)}

    def left_out(self) -> tuple[str, ...]:
        """Return title and reason of all that is left out because labels and kind of image disagree."""
        return tuple(
            f"{key if isinstance(key, str) else row_title(key, self._viewer)}: {found.doubt}"
            for key, found in self.outlook.rows.items()
            if found.doubt and not self._is_ticked(key)
        )

    def refresh(self) -> None:
        """List all layers again, and count their nuclei in the background."""
        self._own = [row for row in self._own if row.is_open(self._viewer)]
        # What the user chose for labels is suggested from then on, too; in a single plane it is the same row.
        chosen = [replace(row, plane=None) for row in self._own if row.plane == ()]
        left_out = {*self._left_out, *chosen}
        suggested = [row for row in suggest_rows(self._viewer) if row not in left_out]
        rows = [*suggested, *(row for row in self._own if row not in suggested)]
        self._drawn = {}
        taken: dict[Row, Plane] = {}
        for row in rows:
            self._drawn[row] = self._correction_of(row, taken)
        ticked = frozenset(key for key in (*self._drawn, *self._ticks) if self._is_ticked(key))
        form, seed, reference = self._asked
        watched = frozenset(self._doubts)
        asked = Asked(self._drawn, ticked, form, seed, self._folder, reference, self.kinds(), watched)
        self._checking.submit(partial(self._checker.check, asked))
        self._list()
        self.changed.emit()

    def _correction_of(self, row: Row, taken: dict[Row, Plane]) -> Correction | NucleiError:
        """Return the correction of a row, or an error if its pixels are taken; add its plane if it is ticked."""
        try:
            plane = find_plane(row, self._viewer)
            drawn = correction_of_plane(plane, self._viewer, self._pixels)
        except NucleiError as error:
            return error
        if self._ticks.get(row, True):
            first = next((one for one, other in taken.items() if plane.overlaps(other)), None)
            if first is not None:
                return ImageShapeError(SAME_IMAGE.format(row_title(row, self._viewer), row_title(first, self._viewer)))
            taken[row] = plane
        return self._with_kind(row, drawn)

    def _with_kind(self, row: Row, correction: Correction) -> Correction:
        return as_kind(correction, self._kinds[row]) if row in self._kinds else correction

    def _is_ticked(self, key: Key) -> bool:
        """Return whether to learn from a line: as the user ticked it, by default if it is usable."""
        # A saved correction may be of any image: the user has to tick it.
        usable = isinstance(key, Row) and isinstance(self._drawn.get(key), Correction)
        return self._ticks.get(key, usable)

    def _tick(self, key: Key, ticked: bool) -> None:
        self._ticks[key] = ticked
        self._watch.stir()

    def _mark_whole(self, row: Row, whole: bool) -> None:
        """Mark the plane of a row as reviewed, or not."""
        with contextlib.suppress(NucleiError):  # the row says what is wrong with it
            plane = find_plane(row, self._viewer)
            mark_plane(plane.corrected.layer, plane.index, reviewed=whole)

    def _choose_kind(self) -> None:
        key = self.list.key()
        if key is not None:
            self._kinds[key] = self.kind_box.currentData()
            self._watch.stir()

    def _untick_doubtful(self) -> bool:
        """Untick lines whose labels and image disagree, and tick resolved ones again; return whether any was changed.

        A line is unticked only once for each reason, so that the user can insist.
        """
        changed = False
        for key, found in self.outlook.rows.items():
            if found.doubt and self._doubts.get(key) != found.doubt:
                self._doubts[key] = found.doubt
                changed |= self._is_ticked(key)
                self._ticks[key] = False
            elif found.kind is not None and not found.doubt and key in self._doubts:
                del self._doubts[key]
                self._ticks[key] = True
                changed = True
        return changed

    def _add(self) -> None:
        """Add a row for the active labels layer, or else for the topmost one."""
        labels = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        active = self._viewer.layers.selection.active
        chosen = active if active in labels else next(reversed(labels), None)
        row = Row(chosen, None if chosen is None else image_of(self._viewer, chosen))
        with contextlib.suppress(NucleiError):  # the row shows what is missing
            row = replace(row, plane=find_plane(row, self._viewer).index)
        self._put(row)

    def _replace(self, row: Row) -> None:
        before = self.list.key()
        if isinstance(before, Row):
            self._leave_out(before)
        self._put(row)

    def _put(self, row: Row) -> None:
        self._left_out.discard(row)
        if row not in self._own:
            self._own.append(row)
        self.refresh()
        self.list.choose(row)

    def _leave_out(self, row: Row) -> None:
        self._left_out.add(row)
        self._own = [one for one in self._own if one != row]

    def _remove(self) -> None:
        """Remove the selected row from the list; delete a saved correction after asking."""
        key = self.list.key()
        if isinstance(key, Row):
            self._leave_out(key)
        elif isinstance(key, str) and is_sure(
            self,
            "Remove correction",
            f"Delete the saved correction '{key}'?",
            "Its image, labels and reviewed region are deleted from this computer.",
            "Delete",
        ):
            try:
                remove_correction(self._folder, key)
            except NucleiError as error:
                self.failed.emit(error)
        self.refresh()

    def _show_outlook(self, outlook: Outlook) -> None:
        self.outlook = outlook
        # Other ticks need another check, which leads here again; it ends, as each doubt unticks a line only once.
        if self._untick_doubtful():
            self.refresh()
            return
        self._list()
        self.changed.emit()

    def _list(self) -> None:
        rows = [self._line(row, row_title(row, self._viewer), "") for row in self._drawn]
        kept = [self._line(entry.name, entry.name, f"saved {entry.saved[:10]}") for entry in self.outlook.entries]
        self.list.set_lines([*rows, *kept])
        self._show_chosen()

    def _line(self, key: Key, title: str, state: str) -> Listed:
        found = self.outlook.rows.get(key)
        tooltip = (found.sentence if found else "") or title
        text, reading = (found.text, found.reading) if found else (state, "")
        whole, picture = None, None
        if isinstance(key, Row):
            with contextlib.suppress(NucleiError):  # a row that does not fit has neither
                plane = find_plane(key, self._viewer)
                whole = is_plane_reviewed(plane.corrected.layer, plane.index)
                picture = self._thumbnails.of(plane)
        return Listed(key, title, text, tooltip, self._is_ticked(key), reading, whole, picture)

    def _show_chosen(self) -> None:
        key = self.list.key()
        self.remove_button.setEnabled(key is not None)
        kept = isinstance(key, str)
        self.remove_button.setText("Delete…" if kept else "Remove")
        self.remove_button.setToolTip(
            "Delete this saved correction from the disk, after asking." if kept else "Remove this row from the list."
        )
        self.detail.setVisible(isinstance(key, Row))
        if isinstance(key, Row):
            self.detail.show_row(key)
        found = None if key is None else self.outlook.rows.get(key)
        self.kind_row.setVisible(key is not None)
        if key is not None:
            self.kind_box.setCurrentIndex(self.kind_box.findData(self._kinds.get(key, "auto")))
        self.reason_label.setText(HINT if key is None else found.sentence if found else "")
        self.sentence_label.setText(self.outlook.sentence)
        for label in (self.reason_label, self.sentence_label):
            label.setVisible(label.text() != "")

"""What a model is to learn from: suggested from the open layers, added by hand, or kept from earlier."""

from __future__ import annotations

import contextlib
from dataclasses import replace
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
from napari_unet_nuclei.gui.finetune.detail import RowDetail
from napari_unet_nuclei.gui.finetune.list import CorrectionList, Listed
from napari_unet_nuclei.gui.finetune.rows import (
    Pixels,
    Plane,
    Row,
    copied,
    find_plane,
    image_for,
    row_title,
    suggest_rows,
    take_down,
)
from napari_unet_nuclei.gui.finetune.watch import LayerWatch
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.viewer.corrected_layer import correction_name
from napari_unet_nuclei.gui.widgets.choice_box import choice_box
from napari_unet_nuclei.gui.widgets.confirm import is_sure
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    from napari import Viewer

KINDS: dict[ChosenKind, str] = {
    "auto": "automatic, by the labels",
    "fluorescence": KIND_NAMES["fluorescence"],
    "brightfield": KIND_NAMES["brightfield"],
}
"""Kinds of image that a row can be given."""

HINT = (
    "Open an image, segment it and correct the labels; tell with 'Reviewed' what of them can be trusted. "
    "What lies outside is never learnt from."
)


class CorrectionsPanel(QWidget):
    """Rows of corrected labels to be ticked, and how many nuclei they make.

    Parameters
    ----------
    viewer : napari.Viewer
    folder : Path
        Where corrections are kept.
    """

    changed = Signal()
    """Something else would be learnt from, or it is known now how many nuclei that are."""

    failed = Signal(object)

    def __init__(self, viewer: Viewer, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._folder = folder
        self._own: list[Row] = []
        self._left_out: set[Row] = set()
        self._ticks: dict[Key, bool] = {}
        self._kinds: dict[Key, ChosenKind] = {}
        self._objected: dict[Key, str] = {}
        self._drawn: dict[Row, Correction | NucleiError] = {}
        self._asked: tuple[InputForm, int, Path | None] = (InputForm(), 0, None)
        self.outlook = Outlook()
        self._pixels = Pixels()
        self._checker = Checker()
        self._checking = LatestJob()
        self._checking.succeeded.connect(self._show_outlook)
        self._checking.failed.connect(self.failed)
        self._watch = LayerWatch(viewer, self)
        self.list = CorrectionList()
        self.detail = RowDetail(viewer)
        self.add_button = QPushButton("Add row")
        self.add_button.setToolTip("Learn from another labels layer, or from another plane of the same.")
        self.remove_button = QPushButton("Remove")
        self.kind_box = choice_box(
            "How the image of this row is read. Automatic goes by the labels:\n"
            "are pixels inside nuclei brighter or darker than those just outside?"
        )
        for kind, title in KINDS.items():
            self.kind_box.addItem(title, kind)
        self.sentence_label, self.reason_label = Sentence(), Sentence()
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.add_button, self.remove_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.list)
        layout.addLayout(buttons)
        self.kind_row = QWidget()
        beside = QFormLayout(self.kind_row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        beside.addRow("Read as", self.kind_box)
        for widget in (self.detail, self.kind_row, self.reason_label, self.sentence_label):
            layout.addWidget(widget)

    def _connect(self) -> None:
        self._watch.stirred.connect(self.changed)
        self._watch.rested.connect(self.refresh)
        self.list.chosen.connect(self._show_chosen)
        self.list.tick_changed.connect(self._tick)
        self.detail.row_changed.connect(self._replace)
        self.kind_box.activated.connect(self._choose_kind)
        self.add_button.clicked.connect(self._add)
        self.remove_button.clicked.connect(self._remove)

    @property
    def is_checking(self) -> bool:
        """True while the numbers are not those of what is chosen."""
        return self._watch.is_stirred or self._checking.is_busy

    def ask(self, form: InputForm, seed: int, reference: Path | None) -> None:
        """Take into account what the model reads, how nuclei are held out, and what it is compared on."""
        if (form, seed, reference) != self._asked:
            self._asked = (form, seed, reference)
            self._watch.stir()

    def copied(self) -> tuple[Correction, ...]:
        """Copy all open planes that are ticked; call it in the window's thread.

        Raises
        ------
        NucleiError
            If one cannot be used.
        """
        planes = [(row, find_plane(row, self._viewer)) for row in self._drawn if self._is_ticked(row)]
        return tuple(
            replace(
                self._told(row, take_down(plane, self._viewer, copied)),
                name=correction_name(plane.corrected, plane.image, plane.index),
            )
            for row, plane in planes
        )

    def kept(self) -> tuple[str, ...]:
        """Names of the corrections from earlier that are ticked."""
        return tuple(entry.name for entry in self.outlook.entries if self._is_ticked(entry.name))

    def kinds(self) -> dict[str, ChosenKind]:
        """Kinds of image that were chosen for corrections from earlier, by their names."""
        return {key: kind for key, kind in self._kinds.items() if isinstance(key, str)}

    def left_out(self) -> tuple[str, ...]:
        """Say what is not learnt from because labels and kind of image disagree: title and reason."""
        return tuple(
            f"{key if isinstance(key, str) else row_title(key, self._viewer)}: {found.doubt}"
            for key, found in self.outlook.rows.items()
            if found.doubt and not self._is_ticked(key)
        )

    def refresh(self) -> None:
        """Look at all layers anew, and count in a moment."""
        self._own = [row for row in self._own if row.is_open(self._viewer)]
        suggested = [row for row in suggest_rows(self._viewer) if row not in self._left_out]
        rows = [*suggested, *(row for row in self._own if row not in suggested)]
        self._drawn = {}
        taken: dict[Row, Plane] = {}
        for row in rows:
            self._drawn[row] = self._take_down(row, taken)
        ticked = frozenset(key for key in (*self._drawn, *self._ticks) if self._is_ticked(key))
        form, seed, reference = self._asked
        watched = frozenset(self._objected)
        asked = Asked(self._drawn, ticked, form, seed, self._folder, reference, self.kinds(), watched)
        self._checking.submit(self._checker.job(asked))
        self._list()
        self.changed.emit()

    def _take_down(self, row: Row, taken: dict[Row, Plane]) -> Correction | NucleiError:
        """Take down a row, unless its pixels are in a ticked one already; remember its plane where it is ticked."""
        try:
            plane = find_plane(row, self._viewer)
            drawn = take_down(plane, self._viewer, self._pixels)
        except NucleiError as error:
            return error
        if self._ticks.get(row, True):
            first = next((one for one, other in taken.items() if plane.overlaps(other)), None)
            if first is not None:
                return ImageShapeError(SAME_IMAGE.format(row_title(row, self._viewer), row_title(first, self._viewer)))
            taken[row] = plane
        return self._told(row, drawn)

    def _told(self, row: Row, correction: Correction) -> Correction:
        """Return a correction with the kind of image that the user chose for its row."""
        return as_kind(correction, self._kinds[row]) if row in self._kinds else correction

    def _is_ticked(self, key: Key) -> bool:
        """Tell whether something is to be learnt from: as the user said, else where it was reviewed."""
        usable = isinstance(key, Row) and isinstance(self._drawn.get(key), Correction)
        return self._ticks.get(key, usable)

    def _tick(self, key: Key, ticked: bool) -> None:
        self._ticks[key] = ticked
        self._watch.stir()

    def _choose_kind(self) -> None:
        """Read the image of the chosen line as the user says."""
        key = self.list.key()
        if key is not None:
            self._kinds[key] = self.kind_box.currentData()
            self._watch.stir()

    def _object(self) -> bool:
        """Untick what labels and image disagree about, once for every reason, and tell whether anything was changed.

        Whoever ticks it again means it. What is in order again is ticked again.
        """
        changed = False
        for key, found in self.outlook.rows.items():
            if found.doubt and self._objected.get(key) != found.doubt:
                self._objected[key] = found.doubt
                changed |= self._is_ticked(key)
                self._ticks[key] = False
            elif found.kind is not None and not found.doubt and key in self._objected:
                del self._objected[key]
                self._ticks[key] = True
                changed = True
        return changed

    def _add(self) -> None:
        """Add a row for the labels that are selected in the layer list, or else for the uppermost ones."""
        labels = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        active = self._viewer.layers.selection.active
        chosen = active if active in labels else next(reversed(labels), None)
        row = Row(chosen, None if chosen is None else image_for(self._viewer, chosen))
        with contextlib.suppress(NucleiError):  # the row says what is missing
            row = replace(row, plane=find_plane(row, self._viewer).index)
        self._put(row)

    def _replace(self, row: Row) -> None:
        """Put a row into the place of the chosen one."""
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
        """Take the chosen row off the list; what was kept earlier is deleted after a question."""
        key = self.list.key()
        if isinstance(key, Row):
            self._leave_out(key)
        elif isinstance(key, str) and is_sure(
            self,
            "Remove correction",
            f"Delete the kept correction '{key}'?",
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
        if self._object():
            self.refresh()
            return
        self._list()
        self.changed.emit()

    def _list(self) -> None:
        """Show rows and kept corrections with what is known of them."""
        rows = [self._line(row, row_title(row, self._viewer), "") for row in self._drawn]
        kept = [self._line(entry.name, entry.name, f"kept {entry.saved[:10]}") for entry in self.outlook.entries]
        self.list.set_lines([*rows, *kept])
        self._show_chosen()

    def _line(self, key: Key, title: str, state: str) -> Listed:
        found = self.outlook.rows.get(key)
        tooltip = (found.sentence if found else "") or title
        text, reading = (found.text, found.reading) if found else (state, "")
        return Listed(key, title, text, tooltip, self._is_ticked(key), reading)

    def _show_chosen(self) -> None:
        """Show what can be changed about the chosen line."""
        key = self.list.key()
        self.remove_button.setEnabled(key is not None)
        kept = isinstance(key, str)
        self.remove_button.setText("Delete…" if kept else "Remove")
        self.remove_button.setToolTip(
            "Delete this kept correction from the disk, after a question." if kept else "Take this row off the list."
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
            label.setVisible(bool(label.text()))

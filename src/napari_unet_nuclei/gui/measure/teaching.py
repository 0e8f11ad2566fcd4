"""Teach classes of nuclei: examples by key, undone, kept with the layer, told of the rest at once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_path
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_unet_nuclei.core.errors import NucleiError, SettingsError
from napari_unet_nuclei.core.labels.classify.class_file import read_classes, write_classes
from napari_unet_nuclei.core.labels.classify.columns import suitable_columns
from napari_unet_nuclei.core.labels.classify.nucleus_classes import (
    COLOURS,
    MOST_CLASSES,
    Check,
    NucleusClasses,
    class_counts,
    doubtful,
)
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.measure.classes_panel import ClassesPanel
from napari_unet_nuclei.gui.viewer.layer_classes import (
    Example,
    LayerClasses,
    Told,
    classes_of,
    followed,
    keep_classes,
    told,
)
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari.layers import Labels

FILE_VARIABLE = "NAPARI_UNET_NUCLEI_CLASSES"


def former_file() -> Path:
    """Return where the latest classes are kept; the variable ``NAPARI_UNET_NUCLEI_CLASSES`` overrides it."""
    own = os.environ.get(FILE_VARIABLE)
    return Path(own) if own else user_data_path("napari-unet-nuclei", appauthor=False) / "classes.json"


class Teaching(QObject):
    """Acts on the classes of the measured labels layer, and shows them in their panel."""

    changed = Signal(object)
    """The classes of the nuclei were told anew: the table with their columns."""

    said = Signal(str)

    failed = Signal(object)

    correct_wanted = Signal()

    def __init__(self, panel: ClassesPanel, parent: QObject) -> None:
        super().__init__(parent)
        self.panel = panel
        self.by: NucleusClasses | None = None
        """What tells the classes now; None while there are too few examples."""
        self._measured: MeasuredTable | None = None
        self._shown: LayerClasses | None = None
        self._file: Path | None = None
        self._before: list[LayerClasses] = []
        self._checking = LatestJob()
        self._checking.succeeded.connect(self._show_check)
        self._checking.failed.connect(self.failed)
        self._telling = rest_timer(self, self._tell)
        panel.added.connect(self._add)
        panel.renamed.connect(self._rename)
        panel.removed.connect(self._remove)
        panel.recoloured.connect(self._recolour)
        panel.columns_chosen.connect(self._choose_columns)
        panel.undo_wanted.connect(self.undo)
        panel.open_wanted.connect(self._ask_open)
        panel.save_wanted.connect(self._ask_save)
        panel.former_wanted.connect(self._open_former)
        panel.doubtful_wanted.connect(self.correct_wanted)

    @property
    def _layer(self) -> Labels:
        assert self._measured is not None, "asked of measured labels only"
        return self._measured.labels.place.layer

    @property
    def classes(self) -> LayerClasses:
        """The classes of the measured layer."""
        return LayerClasses() if self._measured is None else classes_of(self._layer)

    @property
    def is_busy(self) -> bool:
        """True while the examples are checked."""
        return self._checking.is_busy

    def measured(self, measured: MeasuredTable) -> MeasuredTable:
        """Follow another table, and return it with the classes of its nuclei."""
        if self._measured is not None:
            self._layer.events.metadata.disconnect(self._note_kept)
        if self._measured is None or self._layer is not measured.labels.place.layer:
            self._before = []
        self._measured = measured
        classes, gone = followed(self.classes, measured)
        if classes != self.classes:
            keep_classes(self._layer, classes)
        if gone:
            nuclei = "its nucleus" if gone == 1 else "their nuclei"
            self.said.emit(f"{quantity(gone, 'example is', 'examples are')} gone with {nuclei}.")
        self._layer.events.metadata.connect(self._note_kept)
        return replace(measured, table=self._told().table)

    def give(self, row: int, place: int) -> None:
        """Make the nucleus of a row an example of a class by its place; a place below 0 takes the class away."""
        assert self._measured is not None, "rows come with a table"
        names = self.classes.names
        if place >= len(names):
            self.said.emit(f"⚠ There is no class {place + 1}: add one first.")
            return
        label = int(self._measured.table["label"].iloc[row])
        name = names[place] if place >= 0 else ""
        example = Example(label, tuple(self._measured.position(row).tolist()), name)
        self._keep(self.classes.with_example(example))
        self.said.emit(f"Nucleus {label} is an example of {name}." if name else f"Nucleus {label} is no example.")

    def undo(self) -> None:
        """Take back the last change."""
        if self._before:
            self._keep(self._before.pop(), undoing=True)

    def open_file(self, path: Path) -> None:
        """Let the examples of a file teach as well; its classes come first."""
        try:
            opened = read_classes(path)
            classes = self.classes
            used = {one.name for one in classes.examples}
            colours = dict(zip(opened.names, opened.colours, strict=True))
            colours |= {name: colour for name, colour in classes.colours.items() if name in used - set(colours)}
            if len(colours) > MOST_CLASSES:
                raise SettingsError(f"That would be {len(colours)} classes; there are keys for {MOST_CLASSES}.")
        except NucleiError as error:
            self.failed.emit(error)
            return
        self._keep(replace(classes, colours=_distinct(colours), earlier=opened, columns=()))
        self._file = path if not classes.examples and path != former_file() else None
        self.said.emit(f"{path.name}: {quantity(len(opened.given), 'example')} of {', '.join(opened.names)}.")

    def save_file(self, path: Path) -> None:
        """Save the classes with all examples."""
        try:
            if self.by is None:
                raise SettingsError("Give examples of at least two classes first.")
            write_classes(path, self.by)
        except NucleiError as error:
            self.failed.emit(error)
            return
        self._file = path
        self.said.emit(f"Saved {quantity(len(self.by.given), 'example')} of {', '.join(self.by.names)}: {path.name}.")

    def file_for_folders(self) -> Path | None:
        """Return the file with these classes, which the user is asked to save; None where there is none."""
        if self.by is not None and self._file is None:
            self._ask_save()
        return self._file

    def _keep(self, classes: LayerClasses, *, undoing: bool = False) -> None:
        if self._measured is None or classes == self.classes:
            return
        if not undoing:
            self._before.append(self.classes)
        self._file = None
        keep_classes(self._layer, classes)

    def _note_kept(self, _event: object = None) -> None:
        """Tell the rest anew when this dock or another one changed the classes."""
        if self.classes != self._shown:
            self._telling.start()

    def _tell(self) -> None:
        if self._measured is not None:
            found = self._told()
            self.changed.emit(found.table)
            if found.by is not None:
                self._keep_for_next_time(found.by)

    def _told(self) -> Told:
        """Tell the classes of the table, and show them."""
        assert self._measured is not None, "asked of a table"
        classes = self._shown = self.classes
        found = told(classes, self._measured)
        self.by = found.by
        counts = Counter(one.name for one in classes.examples) if found.by is None else found.by.counts
        in_all = {} if found.by is None else class_counts(found.table, found.by.names)
        self.panel.show_classes(classes, counts, in_all)
        columns = classes.earlier.columns if classes.earlier is not None else suitable_columns(self._measured.table)
        self.panel.show_columns(columns, classes.columns, fixed=classes.earlier is not None)
        self.panel.undo_button.setEnabled(bool(self._before))
        self.panel.former_button.setVisible(not classes.examples and classes.earlier is None and former_file().exists())
        self.panel.save_button.setEnabled(found.by is not None)
        if found.by is None:
            self._checking.cancel()
            self.panel.show_check("")
            self.panel.show_doubts("", 0)
            return found
        taken, remarks = found.by.renamed_images(self._measured.table), found.by.remarks(self._measured.table)
        warnings = "\n".join([*([taken] if taken else []), *(f"⚠ {one}" for one in remarks)])
        self.panel.show_doubts(warnings, len(doubtful(found.table)))
        self._checking.submit(_check_job(found.by))
        return found

    def _show_check(self, check: Check) -> None:
        self.panel.show_check(check.text())

    def _keep_for_next_time(self, by: NucleusClasses) -> None:
        """Keep the classes where the next session finds them, whether or not the user saves them."""
        try:
            write_classes(former_file(), by)
        except NucleiError as error:
            self.failed.emit(error)

    def _open_former(self) -> None:
        self.open_file(former_file())

    def _add(self) -> None:
        colours = self.classes.colours
        number = next(i for i in range(1, MOST_CLASSES + 2) if f"class {i}" not in colours)
        free = next((one for one in COLOURS if one not in colours.values()), COLOURS[0])
        self._keep(replace(self.classes, colours={**colours, f"class {number}": free}))

    def _rename(self, name: str, new: str) -> None:
        classes = self.classes
        if not new or new in classes.names:
            self.said.emit("⚠ Each class needs a name of its own.")
            self.panel.rows[name].edit.setText(name)
            return
        names = {name: new}
        self._keep(
            replace(
                classes,
                colours={names.get(one, one): colour for one, colour in classes.colours.items()},
                examples=tuple(one._replace(name=names.get(one.name, one.name)) for one in classes.examples),
                earlier=None
                if classes.earlier is None
                else replace(classes.earlier, names=tuple(names.get(one, one) for one in classes.earlier.names)),
            )
        )

    def _remove(self, name: str) -> None:
        classes = self.classes
        if classes.earlier is not None and name in classes.earlier.names:
            self.said.emit(f"⚠ The file that was opened has examples of {name}: its classes stay.")
            return
        self._keep(
            replace(
                classes,
                colours={one: colour for one, colour in classes.colours.items() if one != name},
                examples=tuple(one for one in classes.examples if one.name != name),
            )
        )

    def _recolour(self, name: str, colour: str) -> None:
        self._keep(replace(self.classes, colours={**self.classes.colours, name: colour}))

    def _choose_columns(self, columns: tuple[str, ...]) -> None:
        self._keep(replace(self.classes, columns=columns))

    def _ask_open(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self.panel, "Classes of nuclei", "", "Classes (*.json)")
        if chosen:
            self.open_file(Path(chosen))

    def _ask_save(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self.panel, "Save classes", "classes.json", "Classes (*.json)")
        if chosen:
            self.save_file(Path(chosen))


def _check_job(classes: NucleusClasses) -> Callable[[Progress], Check]:
    def job(_progress: Progress) -> Check:
        return classes.check()

    return job


def _distinct(colours: dict[str, str]) -> dict[str, str]:
    """Give classes of the same colour others that are free."""
    found: dict[str, str] = {}
    for name, colour in colours.items():
        free = [one for one in COLOURS if one not in (*found.values(), *colours.values())]
        found[name] = free[0] if colour in found.values() and free else colour
    return found

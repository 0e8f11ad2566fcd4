"""The dock *Models*: the installed models with their cards; import, export, rename and remove them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QInputDialog,
    QLabel,
    QPushButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_unet_nuclei.core.errors import ModelFileError, NucleiError, OutputFileError
from napari_unet_nuclei.core.model.card import ModelCard, read_card
from napari_unet_nuclei.core.model.packages.content import look_into
from napari_unet_nuclei.core.model.packages.notes import PackageNotes
from napari_unet_nuclei.core.model.registry import PACKAGE_SUFFIX, SUFFIX, ModelEntry, ModelRegistry, default_registry
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.models.card_view import CardView
from napari_unet_nuclei.gui.models.watch import ModelWatch
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.widgets.confirm import is_sure
from napari_unet_nuclei.gui.widgets.path_edit import dropped_files
from napari_unet_nuclei.gui.widgets.rest_timer import call_soon
from napari_unet_nuclei.gui.widgets.row_list import RowList
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

T = TypeVar("T")

KINDS = f"Models and BioImage.IO packages (*{SUFFIX} *{PACKAGE_SUFFIX});;All files (*)"
DROP_HINT = f"or drop model files ({SUFFIX}, {PACKAGE_SUFFIX}) here"
EXPORTED = {
    f"Model file (*{SUFFIX})": SUFFIX,
    f"BioImage.IO package for other programs (*{PACKAGE_SUFFIX})": PACKAGE_SUFFIX,
}
"""Kinds of files that a model is exported as."""

LICENCE = "CC-BY-4.0"
"""Proposed where a card states none."""


@dataclass(frozen=True)
class Imported:
    """Names of imported models, and problems with files that could not be imported."""

    names: tuple[str, ...]
    problems: tuple[str, ...]


class ModelsDock(Dock):
    """Lists the installed models with their cards, and manages the user's own."""

    tab_title = "Models"
    page = "manage-models"

    def __init__(self) -> None:
        super().__init__()
        self._registry = default_registry()
        self.models = ModelList()
        self.export_button = QPushButton("Export…")
        self.rename_button = QPushButton("Rename…")
        self.remove_button = QPushButton("Remove…")
        self.note = Sentence()
        self.panel = JobPanel(
            "Import a model…", "Copy a model file, or a BioImage.IO package, to your models: every dock then offers it."
        )
        self.panel.cancel_button.hide()  # nothing here takes long enough to be cancelled
        self.drop_hint = QLabel(DROP_HINT)
        self.card = CardView()
        self._lay_out()
        self._connect()
        self.setAcceptDrops(True)
        self.refresh()

    def _lay_out(self) -> None:
        self.drop_hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        buttons = QGridLayout()
        for column, button in enumerate((self.export_button, self.rename_button, self.remove_button)):
            buttons.addWidget(button, 0, column)
        layout = QVBoxLayout(self)
        layout.addWidget(self.models)
        layout.addLayout(buttons)
        layout.addWidget(self.note)
        layout.addWidget(self.card, stretch=1)
        layout.addWidget(self.panel)
        layout.addWidget(self.drop_hint)

    def _connect(self) -> None:
        self.models.chosen.connect(self._show_chosen)
        self.export_button.clicked.connect(self._export)
        self.rename_button.clicked.connect(self._rename)
        self.remove_button.clicked.connect(self._remove)
        self.panel.run_clicked.connect(self._choose_files)
        self.panel.running_changed.connect(self._show_chosen)
        self._watch = ModelWatch(self)
        self._watch.changed.connect(self.refresh)

    def refresh(self, name: str = "") -> None:
        """List the models again and select one by name; by default the selection stays."""
        self.models.set_entries(self._registry.list(), name)

    def import_files(self, paths: Sequence[Path]) -> None:
        """Import model files; ask for a new name if another model has it."""
        asked = [(path, name) for path in paths if (name := self._name_for(path)) is not None]
        if not asked:
            self.panel.show_status("Nothing was imported.")
            return
        title = asked[0][0].name if len(asked) == 1 else f"{len(asked)} models"
        job = partial(_import_files, self._registry, asked)
        self.panel.run_job(job, self._show_imported, title=f"Importing {title}")

    def _name_for(self, path: Path) -> str | None:
        """Return the name to import a file under; empty for the name in its card, None if the user cancels."""
        try:
            name, card = _named(path)
        except ModelFileError:
            return ""  # importing it reports the error
        holder = self._registry.holder(name)
        if holder is None or holder.card == card:
            return ""
        text = f"Another model named '{holder.name}' is installed already.\nImport '{path.name}' under the name:"
        return self._ask("Import model", text, self._registry.free_name(name))

    def _ask(self, title: str, text: str, proposal: str) -> str | None:
        name, accepted = QInputDialog.getText(self, title, text, text=proposal)
        return name if accepted else None

    def _choose_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Import models", "", KINDS)
        if paths:
            self.import_files([Path(path) for path in paths])

    def _export(self) -> None:
        """Ask for a file and export the chosen model to it."""
        entry = self._chosen()
        name = f"{entry.name}{SUFFIX}"
        chosen, kind = QFileDialog.getSaveFileName(self, "Export model", name, ";;".join(EXPORTED))
        if not chosen:
            return
        wanted = EXPORTED.get(kind, SUFFIX)
        said = Path(chosen).suffix in EXPORTED.values()
        # A name is proposed with the first suffix; the kind that was chosen counts where that is all that was changed.
        target = Path(chosen if said else f"{chosen}{wanted}")
        if target.name == name:
            target = target.with_suffix(wanted)
        if target != Path(chosen) and target.exists():
            self.panel.show_error(OutputFileError(f"{target} exists already: choose another name."))
            return
        notes = None
        if target.suffix == PACKAGE_SUFFIX and entry.card.is_trainable:
            notes = self._ask_notes(entry)
            if notes is None:
                return
        change = partial(_export, self._registry, entry.name, target, notes)
        self._run(f"Exporting {entry.name}", change, self._show_exported)

    def _ask_notes(self, entry: ModelEntry) -> PackageNotes | None:
        """Ask for what a package says and a card does not; None if the user cancels."""
        authors: str | None = ""
        licence: str | None = ""
        if not entry.bundled:
            authors = self._ask("Export model", "Authors of the model, separated by commas:", "")
        if authors is not None and not entry.card.licence:
            licence = self._ask("Export model", "Licence of the model, by its identifier (SPDX):", LICENCE)
        if authors is None or licence is None:
            return None
        names = (name.strip() for name in authors.replace("/", " ").split(","))
        return PackageNotes(authors=tuple(name for name in names if name), licence=licence.strip())

    def _rename(self) -> None:
        """Ask for a new name and rename the chosen model."""
        entry = self._chosen()
        name = self._ask("Rename model", f"New name of '{entry.name}':", entry.name)
        if name is not None:
            self._run(f"Renaming {entry.name}", partial(self._registry.rename, entry.name, name), self._show_renamed)

    def _remove(self) -> None:
        """Delete the chosen model after confirmation."""
        entry = self._chosen()
        text, more = (
            f"Remove '{entry.name}' from this computer?",
            "Its file is deleted. Export it first to keep a copy.",
        )
        if is_sure(self, "Remove model", text, more, "Remove"):
            self._run(f"Removing {entry.name}", partial(_remove, self._registry, entry.name), self._show_removed)

    def _chosen(self) -> ModelEntry:
        entry = self.models.entry()
        assert entry is not None, "the buttons are disabled where there is none"
        return entry

    def _run(self, title: str, change: Callable[[], T], on_result: Callable[[T], None]) -> None:
        """Run a change in a thread, as the disk may be slow."""

        def job(progress: Progress) -> T:
            return change()

        self.panel.run_job(job, on_result, title=title)

    def _show_imported(self, imported: Imported) -> None:
        names, problems = imported.names, imported.problems
        done = [f"Imported {', '.join(map(repr, names))}."] if names else []
        self.panel.show_status("\n".join([*done, *(f"⚠ {problem}" for problem in problems)]))
        self.refresh(names[-1] if names else "")

    def _show_exported(self, path: Path) -> None:
        package = " and was accepted by the format's own checker" if path.suffix == PACKAGE_SUFFIX else ""
        self.panel.show_status(f"Exported to {path}. The file contains the whole model{package}.")

    def _show_renamed(self, entry: ModelEntry) -> None:
        self.panel.show_status(f"Renamed to '{entry.name}'.")
        self.refresh(entry.name)

    def _show_removed(self, name: str) -> None:
        self.panel.show_status(f"Removed '{name}'.")
        self.refresh()

    def _show_chosen(self) -> None:
        """Show the card of the chosen model, and enable what can be done with it."""
        entry, running = self.models.entry(), self.panel.is_running
        problem = _change_problem(entry)
        self.card.show_entry(entry)
        self.export_button.setEnabled(entry is not None and not running)
        self.export_button.setToolTip("Save the chosen model as one file to share, or as a BioImage.IO package.")
        tooltips = {
            self.rename_button: "Rename the chosen model; its weights and their hash stay the same.",
            self.remove_button: "Delete the chosen model from this computer, after confirmation.",
        }
        for button, tooltip in tooltips.items():
            button.setEnabled(not problem and not running)
            button.setToolTip(problem or tooltip)
        self.note.setText(problem)
        self.note.setVisible(bool(problem))

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Accept files; whether they are models is checked when they are dropped."""
        if event is not None and dropped_files(event) and not self.panel.is_running:
            self.drop_hint.setText("Drop to import.")
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent | None) -> None:
        """Restore the hint."""
        self.drop_hint.setText(DROP_HINT)

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Import the files."""
        self.drop_hint.setText(DROP_HINT)
        if event is not None and (paths := dropped_files(event)):
            event.acceptProposedAction()
            # Dialogs come after the drop event, which blocks the program that the files come from.
            call_soon(self, self.import_files, [Path(path) for path in paths])


class ModelList(RowList):
    """The installed models, one of which is selected."""

    chosen = Signal()
    """Another model is selected, or the selected one has changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(["Model", "Images", "Origin"], parent)
        self._entries: tuple[ModelEntry, ...] = ()
        self.currentItemChanged.connect(self.chosen)

    def entry(self) -> ModelEntry | None:
        """Return the selected model; None if there is none."""
        row = self.indexOfTopLevelItem(self.currentItem()) if self.currentItem() is not None else -1
        return self._entries[row] if row >= 0 else None

    def set_entries(self, entries: tuple[ModelEntry, ...], name: str = "") -> None:
        """List models and select one by name; by default keep the selection, or select the first."""
        before = self.entry()
        wanted = name or (before.name if before else "")
        self.blockSignals(True)
        self.clear()
        self._entries = entries
        for entry in entries:
            more = " +" if entry.card.other_kinds else ""  # spelled out, they would leave no room for the name
            item = QTreeWidgetItem(self, [entry.name, f"{entry.card.image_kind}{more}", entry.origin])
            item.setToolTip(0, f"{entry.name}\n{entry.card.description}".strip())
            item.setToolTip(1, entry.card.purpose.capitalize())
        row = next((row for row, entry in enumerate(entries) if entry.name == wanted), 0)
        self.setCurrentItem(self.topLevelItem(row))
        self.blockSignals(False)
        self.fit_height()
        self.chosen.emit()


def _change_problem(entry: ModelEntry | None) -> str:
    """Return why a model can be neither renamed nor removed; empty if it can."""
    if entry is None:
        return "No model is installed: import a model file."
    return "A bundled model can be exported, but not renamed or removed." if entry.bundled else ""


def _named(path: Path) -> tuple[str, ModelCard | None]:
    """Return the name of the model in a file, and its card where the file has one; raise ModelFileError otherwise."""
    if path.suffix.lower() != PACKAGE_SUFFIX:
        card = read_card(path)
        return card.name, card
    found = look_into(path)
    return (found, None) if isinstance(found, str) else (found.name, found)


def _import_files(registry: ModelRegistry, asked: Sequence[tuple[Path, str]], progress: Progress) -> Imported:
    """Import files under the given names; a failure does not stop the others."""
    names, problems = [], []
    for path, name in asked:
        try:
            names.append(registry.add(path, name, progress).name)
        except NucleiError as error:
            problems.append(str(error))
    return Imported(tuple(names), tuple(problems))


def _export(registry: ModelRegistry, name: str, path: Path, notes: PackageNotes | None) -> Path:
    registry.export(name, path, notes)
    return path


def _remove(registry: ModelRegistry, name: str) -> str:
    registry.remove(name)
    return name

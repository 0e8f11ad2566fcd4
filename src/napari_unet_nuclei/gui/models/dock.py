"""The dock *Models*: which models there are and what is known of them, and to import, share, rename and remove one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QInputDialog,
    QLabel,
    QPushButton,
    QVBoxLayout,
)

from napari_unet_nuclei.core.errors import ModelFileError, NucleiError, OutputFileError
from napari_unet_nuclei.core.model.card import read_card
from napari_unet_nuclei.core.model.registry import SUFFIX, ModelEntry, ModelRegistry, default_registry
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.models.card_view import CardView
from napari_unet_nuclei.gui.models.list import ModelList
from napari_unet_nuclei.gui.models.watch import ModelWatch
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.widgets.confirm import is_sure
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

T = TypeVar("T")

KINDS = f"Models (*{SUFFIX});;All files (*)"
DROP_HINT = f"or drop model files ({SUFFIX}) here"


@dataclass(frozen=True)
class Imported:
    """What came of the files that were to be imported."""

    names: tuple[str, ...]
    problems: tuple[str, ...]


class ModelsDock(Dock):
    """Lists the installed models with their cards, and looks after the user's own."""

    tab_title = "Models"

    def __init__(self) -> None:
        super().__init__()
        self._registry = default_registry()
        self.models = ModelList()
        self.export_button = QPushButton("Export…")
        self.rename_button = QPushButton("Rename…")
        self.remove_button = QPushButton("Remove…")
        self.note = Sentence()
        self.panel = JobPanel("Import a model…", "Copy a model file among your models, so that every dock offers it.")
        self.panel.cancel_button.hide()  # nothing here takes long enough
        self.drop_hint = QLabel(DROP_HINT)
        self.card = CardView()
        self._lay_out()
        self._connect()
        self.setAcceptDrops(True)
        self.refresh()

    def _lay_out(self) -> None:
        self.drop_hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.drop_hint.setEnabled(False)
        buttons = QGridLayout()
        for column, button in enumerate((self.export_button, self.rename_button, self.remove_button)):
            buttons.addWidget(button, 0, column)
        layout = QVBoxLayout(self)
        layout.addWidget(self.models)
        layout.addLayout(buttons)
        layout.addWidget(self.note)
        layout.addWidget(self.panel)
        foot = self.panel.layout()
        assert isinstance(foot, QVBoxLayout), "the button comes first in it, the status below"
        foot.insertWidget(1, self.drop_hint)
        layout.addWidget(self.card, stretch=1)

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
        """Look again which models there are, and choose one by its name; else the chosen one stays chosen."""
        self.models.set_entries(self._registry.list(), name)

    def import_files(self, paths: Sequence[Path]) -> None:
        """Import model files; where a name is taken by another model, ask for a new one."""
        asked = [(path, name) for path in paths if (name := self._name_for(path)) is not None]
        if not asked:
            self.panel.show_status("Nothing was imported.")
            return
        title = asked[0][0].name if len(asked) == 1 else f"{len(asked)} models"
        self._run(f"Importing {title}", partial(_import_files, self._registry, asked), self._show_imported)

    def _name_for(self, path: Path) -> str | None:
        """Return the name to import a file under; empty for the name in its card, None where the user gives up."""
        try:
            card = read_card(path)
        except ModelFileError:
            return ""  # refused in words when it is imported
        holder = self._registry.holder(card.name)
        if holder is None or holder.card == card:
            return ""
        text = f"Another model named '{holder.name}' is installed already.\nImport '{path.name}' under the name:"
        return self._ask_name("Import model", text, self._registry.free_name(card.name))

    def _ask_name(self, title: str, text: str, proposal: str) -> str | None:
        name, accepted = QInputDialog.getText(self, title, text, text=proposal)
        return name if accepted else None

    def _choose_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Import models", "", KINDS)
        if paths:
            self.import_files([Path(path) for path in paths])

    def _export(self) -> None:
        """Ask where to, and copy the chosen model there."""
        entry = self._chosen()
        chosen, _ = QFileDialog.getSaveFileName(self, "Export model", f"{entry.name}{SUFFIX}", KINDS)
        if not chosen:
            return
        target = Path(chosen if chosen.endswith(SUFFIX) else f"{chosen}{SUFFIX}")
        if target != Path(chosen) and target.exists():
            self.panel.show_error(OutputFileError(f"{target} exists already: choose another name."))
            return
        self._run(f"Exporting {entry.name}", partial(_export, self._registry, entry.name, target), self._show_exported)

    def _rename(self) -> None:
        """Ask for another name, and give it to the chosen model."""
        entry = self._chosen()
        name = self._ask_name("Rename model", f"New name of '{entry.name}':", entry.name)
        if name is not None:
            self._run(f"Renaming {entry.name}", partial(self._registry.rename, entry.name, name), self._show_renamed)

    def _remove(self) -> None:
        """Ask, and delete the chosen model."""
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
        """Change something in a thread, since files may lie on a slow disk."""

        def job(progress: Progress) -> T:
            return change()

        self.panel.run_job(job, on_result, title=title)

    def _show_imported(self, imported: Imported) -> None:
        names, problems = imported.names, imported.problems
        done = [f"Imported {', '.join(map(repr, names))}."] if names else []
        self.panel.show_status("\n".join([*done, *(f"⚠ {problem}" for problem in problems)]))
        self.refresh(names[-1] if names else "")

    def _show_exported(self, path: Path) -> None:
        self.panel.show_status(f"Exported to {path}. This one file is the whole model.")

    def _show_renamed(self, entry: ModelEntry) -> None:
        self.panel.show_status(f"Renamed to '{entry.name}'.")
        self.refresh(entry.name)

    def _show_removed(self, name: str) -> None:
        self.panel.show_status(f"Removed '{name}'.")
        self.refresh()

    def _show_chosen(self) -> None:
        """Show the card of the chosen model, and what can be done with it."""
        entry, running = self.models.entry(), self.panel.is_running
        problem = _change_problem(entry)
        self.card.show_entry(entry)
        self.export_button.setEnabled(entry is not None and not running)
        self.export_button.setToolTip("Save the chosen model as one file, weights and card, to give it to others.")
        tooltips = {
            self.rename_button: "Give the chosen model another name; its weights and their hash stay as they are.",
            self.remove_button: "Delete the chosen model from this computer, after a question.",
        }
        for button, tooltip in tooltips.items():
            button.setEnabled(not problem and not running)
            button.setToolTip(problem or tooltip)
        self.note.setText(problem)
        self.note.setVisible(bool(problem))

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Welcome files; whether they are models is said when they are dropped."""
        if event is not None and _files(event) and not self.panel.is_running:
            self.drop_hint.setText("Let go to import.")
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent | None) -> None:
        """Go back to waiting for files."""
        self.drop_hint.setText(DROP_HINT)

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Import the files."""
        self.drop_hint.setText(DROP_HINT)
        if event is not None and (paths := _files(event)):
            event.acceptProposedAction()
            # Questions come after the drop: until it is answered, the program that the files come from stands still.
            QTimer.singleShot(0, partial(self.import_files, paths))


def _change_problem(entry: ModelEntry | None) -> str:
    """Say why a model can be neither renamed nor removed; empty where it can."""
    if entry is None:
        return "No model is installed: import a model file."
    return "A bundled model stays as it is: it can be exported, but not renamed or removed." if entry.bundled else ""


def _files(event: QDropEvent) -> list[Path]:
    """Return the files on this computer that are being dropped."""
    contents = event.mimeData()
    return [Path(url.toLocalFile()) for url in contents.urls() if url.isLocalFile()] if contents is not None else []


def _import_files(registry: ModelRegistry, asked: Sequence[tuple[Path, str]]) -> Imported:
    """Import files under the names that they are to have; one that cannot be used stops no other."""
    names, problems = [], []
    for path, name in asked:
        try:
            names.append(registry.add(path, name).name)
        except NucleiError as error:
            problems.append(str(error))
    return Imported(tuple(names), tuple(problems))


def _export(registry: ModelRegistry, name: str, path: Path) -> Path:
    registry.export(name, path)
    return path


def _remove(registry: ModelRegistry, name: str) -> str:
    registry.remove(name)
    return name

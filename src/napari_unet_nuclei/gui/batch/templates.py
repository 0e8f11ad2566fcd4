"""Templates of folder runs: settings under names of the user's, kept in files and chosen in a bar."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from platformdirs import user_data_path
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QInputDialog, QLabel, QPushButton, QWidget

from napari_unet_nuclei.core.errors import OutputFileError, SettingsError
from napari_unet_nuclei.core.files.atomic import atomic, remedy
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.gui.batch.choices import BatchChoices
from napari_unet_nuclei.gui.settings.remembered import choices_of, values_of
from napari_unet_nuclei.gui.widgets.choice_box import choice_box, fill
from napari_unet_nuclei.gui.widgets.confirm import is_sure
from napari_unet_nuclei.gui.widgets.forms import fill as fill_layout

FOLDER_VARIABLE = "NAPARI_UNET_NUCLEI_TEMPLATES"
ENDING = ".json"

OF_ONE_RUN = ("images", "out")
"""Choices that a template leaves as they are: images and results are no part of it."""

NAME = re.compile(r"[A-Za-z0-9][\w .-]{0,59}")
"""What may be a name: it is a file name on every system."""

NONE = ""


def templates_folder() -> Path:
    """Return the folder of templates; the environment variable ``NAPARI_UNET_NUCLEI_TEMPLATES`` overrides it."""
    own = os.environ.get(FOLDER_VARIABLE)
    return Path(own) if own else user_data_path("napari-unet-nuclei", appauthor=False) / "templates"


def template_names() -> list[str]:
    """List the names of all templates."""
    return sorted((path.stem for path in templates_folder().glob(f"*{ENDING}")), key=str.casefold)


def save_template(name: str, choices: BatchChoices) -> None:
    """Save choices under a name, in place of an earlier template of that name.

    Raises
    ------
    SettingsError
        If the name cannot be one.
    OutputFileError
        If the file cannot be written.
    """
    path = _path(name)
    values = {key: value for key, value in values_of(choices).items() if key not in OF_ONE_RUN}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as part:
            part.write_text(json.dumps(values, indent=2), encoding="utf-8")
    except OSError as error:
        raise OutputFileError(f"The template {path} cannot be written: {remedy(error)}") from error


def read_template(name: str, choices: BatchChoices) -> BatchChoices:
    """Return choices with those of a template; images and results stay.

    Raises
    ------
    SettingsError
        If the template is not readable, or from a version that knew other settings.
    """
    path = _path(name)
    try:
        stored = read_json(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"The template {path} cannot be read: {error}.") from error
    if not isinstance(stored, dict):
        raise SettingsError(f"The template {path} must hold one JSON object with setting names and values.")
    known = values_of(choices)
    return choices_of(BatchChoices, {**known, **{key: value for key, value in stored.items() if key in known}})


def remove_template(name: str) -> None:
    """Delete a template; one that is gone already is no error."""
    _path(name).unlink(missing_ok=True)


def _path(name: str) -> Path:
    if not NAME.fullmatch(name) or name.endswith((".", " ")):
        raise SettingsError(
            f"'{name}' cannot be a template's name: start with a letter or a digit, followed by letters, digits, "
            "blanks, '.', '_' and '-', at most 60 in all."
        )
    return templates_folder() / f"{name}{ENDING}"


class TemplateBar(QWidget):
    """A list of templates, with buttons to save the present settings as one, and to delete one."""

    chosen = Signal(str)
    """The user chose a template."""

    saved = Signal(str)
    """The user gave a name for the present settings."""

    def __init__(self) -> None:
        super().__init__()
        self.box = choice_box("Settings that were saved under a name: model, size, thresholds, what is written.")
        self.save_button = QPushButton("Save as…")
        self.save_button.setToolTip("Save the present settings under a name; images and results are no part of them.")
        self.remove_button = QPushButton("Delete…")
        self.remove_button.setToolTip("Delete the chosen template, after asking.")
        row = fill_layout(QHBoxLayout(self), QLabel("Template"), self.box, self.save_button, self.remove_button)
        row.setStretch(1, 1)
        # Emitted when the user chooses, but not when the list is filled again.
        self.box.activated.connect(self._choose)
        self.save_button.clicked.connect(self._save)
        self.remove_button.clicked.connect(self._remove)
        self.refresh()

    def refresh(self, name: str = NONE) -> None:
        """List the templates again, and show one."""
        fill(self.box, {NONE: "none", **{one: one for one in template_names()}}, name)
        self.remove_button.setEnabled(self.box.currentData() != NONE)

    def _choose(self) -> None:
        name = str(self.box.currentData())
        self.remove_button.setEnabled(name != NONE)
        if name != NONE:
            self.chosen.emit(name)

    def _save(self) -> None:
        name, accepted = QInputDialog.getText(self, "Save template", "Name:", text=str(self.box.currentData() or ""))
        if accepted and name.strip():
            self.saved.emit(name.strip())

    def _remove(self) -> None:
        name = str(self.box.currentData())
        question = f"Delete the template '{name}'?"
        if is_sure(self, "Delete template", question, "Results of runs with it stay as they are.", "Delete"):
            remove_template(name)
            self.refresh()

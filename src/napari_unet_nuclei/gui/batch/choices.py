"""The choices of a batch run, and templates of them: settings under names of the user's, in files and in a bar."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from platformdirs import user_data_path
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QInputDialog, QLabel, QPushButton, QWidget

from napari_unet_nuclei.core.errors import OutputFileError, SettingsError
from napari_unet_nuclei.core.files.atomic import atomic, remedy
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.core.image.io.path_list import LIST_SUFFIXES, read_list
from napari_unet_nuclei.core.image.io.zarr_store import absolute
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, Planes, SegmentSettings
from napari_unet_nuclei.gui.settings.remembered import Choices, choices_of, values_of
from napari_unet_nuclei.gui.widgets.choice_box import choice_box, fill
from napari_unet_nuclei.gui.widgets.confirm import is_sure
from napari_unet_nuclei.gui.widgets.forms import fill as fill_layout

SEPARATOR = "; "
"""Between paths in one line."""

AUTOMATIC_STACKS, EVERY_PLANE = "automatic", "every plane"
SINGLE: dict[str, str] = {"one plane": "", "one plane along z": "Z", "one time point": "T"}
"""Choices that take an index, with its axis; empty stands for the only axis of a stack."""

STACKS: dict[str, Planes] = {
    AUTOMATIC_STACKS: "auto",
    "as 3-D nuclei": "volume",
    "joined plane by plane": "joined",
    EVERY_PLANE: "each",
    **dict.fromkeys(SINGLE, "auto"),
    "maximum along z": "maximum",
    "mean along z": "mean",
}
"""Choices, with the setting that they stand for."""
assert set(STACKS.values()) == set(get_args(Planes))

FOLDER_VARIABLE = "NAPARI_UNET_NUCLEI_TEMPLATES"
TEMPLATE_ENDING = ".json"

OF_ONE_RUN = ("images", "out")
"""Choices that a template leaves as they are: images and results are no part of it."""

TEMPLATE_NAME = re.compile(r"[A-Za-z0-9][\w .-]{0,59}")
"""What may be the name of a template: it is a file name on every system."""

NO_TEMPLATE = ""


@dataclass(frozen=True)
class BatchChoices(Choices):
    """Choices of the dock *Batch segment folder*.

    Attributes
    ----------
    images : str
        Files, folders, patterns, and lists of them, joined by `SEPARATOR`.
    out : str
        Folder for the results.
    model : str
    stacks : str
        One of `STACKS`.
    plane : int
        Index for the choices in `SINGLE`.
    axes : str
        Overrides the axes in the files; empty to use those.
    scheduler : str
        Address of a Dask scheduler; empty for this computer.
    workers : int
        Number of processes to start on this computer; 0 to run in napari's own.
    into_image : bool
        Write labels into OME-Zarr images themselves.
    settings : SegmentSettings
    batch : BatchSettings
    """

    dock = "batch"

    images: str = ""
    out: str = ""
    model: str = AUTOMATIC
    stacks: str = AUTOMATIC_STACKS
    plane: int = 0
    axes: str = ""
    scheduler: str = ""
    workers: int = 0
    into_image: bool = False
    settings: SegmentSettings = field(default_factory=SegmentSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)

    @property
    def given(self) -> list[Path]:
        """The paths as given; `paths` expands lists."""
        return [Path(text.strip()).expanduser() for text in self.images.split(SEPARATOR.strip()) if text.strip()]

    def paths(self) -> list[Path]:
        """Return files, folders and patterns, with lists expanded.

        Raises
        ------
        ImageFileError
            If a list cannot be read.
        """
        parts = [read_list(path) if path.suffix.lower() in LIST_SUFFIXES else [path] for path in self.given]
        return [absolute(path) for part in parts for path in part]

    @property
    def folder(self) -> Path:
        """Folder for the results."""
        return Path(self.out).expanduser().absolute()

    @property
    def template(self) -> RequestTemplate:
        """The request for every image."""
        plane = {SINGLE[self.stacks]: self.plane} if self.stacks in SINGLE else {}
        settings = self.settings.changed(planes=STACKS[self.stacks])
        return RequestTemplate(settings, self.model, self.axes, plane)


def templates_folder() -> Path:
    """Return the folder of templates; the environment variable ``NAPARI_UNET_NUCLEI_TEMPLATES`` overrides it."""
    own = os.environ.get(FOLDER_VARIABLE)
    return Path(own) if own else user_data_path("napari-unet-nuclei", appauthor=False) / "templates"


def template_names() -> list[str]:
    """List the names of all templates."""
    return sorted((path.stem for path in templates_folder().glob(f"*{TEMPLATE_ENDING}")), key=str.casefold)


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
    if not TEMPLATE_NAME.fullmatch(name) or name.endswith((".", " ")):
        raise SettingsError(
            f"'{name}' cannot be a template's name: start with a letter or a digit, followed by letters, digits, "
            "blanks, '.', '_' and '-', at most 60 in all."
        )
    return templates_folder() / f"{name}{TEMPLATE_ENDING}"


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

    def refresh(self, name: str = NO_TEMPLATE) -> None:
        """List the templates again, and show one."""
        fill(self.box, {NO_TEMPLATE: "none", **{one: one for one in template_names()}}, name)
        self.remove_button.setEnabled(self.box.currentData() != NO_TEMPLATE)

    def _choose(self) -> None:
        name = str(self.box.currentData())
        self.remove_button.setEnabled(name != NO_TEMPLATE)
        if name != NO_TEMPLATE:
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

"""Settings of folder runs under names of the user's, to be chosen again; images and results are no part of them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from platformdirs import user_data_path

from napari_unet_nuclei.core.errors import OutputFileError, SettingsError
from napari_unet_nuclei.core.files.atomic import atomic, remedy
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.gui.batch.choices import BatchChoices
from napari_unet_nuclei.gui.settings.remembered import choices_of, values_of

FOLDER_VARIABLE = "NAPARI_UNET_NUCLEI_TEMPLATES"
ENDING = ".json"

OF_ONE_RUN = ("images", "out")
"""Choices that a template leaves as they are."""

NAME = re.compile(r"[A-Za-z0-9][\w .-]{0,59}")
"""What may be a name: it is a file name on every system."""


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

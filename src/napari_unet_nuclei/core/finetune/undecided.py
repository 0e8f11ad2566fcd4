"""New models that the user has neither kept nor discarded, stored on disk so that closing the window loses none.

::

    undecided/<name>-<hash>/
        model.safetensors   the new model
        report.html         old and new model side by side
        changed-<n>.png     nuclei that changed: as corrected, by the old model, by the new model
        result.json         facts for the decision; see `Result`
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.files.atomic import atomic, remove_remains
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.core.model.card import read_card
from napari_unet_nuclei.core.model.registry import ModelEntry, ModelRegistry

MODEL, REPORT, RESULT = "model.safetensors", "report.html", "result.json"
"""Names of the files."""


class ComparisonTable(BaseModel):
    """Figures of old and new model on the same nuclei."""

    model_config = ConfigDict(frozen=True)

    title: str  # names the nuclei
    nuclei: int
    outcome: str  # "better", "worse", "no clear difference" or "too little to tell"
    rows: tuple[tuple[str, str, str], ...]  # name of the figure, old model, new model


class Result(BaseModel):
    """Facts for deciding whether to keep a new model."""

    model_config = ConfigDict(frozen=True)

    name: str  # of the new model
    base: str  # name of the old model
    made: str  # time (UTC), ISO 8601
    sentence: str  # which model is better and by how much
    facts: dict[str, str]  # how the new model was made
    comparisons: tuple[ComparisonTable, ...]  # that on held-out nuclei first
    changed: tuple[str, ...] = ()  # what changed about each nucleus that has a picture

    @property
    def worse(self) -> tuple[str, ...]:
        """Titles of the comparisons in which the new model is worse."""
        return tuple(one.title for one in self.comparisons if one.outcome == "worse")


@dataclass(frozen=True)
class Undecided:
    """A new model on disk."""

    folder: Path
    result: Result

    @property
    def report(self) -> Path:
        """Path of the HTML report."""
        return self.folder / REPORT

    @property
    def pictures(self) -> tuple[Path, ...]:
        """Paths of the pictures of changed nuclei, in the order of ``result.changed``."""
        return tuple(self.folder / picture_name(number) for number in range(len(self.result.changed)))


def picture_name(number: int) -> str:
    """Return the file name of the picture of a changed nucleus."""
    return f"changed-{number}.png"


def undecided_folder(corrections: Path) -> Path:
    """Return the folder of undecided models, inside the folder of corrections."""
    return corrections / "undecided"


def list_undecided(folder: Path) -> tuple[Undecided, ...]:
    """List the undecided models, the latest first; damaged ones are skipped."""
    found = []
    for path in folder.glob(f"[!.]*/{RESULT}"):  # folders with a leading dot are still being written
        try:
            result = Result.model_validate(read_json(path))
        # One damaged result, as after a full disk, must not hide the others.
        except (OSError, ValueError):
            continue
        if (path.parent / MODEL).is_file():
            found.append(Undecided(path.parent, result))
    return tuple(sorted(found, key=lambda one: one.result.made, reverse=True))


def keep(undecided: Undecided, registry: ModelRegistry) -> ModelEntry:
    """Install a new model and its report among the user's models; append a number if its name is taken.

    Raises `ModelFileError` or `OutputFileError` if that fails; the model stays undecided, and can be kept once more.
    """
    model = undecided.folder / MODEL
    # An attempt before may have been interrupted when the model was installed.
    weights = read_card(model).weights_hash
    installed = (one for one in registry.list() if not one.bundled and one.card.weights_hash == weights)
    entry = next(installed, None) or registry.add(model, registry.free_name(undecided.result.name))
    try:
        if undecided.report.is_file():
            report = entry.path.with_suffix(".report.html")
            remove_remains([report])
            with atomic(report) as partial:
                shutil.copyfile(undecided.report, partial)
    except OutputFileError:
        registry.remove(entry.name)  # else its name would be taken when it is kept once more
        raise
    discard(undecided)
    return entry


def discard(undecided: Undecided) -> None:
    """Delete a new model with its folder."""
    (undecided.folder / RESULT).unlink(missing_ok=True)  # first, so that it is never offered again
    shutil.rmtree(undecided.folder, ignore_errors=True)

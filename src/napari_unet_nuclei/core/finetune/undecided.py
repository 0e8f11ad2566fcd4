"""New models that nobody has kept or discarded yet: they wait on disk, so that closing a window loses none.

::

    undecided/<name>-<hash>/
        model.safetensors   the new model
        report.html         old and new model side by side
        changed-<n>.png     nuclei that changed: as corrected, as the old model and as the new one finds them
        result.json         what a person needs to decide; see `Result`
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.model.registry import ModelEntry, ModelRegistry

MODEL, REPORT, RESULT = "model.safetensors", "report.html", "result.json"
"""Names of the files."""


class Comparison(BaseModel):
    """Figures of old and new model on the same nuclei.

    Attributes
    ----------
    title : str
        Which nuclei.
    nuclei : int
    outcome : str
        "better", "worse", "no clear difference" or "too little to tell".
    rows : tuple of (str, str, str)
        Name of the figure, old model, new model.
    """

    model_config = ConfigDict(frozen=True)

    title: str
    nuclei: int
    outcome: str
    rows: tuple[tuple[str, str, str], ...]


class Result(BaseModel):
    """What a person needs to decide whether to keep a new model.

    Attributes
    ----------
    name, base : str
        New and old model.
    made : str
        Time (UTC), ISO 8601.
    sentence : str
        Which is better and by how much.
    facts : dict of str to str
        How the new one came about, by name.
    comparisons : tuple of Comparison
        The held-out nuclei first.
    changed : tuple of str
        What became of each nucleus of which there is a picture.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    base: str
    made: str
    sentence: str
    facts: dict[str, str]
    comparisons: tuple[Comparison, ...]
    changed: tuple[str, ...] = ()

    @property
    def worse(self) -> tuple[str, ...]:
        """Titles of the comparisons in which the new model is worse."""
        return tuple(one.title for one in self.comparisons if one.outcome == "worse")


@dataclass(frozen=True)
class Undecided:
    """A new model on disk.

    Attributes
    ----------
    folder : Path
    result : Result
    """

    folder: Path
    result: Result

    @property
    def report(self) -> Path:
        """The HTML page."""
        return self.folder / REPORT

    @property
    def pictures(self) -> tuple[Path, ...]:
        """Nuclei that changed, in the order of ``result.changed``."""
        return tuple(self.folder / picture_name(number) for number in range(len(self.result.changed)))


def picture_name(number: int) -> str:
    """Name of the picture of a changed nucleus."""
    return f"changed-{number}.png"


def undecided_folder(corrections: Path) -> Path:
    """Return where new models wait, beside the corrections that they learnt from."""
    return corrections / "undecided"


def list_undecided(folder: Path) -> tuple[Undecided, ...]:
    """List the new models that wait for a decision, the latest first; what is damaged is passed over."""
    found = []
    for path in folder.glob(f"[!.]*/{RESULT}"):  # a dot hides what is still being written
        try:
            result = Result.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError, ValidationError):
            continue
        if (path.parent / MODEL).is_file():
            found.append(Undecided(path.parent, result))
    return tuple(sorted(found, key=lambda one: one.result.made, reverse=True))


def keep(undecided: Undecided, registry: ModelRegistry) -> ModelEntry:
    """Put a new model among the user's, with its report beside it; where its name is taken meanwhile, with a number.

    Raises
    ------
    ModelFileError, OutputFileError
        If that fails; the model goes on waiting then.
    """
    model = undecided.folder / MODEL
    entry = registry.add(model, registry.free_name(undecided.result.name))
    try:
        if undecided.report.is_file():
            with atomic(entry.path.with_suffix(".report.html")) as partial:
                shutil.copyfile(undecided.report, partial)
    except OutputFileError:
        registry.remove(entry.name)  # else it would be kept a second time when that is tried again
        raise
    discard(undecided)
    return entry


def discard(undecided: Undecided) -> None:
    """Delete a new model and all that belongs to it."""
    (undecided.folder / RESULT).unlink(missing_ok=True)  # from now on nobody is asked again
    shutil.rmtree(undecided.folder, ignore_errors=True)

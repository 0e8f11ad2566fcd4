"""Notes that a run keeps of every image, so that the next one knows what is done, however the first one ended.

The note stands before anything is written (then it says: under way) and is completed after everything is. A result
without a note is somebody else's and is never overwritten by mistake.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.core.folder.plan import RECORDS, PlannedFile, image_title, short_title
from napari_unet_nuclei.core.image.io.write import write_json
from napari_unet_nuclei.core.image.plates import PlateField

Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class FileRecord:
    """Outcome of one image: a row of the summary.

    Attributes
    ----------
    image, labels, table : str
        Paths; labels and table are empty where the image failed or has none.
    series : int
        Which of the images in the file.
    part : str
        What the image is called among those of its file or store; empty if it is the only one.
    nuclei, classes : int
        One of them is 0: a model finds nuclei or classes.
    median_area_px, median_area_um2 : float or None
        None where there is no nucleus, or no pixel size.
    diameter_px : float
        Typical nucleus diameter that the image was rescaled by.
    channel, model, device, precision : str
        Precision is the number format that the network was run in.
    kind : str
        Of image, as `SegmentResult` says it; empty for classes.
    image_hash, model_hash : str
        SHA-256 of the image's file and of the model's weights.
    seconds : float
    notices : tuple of str
    warnings : tuple of str
        What is doubtful about the result, with the remedy: these images are worth a look.
    error : str
        Why it failed; empty where it did not.
    skipped : bool
        It was done by an earlier run.
    thumbnail : str
        Path of a small picture with the outlines, for the report.
    origin : tuple of int
        Index in the image of the first pixel of the labels, along their axes.
    gate : str
        Which nuclei count as positive; empty for no gate.
    positive : int or None
        How many are; None where that was not asked, or cannot be told of this image.
    told_by : str
        SHA-256 of the file of classes of nuclei; empty for none.
    class_counts : mapping of str to int, or None
        How many nuclei each class has; None where that was not asked, or cannot be told of this image.
    place : PlateField or None
        Where on a plate the image was taken.
    counted : str
        What was counted: "8 nuclei in 51 planes".
    words : str
        The image as it was understood: "2 channels: DAPI, GFP · 0.325 µm · 512 × 512 px".
    tracks, divisions : int or None
        Of nuclei that were followed over time; None where that was not asked, or there is no time.
    """

    image: str
    labels: str = ""
    table: str = ""
    nuclei: int = 0
    classes: int = 0
    median_area_px: float | None = None
    median_area_um2: float | None = None
    diameter_px: float = 0.0
    channel: str = ""
    model: str = ""
    device: str = ""
    precision: str = ""
    image_hash: str = ""
    model_hash: str = ""
    seconds: float = 0.0
    notices: tuple[str, ...] = ()
    error: str = ""
    skipped: bool = False
    thumbnail: str = ""
    origin: tuple[int, ...] = ()
    kind: str = ""
    warnings: tuple[str, ...] = ()
    gate: str = ""
    positive: int | None = None
    tracks: int | None = None
    divisions: int | None = None
    series: int = 0
    part: str = ""
    place: PlateField | None = None
    counted: str = ""
    words: str = ""
    told_by: str = ""
    class_counts: Mapping[str, int] | None = None

    @property
    def title(self) -> str:
        """The image's path, and which of the file's images it is."""
        return image_title(self.image, self.part)

    @property
    def short_title(self) -> str:
        """The same with the name of the file alone."""
        return short_title(self.image, self.part)

    @property
    def status(self) -> Status:
        """Done, skipped or failed."""
        if self.error:
            return "failed"
        return "skipped" if self.skipped else "done"

    @property
    def message(self) -> str:
        """Why it failed, or what the user should know."""
        return self.error or " ".join(self.notices)

    @property
    def warning(self) -> str:
        """What is doubtful, and what to try."""
        return " ".join(self.warnings)

    @property
    def positive_percent(self) -> float | None:
        """Share of the nuclei that are positive, in percent; None where that is not known, or there is no nucleus."""
        if self.positive is None or not self.nuclei:
            return None
        return _percent(self.positive, self.nuclei)

    @property
    def class_columns(self) -> dict[str, int | float | None]:
        """Number and share in percent of each class of nuclei, by the names of their columns; none where untold."""
        return class_columns(self.class_counts or {})

    @property
    def urgency(self) -> int:
        """0 where all is well, 1 where the result is doubtful, 2 where there is none."""
        return 2 if self.error else int(bool(self.warnings))


def class_columns(counts: Mapping[str, int]) -> dict[str, int | float | None]:
    """Return number and share in percent of each class of nuclei, by the names of their columns.

    Examples
    --------
    >>> class_columns({"round": 1, "long": 3})
    {'class_round': 1, 'class_round_percent': 25.0, 'class_long': 3, 'class_long_percent': 75.0}
    """
    nuclei = sum(counts.values())
    columns: dict[str, int | float | None] = {}
    for name, number in counts.items():
        columns |= {f"class_{name}": number, f"class_{name}_percent": _percent(number, nuclei)}
    return columns


def _percent(number: int, nuclei: int) -> float | None:
    return round(100 * number / nuclei, 2) if nuclei else None


def without_path(message: str, image: str) -> str:
    """Remove the image's path from a message that stands in that image's row."""
    return message.removeprefix(image).lstrip(": ")


@dataclass(frozen=True)
class Note:
    """Note of an image, whose path may have been another one at the time.

    Attributes
    ----------
    outputs : dict of str to str
        Path of every result relative to the run's folder, by its kind.
    labels_hash : str
        Of the labels as they were written; empty while they are under way.
    around : dict
        Which surroundings of the nuclei are in the table; empty for none.
    record : FileRecord or None
        None while the image is under way.
    """

    image: str
    image_hash: str
    request_hash: str
    outputs: Mapping[str, str]
    labels_hash: str = ""
    record: FileRecord | None = None
    around: Mapping[str, Any] = field(default_factory=dict)


def read_note(planned: PlannedFile) -> Note | None:
    """Read the note of an image; None where there is none, or none that can be understood."""
    try:
        values = read_json(planned.record(".json"))
        found = values.pop("record")
        record = None
        if found is not None:
            # JSON has lists only; a record compares equal to a new one if it has tuples.
            found |= {name: tuple(found[name]) for name in ("notices", "origin", "warnings")}
            place = found.pop("place", None)
            record = _checked(FileRecord(**found, place=None if place is None else PlateField(**place)))
        note = _checked(Note(**values, record=record))
        if not all(isinstance(path, str) for path in note.outputs.values()):
            raise TypeError("outputs")
        return note
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None  # of an earlier version, or damaged: the image is done again, and nothing of it overwritten


_TYPES: dict[str, tuple[type, ...]] = {
    "float": (int, float),
    "float | None": (int, float, type(None)),
    "int | None": (int, type(None)),
}
_TYPES |= {"str": (str,), "int": (int,), "bool": (bool,), "Mapping[str, str]": (dict,), "Mapping[str, Any]": (dict,)}
_TYPES |= {"Mapping[str, int] | None": (dict, type(None))}
"""Types that the fields of a note may have, by how they are written here; other fields were made above."""

Described = TypeVar("Described", FileRecord, Note)


def _checked(described: Described) -> Described:
    """Return what a note says; raise TypeError if its fields are of other types."""
    for one in dataclasses.fields(described):
        if not isinstance(getattr(described, one.name), _TYPES.get(str(one.type), (object,))):
            raise TypeError(one.name)
    return described


def write_note(planned: PlannedFile, note: Note) -> None:
    """Write the note of an image, and flush it to the disk: cut by a power cut, it would say nothing."""
    write_json(planned.record(".json"), dataclasses.asdict(note))
    settle({"note": planned.record(".json")})


def all_there(planned: PlannedFile, outputs: Mapping[str, str]) -> bool:
    """Return True if all outputs exist and none is empty, as files may be after a power cut."""
    paths = [planned.out / path for path in outputs.values()]
    return all(path.is_dir() or (path.is_file() and path.stat().st_size > 0) for path in paths)


def settle(paths: Mapping[str, Path]) -> None:
    """Flush files to the disk, so that no note of them outlives them in a power cut."""
    for path in paths.values():
        for part in (path,) if path.is_file() else sorted(path.rglob("*")):
            if part.is_file():
                try:
                    # Writable, which Windows asks for; errors that the system had postponed come up here.
                    with part.open("rb+") as file:
                        os.fsync(file.fileno())
                except OSError as error:
                    raise OutputFileError(f"{part} was not written: {error.strerror or error}.") from error


def remove_half_noted(out: Path) -> None:
    """Remove what a killed run left of its notes; call it while nothing else writes them."""
    for remains in (out / RECORDS).rglob(".*.part*"):
        remains.unlink(missing_ok=True)

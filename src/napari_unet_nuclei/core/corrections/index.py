"""The index of saved corrections: JSON that other programs can read, validated before it is used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_unet_nuclei.core.errors import DatasetError
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.core.image.io.write import write_json
from napari_unet_nuclei.core.settings_base import first_problem

INDEX = "index.json"
IMAGES, LABELS, REVIEWED = "images", "labels", "reviewed"
"""Folders next to the index."""

VERSION = 1

ABOUT = (
    "Corrected nuclei. Every correction is one plane: image, labels (ids of nuclei, 0 is background) and reviewed "
    "(255 where the labels can be trusted) are TIFF files of the same name. Lengths are in pixels, pixel sizes (y, x) "
    "in micrometres (0 where unknown), accepted are ids of nuclei that were checked and found right."
)

_HASH_LETTERS = 12

FILE = r"[^./\\:][^/\\:]*\.tif"
"""Pattern of the name of a correction's file."""


def _file(folder: str) -> Any:
    """Return the field of a file path; the pattern keeps a foreign index from pointing outside its folder."""
    return Field(pattern=rf"^{folder}/{FILE}$", max_length=255)


class CorrectionEntry(BaseModel):
    """One correction in the index; files are relative to the index."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1, max_length=10_000)  # as the user knows it
    image: str = _file(IMAGES)
    labels: str = _file(LABELS)
    reviewed: str = _file(REVIEWED)
    axes: Literal["YX", "CYX", "YXS"]  # of the image
    shape: tuple[int, ...] = Field(min_length=2, max_length=3)  # of the image, along ``axes``
    pixel_size_um: tuple[float, float] = (0.0, 0.0)  # (Y, X); 0 where unknown
    origin: tuple[int, int] = (0, 0)  # (Y, X) of the first pixel in the original plane
    channel: int | None = None  # channel that shows the nuclei; None where unknown
    accepted: tuple[int, ...] = ()  # ids that the user accepted
    image_hash: str = ""  # SHA-256 of the image's dtype, shape and pixels
    provenance: dict[str, Any] = Field(default_factory=dict)  # model, its hash, settings
    saved: str = ""  # time (UTC), ISO 8601

    @property
    def files(self) -> tuple[str, str, str]:
        """Paths of image, labels and reviewed region, relative to the index."""
        return self.image, self.labels, self.reviewed


def read_index(folder: Path) -> list[CorrectionEntry]:
    """Read all entries; none where there is no index.

    Raise DatasetError if the index cannot be read, or is of another version; the file stays as it is.
    """
    path = folder / INDEX
    try:
        if not path.exists():
            return []
        stored = read_json(path)
        if not isinstance(stored, dict) or not isinstance(stored.get("corrections"), list):
            raise ValueError("it has no list of corrections")
        if stored.get("version") != VERSION:
            raise ValueError(f"it has version {stored.get('version')}, but this program reads version {VERSION}")
        return [CorrectionEntry.model_validate(one) for one in stored["corrections"]]
    except (OSError, ValueError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise DatasetError(
            f"The list of corrections {path} cannot be used: {reason}. The file was left as it is: update the program, "
            "or move the file away to start a new list; the saved corrections stay in their folders."
        ) from error


def write_index(folder: Path, entries: Sequence[CorrectionEntry]) -> None:
    """Replace the index.

    Raise OutputFileError if it cannot be written; the old index stays.
    """
    # Sorted, so that a save changes little of the file, whatever its order.
    listed = [entry.model_dump() for entry in sorted(entries, key=lambda entry: entry.name)]
    write_json(folder / INDEX, {"version": VERSION, "about": ABOUT, "corrections": listed})


def file_stem(name: str, digest: str) -> str:
    """Name of the files of a correction: what any file system takes of its name, and some of a hash.

    Examples
    --------
    >>> file_stem("DAPI/well B:3.tif [t=4]", "0123456789abcdef")
    'DAPI_well_B_3_tif_t_4-0123456789ab'
    """
    # Shortened, since file systems limit the length of names, and `atomic` adds to it.
    plain = re.sub(r"[^0-9A-Za-z-]+", "_", name).strip("_-")[:60] or "image"
    return f"{plain}-{digest[:_HASH_LETTERS]}"

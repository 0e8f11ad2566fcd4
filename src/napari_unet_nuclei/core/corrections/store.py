"""Corrections on disk: a small data set that survives the viewer and can train models.

::

    index.json            all corrections; see `CorrectionEntry` for the fields
    images/<file>.tif     one plane as it was shown: (Y, X), (C, Y, X) or (Y, X, S), in its own dtype
    labels/<file>.tif     ids of nuclei (Y, X), int32, or uint32 or int64 where ids need it, 0 is background
    reviewed/<file>.tif   255 where the labels can be trusted, 0 elsewhere (Y, X), uint8

Files of one correction have the same name, so the folders also train models without the index. The name contains a hash
of the contents: saving a changed correction writes new files, then points the index to them, and only then deletes the
old ones. If saving is interrupted at any moment, the index still points to complete files that belong together, and the
next save deletes what was left: a change first notes the files that it adds and deletes (``.pending.json``). Only what
is noted is ever deleted, since other files may be corrections of an index that its user has moved away because it was
damaged. A lock (``index.lock``) makes windows and programs that save at the same time wait for each other.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import tifffile
from platformdirs import user_data_path
from pydantic import BaseModel, Field

from napari_unet_nuclei.core.corrections.correction import Correction, checked, hash_image, hash_of
from napari_unet_nuclei.core.corrections.index import (
    FILE,
    IMAGES,
    INDEX,
    LABELS,
    REVIEWED,
    CorrectionEntry,
    file_stem,
    read_index,
    write_index,
)
from napari_unet_nuclei.core.errors import DatasetError, ImageFileError, ImageShapeError
from napari_unet_nuclei.core.files.atomic import atomic, half_written, remove_remains
from napari_unet_nuclei.core.files.lock import locked
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.io.tiff.metadata import PIXEL_SIZE_KEY
from napari_unet_nuclei.core.image.io.write import write_json, write_labels
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.numbering import as_ids

FOLDER_VARIABLE = "NAPARI_UNET_NUCLEI_CORRECTIONS"

PENDING = ".pending.json"
"""Note of the files that a change is about to add or delete."""


def corrections_folder() -> Path:
    """Return the folder of corrections; the environment variable ``NAPARI_UNET_NUCLEI_CORRECTIONS`` overrides it."""
    own = os.environ.get(FOLDER_VARIABLE)
    return Path(own) if own else user_data_path("napari-unet-nuclei", appauthor=False) / "corrections"


def save_correction(folder: Path, correction: Correction) -> CorrectionEntry:
    """Save a correction, in place of an earlier one of the same name. Saving it unchanged updates only the time.

    Raise ImageShapeError if image, labels and reviewed region do not fit together; OutputFileError if a file cannot be
    written, which leaves earlier corrections as they were; DatasetError if the existing index cannot be read, after the
    files of the correction have been written.
    """
    correction = checked(correction)
    stem = file_stem(correction.name, hash_of(correction))
    entry = CorrectionEntry(
        name=correction.name,
        image=f"{IMAGES}/{stem}.tif",
        labels=f"{LABELS}/{stem}.tif",
        reviewed=f"{REVIEWED}/{stem}.tif",
        axes=correction.axes,
        shape=tuple(correction.image.shape),
        pixel_size_um=(correction.pixel_size.y, correction.pixel_size.x),
        origin=correction.origin,
        channel=correction.channel,
        accepted=tuple(sorted(set(correction.accepted))),
        image_hash=hash_image(correction.image),
        provenance=dict(correction.provenance),
        saved=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with locked(folder):
        try:
            settle_pending(folder)
            before = read_index(folder)
        except DatasetError:
            # An unreadable index does not cost the user the files.
            forget_pending(folder)
            _write_files(folder, entry, correction)
            raise
        replaced = [file for other in before if other.name == entry.name for file in other.files]
        note_pending(folder, [*entry.files, *replaced])
        try:
            _write_files(folder, entry, correction)
            write_index(folder, [*(other for other in before if other.name != entry.name), entry])
        finally:
            settle_pending(folder)
    return entry


def list_corrections(folder: Path) -> tuple[CorrectionEntry, ...]:
    """List all corrections by name; none if the folder does not exist.

    Raise DatasetError if the index cannot be read.
    """
    return tuple(sorted(read_index(folder), key=lambda entry: entry.name))


def read_correction(folder: Path, name: str) -> Correction:
    """Read one correction.

    Raise DatasetError if there is no such correction, or one of its files is missing, damaged or does not fit the
    others.
    """
    entry = _find(folder, name)
    try:
        image, labels, reviewed = (read_image(folder / file) for file in entry.files)
        ids = as_ids(labels.array)
        # int32 wherever it suffices: the dtype that napari and the decoder use.
        kind = next(kind for kind in (np.int32, np.uint32, np.int64) if ids.max(initial=0) <= np.iinfo(kind).max)
        return checked(
            Correction(
                name=entry.name,
                image=np.asarray(image.array).reshape(entry.shape),
                axes=entry.axes,
                labels=ids.astype(kind),
                reviewed=np.asarray(reviewed.array) > 0,
                accepted=entry.accepted,
                pixel_size=PixelSize(*entry.pixel_size_um),
                origin=entry.origin,
                channel=entry.channel,
                provenance=entry.provenance,
            )
        )
    except (ImageFileError, ImageShapeError, ValueError) as error:
        raise DatasetError(f"The correction '{name}' in {folder} cannot be used: {error}") from error


def remove_correction(folder: Path, name: str) -> None:
    """Delete one correction and its files.

    Raise DatasetError if there is no such correction; OutputFileError if the index cannot be written.
    """
    with locked(folder):
        settle_pending(folder)
        entry = _find(folder, name)
        note_pending(folder, entry.files)
        try:
            write_index(folder, [other for other in read_index(folder) if other.name != entry.name])
        finally:
            settle_pending(folder)


def _find(folder: Path, name: str) -> CorrectionEntry:
    entries = read_index(folder)
    for entry in entries:
        if entry.name == name:
            return entry
    raise DatasetError(f"{folder} has no correction '{name}'. It has {len(entries)} others.")


def _write_files(folder: Path, entry: CorrectionEntry, correction: Correction) -> None:
    """Write all three files under hidden names, and rename them once all are complete."""
    # Names contain a hash of the contents: a file that exists is this one.
    if all((folder / name).is_file() for name in entry.files):
        return
    sizes = asdict(correction.pixel_size)
    with ExitStack() as stack:
        image, labels, reviewed = (stack.enter_context(atomic(folder / name)) for name in entry.files)
        pixels = np.asarray(correction.image)
        tifffile.imwrite(
            image,
            # As bytes, since few programs read single bits.
            pixels.astype(np.uint8) if pixels.dtype == bool else pixels,
            photometric="rgb" if "S" in correction.axes else "minisblack",
            compression="zlib",
            metadata={"axes": correction.axes, PIXEL_SIZE_KEY: sizes},
        )
        write_labels(
            labels,
            correction.labels,
            axes="YX",
            pixel_size=correction.pixel_size,
            provenance=correction.provenance,
        )
        mask = np.where(correction.reviewed, np.uint8(255), np.uint8(0))
        tifffile.imwrite(reviewed, mask, photometric="minisblack", compression="zlib", metadata={"axes": "YX"})


class _Note(BaseModel):
    # The pattern keeps a foreign note from deleting files outside its folder.
    files: list[Annotated[str, Field(pattern=rf"^({IMAGES}|{LABELS}|{REVIEWED})/{FILE}$", max_length=255)]]


def note_pending(folder: Path, files: Sequence[str]) -> None:
    """Note files that are about to be added or deleted, relative to the index; the folder is locked.

    Raise OutputFileError if the note cannot be written.
    """
    write_json(folder / PENDING, {"files": list(files)})


def settle_pending(folder: Path) -> None:
    """Delete noted files that the index does not name, and what a kill left half-written; the folder is locked.

    Raise DatasetError if the index cannot be read: nothing that is complete is deleted.
    """
    remove_remains((folder / INDEX, folder / PENDING))
    for kind in (IMAGES, LABELS, REVIEWED):
        _delete(half_written(folder / kind, ".tif"))
    try:
        files = _Note.model_validate(read_json(folder / PENDING)).files
    except (OSError, ValueError):  # there is none, or none that can be believed
        files = []
    if files and (folder / INDEX).exists():
        kept = {file for entry in read_index(folder) for file in entry.files}
        _delete([folder / file for file in files if file not in kept])
    forget_pending(folder)


def forget_pending(folder: Path) -> None:
    """Delete the note alone."""
    _delete([folder / PENDING])


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):  # open in another program; the leftover does no harm
            path.unlink(missing_ok=True)

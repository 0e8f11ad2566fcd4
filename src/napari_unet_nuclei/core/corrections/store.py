"""Corrections as a small data set on disk, so that an hour of work outlives the viewer and trains models later.

::

    index.json            what there is; see `CorrectionEntry` for the fields
    images/<file>.tif     one plane as it was shown: (Y, X), (C, Y, X) or (Y, X, S), in its own dtype
    labels/<file>.tif     ids of nuclei (Y, X), int32 or uint32, 0 is background
    reviewed/<file>.tif   255 where the labels can be trusted, 0 elsewhere (Y, X), uint8

Files that belong together have the same name, so that the folders train models without the index too. A name contains a
hash of what the files hold: a correction that is saved again gets new files, the index then points to them, and only
then do the old ones go. Whatever ends the saving, the index points to whole files that fit together. A lock beside it
(``index.lock``) lets windows and programs that save at once wait for each other.
"""

from __future__ import annotations

import contextlib
import os
import time
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import tifffile
from platformdirs import user_data_path

from napari_unet_nuclei.core.corrections.correction import Correction, checked, hash_image, hash_of
from napari_unet_nuclei.core.corrections.index import (
    IMAGES,
    LABELS,
    REVIEWED,
    CorrectionEntry,
    file_stem,
    own_files,
    read_index,
    write_index,
)
from napari_unet_nuclei.core.errors import DatasetError, ImageFileError, ImageShapeError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.files.lock import locked
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.io.tiff_metadata import PIXEL_SIZE_KEY
from napari_unet_nuclei.core.image.io.write import write_labels
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.numbering import as_ids

FOLDER_VARIABLE = "NAPARI_UNET_NUCLEI_CORRECTIONS"

LEFT_OVER = 3600.0
"""Files without an entry that are older than this many seconds are remains of a saving that was killed."""


def corrections_folder() -> Path:
    """Return where corrections are kept; the environment variable ``NAPARI_UNET_NUCLEI_CORRECTIONS`` moves it."""
    own = os.environ.get(FOLDER_VARIABLE)
    return Path(own) if own else user_data_path("napari-unet-nuclei", appauthor=False) / "corrections"


def save_correction(folder: Path, correction: Correction) -> CorrectionEntry:
    """Save a correction; one of the same name gives way to it, and saving the same again changes nothing but the time.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.
    correction : Correction

    Raises
    ------
    ImageShapeError
        If image, labels and reviewed region do not fit together.
    OutputFileError
        If a file cannot be written: the disk is full, the folder is not yours, another program does not let go of it.
        What was saved before is as it was.
    DatasetError
        If the index that is there cannot be read; the correction's own files are written all the same.
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
        if not all((folder / name).is_file() for name in entry.files):
            _write_files(folder, entry, correction)
        before = read_index(folder)
        write_index(folder, [*(other for other in before if other.name != entry.name), entry])
        _sweep(folder, before)
    return entry


def list_corrections(folder: Path) -> tuple[CorrectionEntry, ...]:
    """List what was saved, by name; nothing where there is no such folder.

    Raises
    ------
    DatasetError
        If the index cannot be read.
    """
    return tuple(sorted(read_index(folder), key=lambda entry: entry.name))


def read_correction(folder: Path, name: str) -> Correction:
    """Read one correction.

    Raises
    ------
    DatasetError
        If there is none of that name, or a file of it is missing, damaged, or does not fit the others.
    """
    entry = _find(folder, name)
    try:
        image, labels, reviewed = (read_image(folder / file) for file in entry.files)
        ids = as_ids(labels.array)
        kind = np.int32 if ids.max(initial=0) <= np.iinfo(np.int32).max else np.uint32
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
    """Forget one correction and delete its files.

    Raises
    ------
    DatasetError
        If there is none of that name.
    OutputFileError
        If the index cannot be written.
    """
    with locked(folder):
        entry = _find(folder, name)
        write_index(folder, [other for other in read_index(folder) if other.name != entry.name])
        _delete([folder / file for file in entry.files])


def _find(folder: Path, name: str) -> CorrectionEntry:
    entries = read_index(folder)
    for entry in entries:
        if entry.name == name:
            return entry
    raise DatasetError(f"{folder} has no correction '{name}'. It has {len(entries)} others.")


def _write_files(folder: Path, entry: CorrectionEntry, correction: Correction) -> None:
    """Write all three files under hidden names, and rename them when all are complete."""
    sizes = asdict(correction.pixel_size)
    with ExitStack() as stack:
        image, labels, reviewed = (stack.enter_context(atomic(folder / name)) for name in entry.files)
        pixels = np.asarray(correction.image)
        tifffile.imwrite(
            image,
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


def _sweep(folder: Path, before: list[CorrectionEntry]) -> None:
    """Delete files that the index named until now, and what a killed saving left, but nothing of the user's own."""
    kept = {folder / file for entry in read_index(folder) for file in entry.files}
    replaced = {folder / file for entry in before for file in entry.files} - kept
    oldest = time.time() - LEFT_OVER
    for path in own_files(folder):
        with contextlib.suppress(OSError):
            if path not in kept and path.stat().st_mtime < oldest:
                replaced.add(path)
    _delete(sorted(replaced))


def _delete(paths: list[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):  # open in another program: it is only of no more use
            path.unlink(missing_ok=True)

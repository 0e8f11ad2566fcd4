"""Tell whether the results of an image are still whole: power cuts cut files, spreadsheets save them anew.

What cannot be read any more is made again. What can be read, and is not as a run wrote it, is the user's and stays.
"""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.errors import TextFileError
from napari_unet_nuclei.core.files.tables import read_table
from napari_unet_nuclei.core.folder.record import FileRecord, Note
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.segment.fingerprint import hash_image

CHANGED = "The labels were changed after a run wrote them, and were left so: the numbers are from before."
"""Notice of an image whose labels somebody has corrected."""

_NAMES = frozenset({"label", "class"})
"""One of these columns every table of a run has."""


def changed_labels(path: Path, note: Note) -> bool:
    """Tell whether labels are not as they were written; False where that was not noted."""
    return bool(note.labels_hash) and os.path.exists(path) and hash_image(path) != note.labels_hash  # noqa: PTH110


def damaged_labels(path: Path, note: Note) -> bool:
    """Tell whether labels are not as they were written and cannot be read to their end, so that nothing is lost."""
    if not changed_labels(path, note):
        return False
    try:
        labels = read_image(path).array
        for plane in labels if labels.ndim > 2 else (labels,):  # of a long movie one after the other
            np.asarray(plane[...])
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # each decoder of a damaged file has errors of its own
        return True
    return False


def damaged_table(path: Path) -> bool:
    """Tell whether a table is not to be read as a run writes it: cut, empty, of other separators or no UTF-8."""
    try:
        with path.open("rb") as content:
            content.seek(-1, os.SEEK_END)
            if content.read() != b"\n":
                return True
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            head = next(lines, [])
            return _NAMES.isdisjoint(head) or any(len(line) != len(head) for line in lines)
    except (OSError, ValueError, csv.Error):
        return True


def what_is_damaged(record: FileRecord | None, labels: Path, table: Path, note: Note | None) -> str:
    """Say which results of an earlier run have to be made again; empty if none."""
    if record is None or note is None:
        return ""
    if damaged_labels(labels, note):
        return f"{labels.name} was damaged since an earlier run, and was made again."
    if os.path.exists(table) and damaged_table(table):  # noqa: PTH110  # `Path.exists` raises in a forbidden folder
        kept = set_aside_name(table)
        return f"{table.name} was damaged or saved in another form since an earlier run, and was made again" + (
            f"; what was there is now {kept.name}." if kept else "."
        )
    return ""


def set_aside_name(table: Path) -> Path | None:
    """Path that a table which people can still read is kept under; None where nothing is to be read in it."""
    try:
        columns = read_table(table).columns
    except TextFileError:
        return None
    return table.with_name(f"{table.stem}_before.csv") if len(columns) > 1 else None


def still_whole(record: FileRecord) -> FileRecord:
    """Return the record of an image as failed if its results were deleted or damaged while the run went on."""
    if record.error:
        return record
    again = "Start the same run again: it makes what is missing."
    for path in (record.labels, record.table):
        if not os.path.exists(path):  # noqa: PTH110  # `Path.exists` raises in a forbidden folder
            return replace(record, error=f"{path} was deleted while the run went on. {again}")
    if damaged_table(Path(record.table)):
        return replace(record, error=f"{record.table} is damaged. Delete it. {again}")
    return record

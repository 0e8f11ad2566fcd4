"""Marks the images of a run that were read as another kind than nearly all others: most often they were misread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.segment.remedy import odd_one_out

MOST = 0.75
"""Share of the images that must be of one kind for the others to be out of place: a folder of both kinds is no
mistake, and of three images none is."""


def mark_odd_kinds(records: Sequence[FileRecord]) -> list[FileRecord]:
    """Add a warning to the images of a kind that few others of a run are of.

    Parameters
    ----------
    records : sequence of FileRecord
        Of all images of a run, whose kinds were found out.
    """
    kinds = Counter(record.kind for record in records if record.kind)
    if not kinds:
        return list(records)
    usual, count = kinds.most_common(1)[0]
    if count < MOST * kinds.total():
        return list(records)
    return [record if record.kind in ("", usual) else _marked(record) for record in records]


def _marked(record: FileRecord) -> FileRecord:
    """Add the warning, unless the image has one that proposes the same."""
    if record.warnings:
        return record
    return replace(record, warnings=(odd_one_out(cast("ImageKind", record.kind)).text,))

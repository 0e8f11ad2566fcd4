"""Mark the images of a run whose number of nuclei is far from that of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.quantity import quantity

FEWEST_TO_COMPARE = 6
"""Images of a run below which none of them tells what is usual."""

FAR_OFF = 5.0
"""Ratio to the median above which a count is worth a look; a choice, with room for a dose that halves cells twice."""


def mark_far_off_counts(records: Sequence[FileRecord]) -> list[FileRecord]:
    """Add a warning to images with several times fewer or more nuclei than most of the run.

    Images without any have a warning of their own, and do not count for what is usual.
    """
    counts = [record.nuclei for record in records if record.nuclei and not record.error]
    if len(counts) < FEWEST_TO_COMPARE:
        return list(records)
    usual = median(counts)
    return [
        replace(record, warnings=(_warning(record.nuclei, usual),))
        if record.nuclei and not record.error and not record.warnings and _is_far_off(record.nuclei, usual)
        else record
        for record in records
    ]


def _is_far_off(count: int, usual: float) -> bool:
    return not usual / FAR_OFF <= count <= usual * FAR_OFF


def _warning(count: int, usual: float) -> str:
    return f"{quantity(count, 'nucleus', 'nuclei')}, where most images of this run have about {usual:,.0f}. Look at it."

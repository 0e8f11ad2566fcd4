"""A dry run's table of the files that make up each image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_unet_nuclei.core.folder.dry_run import Prospect

MOST_FILES = 4
"""Files of an image that are named; of more, the first and the last."""

HEADS = ("image", "plate", "well", "field", "parts", "files")


def grouping_lines(prospects: Sequence[Prospect]) -> list[str]:
    """Format the images that lie in several files, or on a plate, as a table; no line where there is none."""
    rows = [_row(one) for one in prospects if one.split or one.place]
    if not rows:
        return []
    # Columns that are empty throughout would only take room.
    kept = [place for place in range(len(HEADS)) if any(row[place] for row in rows)]
    table = [[row[place] for place in kept] for row in (HEADS, *rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(kept))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def _row(seen: Prospect) -> tuple[str, ...]:
    files = [path.name for path in seen.split.files] if seen.split else []
    if len(files) > MOST_FILES:
        files = [files[0], f"… {len(files)} files …", files[-1]]
    place = (seen.place.plate, seen.place.well, seen.place.field) if seen.place else ("", "", "")
    return Path(seen.image).name, *place, seen.split.parts if seen.split else "", ", ".join(files)

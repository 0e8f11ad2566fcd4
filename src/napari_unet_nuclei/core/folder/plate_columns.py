"""Columns of tables that say where on a plate nuclei are."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.image.plates import PLATE_COLUMNS, PlateField

if TYPE_CHECKING:
    import pandas as pd


def with_plate_columns(table: pd.DataFrame, place: PlateField | None) -> pd.DataFrame:
    """Return a table with the columns in front; as it is where the place is unknown."""
    if place is None:
        return table
    wider = table.copy()
    for number, (name, value) in enumerate(place.values.items()):
        wider.insert(number, name, value)
    return wider


def add_plate_columns(path: Path, place: PlateField) -> None:
    """Add the columns to a table on the disk that lacks them, line by line: it may be larger than memory."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        head = next(lines, [])
        if head[: len(PLATE_COLUMNS)] == list(PLATE_COLUMNS):
            return
        with atomic(path) as partial, partial.open("w", encoding="utf-8", newline="") as wider:
            writer = csv.writer(wider, lineterminator="\n")
            writer.writerow([*PLATE_COLUMNS, *head])
            writer.writerows([*place.values.values(), *line] for line in lines)

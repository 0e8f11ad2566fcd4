"""Gates in runs over files: which nuclei of an image are positive, told anew where only the gate has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.image.io.write import write_parquet, write_table
from napari_unet_nuclei.core.labels.measure.gate import POSITIVE, Gate
from napari_unet_nuclei.core.settings import BatchSettings

CANNOT_TELL = "No nuclei were gated. "
"""How the warning of an image begins whose table lacks a column."""


def gated(table: pd.DataFrame, record: FileRecord, gate: str) -> tuple[pd.DataFrame, FileRecord]:
    """Add the column of positive nuclei to the table of an image, and their number to its record.

    An image whose table lacks a column has a warning instead: its nuclei are found, and the other images are gated.
    """
    kept = tuple(warning for warning in record.warnings if not warning.startswith(CANNOT_TELL))
    table = table.drop(columns=POSITIVE, errors="ignore")
    record = replace(record, gate=gate, positive=None, warnings=kept)
    if not gate or record.classes:
        return table, record
    try:
        table = table.assign(**{POSITIVE: Gate.of(gate).holds(table)})
    except SettingsError as error:
        return table, replace(record, warnings=(*kept, f"{CANNOT_TELL}{error}"))
    return table, replace(record, positive=int(table[POSITIVE].sum()))


def gated_again(record: FileRecord, batch: BatchSettings, parquet: Path | None) -> FileRecord:
    """Gate an image that is done, of which the table lies on the disk, unless that was done by the same gate."""
    if record.gate == batch.gate:
        return record
    told, record = gated(pd.read_csv(record.table), record, batch.gate)
    # The other columns as they stand: numbers that are read and written may differ in the last digit.
    table = pd.read_csv(record.table, dtype=str, keep_default_na=False).drop(columns=POSITIVE, errors="ignore")
    write_table(Path(record.table), table.assign(**{name: told[name] for name in (POSITIVE,) if name in told.columns}))
    if parquet is not None:
        write_parquet(parquet, Path(record.table))
    return record

"""The table of a plate's wells: what all fields of a well show together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from napari_unet_nuclei.core.folder.record import FileRecord, class_columns

WELL_COLUMNS = ("plate", "well", "row", "column")
"""What names a well."""

SIZES = ("area_px", "area_um2", "voxels", "volume_um3")
"""Columns of which the median is taken; those of volumes are there where stacks were segmented in three dimensions."""

MEAN = "_mean"
"""How the columns end that are averaged."""


def wells_table(records: Sequence[FileRecord]) -> pd.DataFrame:
    """Return a table with a row per well; without rows where no image was taken of a plate.

    Returns
    -------
    pandas.DataFrame
        - ``plate``, ``well``, ``row``, ``column``
        - ``fields`` that were segmented, ``failed`` ones, and ``nuclei`` in all of them
        - ``positive`` nuclei and ``positive_percent``, where a gate told them
        - ``class_<name>`` and ``class_<name>_percent`` of each class of nuclei, where they were told
        - ``median_area_px`` and ``median_area_um2`` of the nuclei; of volumes ``median_voxels``, ``median_volume_um3``
        - the mean over the nuclei of each column of the images' tables that ends in ``_mean``
    """
    wells: dict[tuple[str, ...], list[FileRecord]] = defaultdict(list)
    for record in records:
        if record.place is not None:
            wells[tuple(record.place.values[name] for name in WELL_COLUMNS)].append(record)
    rows = [dict(zip(WELL_COLUMNS, well, strict=True)) | _row(fields) for well, fields in wells.items()]
    return pd.DataFrame(rows).sort_values(["plate", "row", "column"], key=_as_people_count) if rows else pd.DataFrame()


def _row(fields: Sequence[FileRecord]) -> dict[str, object]:
    """What the fields of one well show."""
    done = [record for record in fields if not record.error]
    nuclei = sum(record.nuclei for record in done)
    told = [record for record in done if record.positive is not None]
    row: dict[str, object] = {"fields": len(done), "failed": len(fields) - len(done), "nuclei": nuclei}
    if told:
        positive, of = sum(record.positive or 0 for record in told), sum(record.nuclei for record in told)
        row |= {"positive": positive, "positive_percent": round(100 * positive / of, 2) if of else None}
    row |= class_columns(_summed([record.class_counts for record in done if record.class_counts is not None]))
    tables = [_measured(record) for record in done if record.nuclei]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    row |= {f"median_{name}": table[name].median() if name in table else np.nan for name in SIZES[:2]}
    row |= {f"median_{name}": table[name].median() for name in SIZES[2:] if name in table}
    return row | {name: round(table[name].mean(), 4) for name in table.columns if name.endswith(MEAN)}


def _summed(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Add up what was counted in several images."""
    names = dict.fromkeys(name for one in counts for name in one)
    return {name: sum(one.get(name, 0) for one in counts) for name in names}


def _measured(record: FileRecord) -> pd.DataFrame:
    """Read the columns of an image's table that wells are summed up by."""
    measured: pd.DataFrame = pd.read_csv(record.table, usecols=lambda name: name in SIZES or name.endswith(MEAN)).apply(
        pd.to_numeric, errors="coerce"
    )
    return measured


def _as_people_count(column: pd.Series) -> pd.Series:
    """Order in which plates are printed: A before B before AA, 2 before 10."""
    return column.astype(str).map(lambda text: f"{int(text):06}" if text.isdecimal() else f"{len(text):03}{text}")

"""Write the outputs of a run as a whole: a row per image, its provenance, and one table of all nuclei."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.files.tables import as_cell
from napari_unet_nuclei.core.files.text import legible
from napari_unet_nuclei.core.folder.plan import JOINT_ANNDATA, JOINT_PARQUET, JOINT_TABLE, RUN, SUMMARY, WELLS
from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.folder.wells import wells_table
from napari_unet_nuclei.core.image.io.write import write_json, write_table
from napari_unet_nuclei.core.image.plates import PLATE_COLUMNS
from napari_unet_nuclei.core.labels.export.annotated import write_h5ad
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings

if TYPE_CHECKING:
    import pyarrow

IMAGE_COLUMN = "image"
"""First column of the table of all nuclei."""

SERIES_COLUMN = "series"
"""Its second column, where files hold several images."""


@dataclass(frozen=True)
class BatchReport:
    """Request and outcome of a run.

    Attributes
    ----------
    out : Path
        Folder of the results.
    template : RequestTemplate
    batch : BatchSettings
    request_hash : str
        Of everything but the images that the labels depend on.
    started : str
        Local time with its offset, ISO 8601.
    records : tuple of FileRecord
        One per image.
    remarks : tuple of str
        What was found among the images and not taken for one.
    """

    out: Path
    template: RequestTemplate
    batch: BatchSettings
    request_hash: str
    started: str
    records: tuple[FileRecord, ...]
    remarks: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[FileRecord, ...]:
        """Records of the images that failed."""
        return tuple(record for record in self.records if record.error)

    @property
    def doubtful(self) -> tuple[FileRecord, ...]:
        """Records of the images whose results are worth a look."""
        return tuple(record for record in self.records if record.urgency == 1)

    @property
    def succeeded(self) -> tuple[FileRecord, ...]:
        """Records of the images that have results, by this run or an earlier one."""
        return tuple(record for record in self.records if not record.error)

    @cached_property
    def wells(self) -> pd.DataFrame:
        """A table with a row per well, as `wells_table` describes it; no rows where there is no plate."""
        return wells_table(self.records)

    def summary(self) -> pd.DataFrame:
        """Return a table with a row per image; what one that failed does not have is empty.

        Where images were taken of plates, it has the columns plate, well, row, column and field; where classes of
        nuclei were told, the number and the share of each.
        """
        rows = pd.DataFrame([_legible(_row(record)) for record in self.records], columns=list(_row(FileRecord(""))))
        if any(record.place for record in self.records):
            for number, name in enumerate(PLATE_COLUMNS, start=1):
                values = [record.place.values[name] if record.place else "" for record in self.records]
                rows.insert(number, name, values)
        told = [record.class_columns for record in self.records]
        place = rows.columns.get_loc("positive_percent")
        assert isinstance(place, int), "there is one such column"
        for number, name in enumerate(dict.fromkeys(name for one in told for name in one), start=place + 1):
            rows.insert(number, legible(name), [one.get(name) for one in told])
        return rows

    def description(self) -> dict[str, Any]:
        """Return the run's provenance as plain JSON values."""
        return {
            "program": f"napari-unet-nuclei {version('napari-unet-nuclei')}",
            "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-image", "torch")},
            "started": self.started,
            "model": self.template.model,
            "axes": self.template.axes,
            "plane": dict(self.template.plane),
            "region": self.template.region,
            "settings": self.template.settings.model_dump(),
            "outputs": self.batch.model_dump(),
            "number_format": self.template.number_format,
            "models": {record.model: record.model_hash for record in self.succeeded},
            "request_hash": self.request_hash,
            "remarks": self.remarks,
            "files": [asdict(record) | {"status": record.status} for record in self.records],
        }


def write_summary(report: BatchReport) -> None:
    """Write ``summary.csv``, ``run.json``, of plates ``wells.csv``, and where asked for the table of all nuclei."""
    write_table(report.out / SUMMARY, report.summary())
    write_json(report.out / RUN, report.description())
    if len(report.wells):
        write_table(report.out / WELLS, report.wells)
    if report.batch.joint_table:
        _join_tables(report.out / JOINT_TABLE, report.succeeded)
        if report.batch.parquet:
            _join_parquet(report.out / JOINT_PARQUET, report.succeeded)
        if report.batch.h5ad:
            # What looks like a number in the names of one plate may be none in those of the next.
            table = pd.read_csv(report.out / JOINT_TABLE, dtype=dict.fromkeys(PLATE_COLUMNS, str))
            write_h5ad(report.out / JOINT_ANNDATA, table)


def read_areas(records: Sequence[FileRecord]) -> pd.DataFrame:
    """Read ``area_px`` and ``area_um2`` of all nuclei that have areas: volumes have none."""
    columns = ["area_px", "area_um2"]
    # Somebody may have taken columns out of a table, or written words into it.
    tables = [
        pd.read_csv(record.table, usecols=columns.__contains__).reindex(columns=columns).apply(_numbers)
        for record in records
        if record.median_area_px is not None
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _numbers(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column, errors="coerce")


def _row(record: FileRecord) -> dict[str, object]:
    """A row of the summary, what matters most first."""
    if record.error:
        values: dict[str, object] = dict.fromkeys(_row(FileRecord("")))
        about = {"image": record.image, "series": record.part}
        return values | about | {"status": record.status, "message": record.message}
    return {
        "image": record.image,
        "series": record.part,
        "status": record.status,
        "nuclei": record.nuclei,
        "positive": record.positive,
        "positive_percent": record.positive_percent,
        "median_area_px": record.median_area_px,
        "median_area_um2": record.median_area_um2,
        "seconds": record.seconds,
        "message": record.message,
        "warning": record.warning,
        "kind": record.kind,
        "tracks": record.tracks,
        "divisions": record.divisions,
        "diameter_px": record.diameter_px,
        "channel": record.channel,
        "read_as": record.words,
        "model": record.model,
        "device": record.device,
        "precision": record.precision,
        "labels": record.labels,
        "table": record.table,
    }


def _legible(row: dict[str, object]) -> dict[str, object]:
    return {name: legible(value) if isinstance(value, str) else value for name, value in row.items()}


def _join_tables(path: Path, records: Sequence[FileRecord]) -> None:
    """Write all tables as one, value by value as they stand in theirs; columns that an image lacks are empty."""
    # As text and row by row: a run may have millions of nuclei, and numbers that were read would be rounded anew.
    columns = list(dict.fromkeys(column for record in records for column in _head(record)))
    with atomic(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        several = any(record.part for record in records)
        writer.writerow([IMAGE_COLUMN, *([SERIES_COLUMN] if several else []), *columns])
        for record in records:
            about = [as_cell(record.image), *([as_cell(record.part)] if several else [])]
            for row in _rows(record, columns):
                writer.writerow([*about, *row])


def _head(record: FileRecord) -> list[str]:
    with Path(record.table).open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file), [])


def _rows(record: FileRecord, columns: Sequence[str]) -> Iterator[list[str]]:
    """Yield the rows of an image's table, in the order of the columns of all."""
    with Path(record.table).open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        head = next(lines, [])
        places = [head.index(column) if column in head else -1 for column in columns]
        for line in lines:
            yield line if head == columns else [line[place] if place >= 0 else "" for place in places]


def _join_parquet(path: Path, records: Sequence[FileRecord]) -> None:
    """Write all tables as one Parquet file, one image after the other."""
    import pyarrow
    from pyarrow import parquet

    # Each table is read twice, for its columns and for its rows: all of them at once need not fit into memory.
    schemas = [_arrow(record).schema for record in records] or [pyarrow.schema([(IMAGE_COLUMN, pyarrow.string())])]
    # Without nuclei a column has no type, and whole numbers in one image may have fractions in another.
    schema = pyarrow.unify_schemas(schemas, promote_options="permissive").remove_metadata()
    # As an open file: pyarrow takes no path that is not UTF-8.
    with atomic(path) as partial, partial.open("wb") as file, parquet.ParquetWriter(file, schema) as writer:
        for table in map(_arrow, records):
            for field in schema:
                if field.name not in table.schema.names:
                    table = table.append_column(field, pyarrow.nulls(len(table), field.type))
            writer.write_table(table.select(schema.names).cast(schema))


def _arrow(record: FileRecord) -> pyarrow.Table:
    """Read the table of an image, with a first column that names it."""
    import pyarrow

    # What looks like a number in the names of one plate may be none in those of the next.
    table = pd.read_csv(record.table, dtype=dict.fromkeys(PLATE_COLUMNS, str))
    table.insert(0, IMAGE_COLUMN, legible(record.image))
    if record.part:
        table.insert(1, SERIES_COLUMN, legible(record.part))
    return pyarrow.Table.from_pandas(table, preserve_index=False)

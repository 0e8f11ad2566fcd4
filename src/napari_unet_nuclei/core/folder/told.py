"""What is told from the measured columns in runs over files: classes of nuclei, and which are positive.

Where only the question has changed, images that are done are told anew from their tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.image.io.write import write_parquet, write_table
from napari_unet_nuclei.core.labels.classify.class_file import read_classes
from napari_unet_nuclei.core.labels.classify.nucleus_classes import CLASS, PROBABILITY, class_counts
from napari_unet_nuclei.core.labels.export.classified import classify_geojson
from napari_unet_nuclei.core.labels.measure.gate import POSITIVE, Gate
from napari_unet_nuclei.core.settings import BatchSettings

NOT_GATED, UNSURE, NOT_TOLD = "No nuclei were gated. ", "Classes of nuclei: ", "No classes were told. "
"""How the warnings of an image begin that come from here, and are told anew with the rest."""

COLUMNS = (CLASS, PROBABILITY, POSITIVE)


def told(table: pd.DataFrame, record: FileRecord, batch: BatchSettings) -> tuple[pd.DataFrame, FileRecord]:
    """Add classes and positive nuclei to the table of an image, and their numbers to its record.

    An image whose table lacks what is asked for has a warning instead: its nuclei are found, and other images are told.
    """
    said = (NOT_GATED, UNSURE, NOT_TOLD)
    record = replace(
        record,
        gate=batch.gate,
        positive=None,
        told_by=hash_of_classes(batch),
        class_counts=None,
        warnings=tuple(one for one in record.warnings if not one.startswith(said)),
        notices=tuple(one for one in record.notices if not one.startswith(said)),
    )
    if record.classes:  # of pixels
        return table, record
    table = table.drop(columns=list(COLUMNS), errors="ignore")
    if batch.classes:
        table, record = _classified(table, record, Path(batch.classes))
    if batch.gate:
        table, record = _gated(table, record)
    return table, record


def _classified(table: pd.DataFrame, record: FileRecord, file: Path) -> tuple[pd.DataFrame, FileRecord]:
    """Tell classes; a gate may ask for their probability."""
    classes = read_classes(file)
    try:
        table = classes.tell(table)
    except SettingsError as error:
        return table, replace(record, warnings=(*record.warnings, f"{NOT_TOLD}{error}"))
    taken = classes.renamed_images(table)
    return table, replace(
        record,
        class_counts=class_counts(table, classes.names),
        warnings=(*record.warnings, *(f"{UNSURE}{one}" for one in classes.remarks(table))),
        notices=(*record.notices, *([f"{UNSURE}{taken}"] if taken else [])),
    )


def _gated(table: pd.DataFrame, record: FileRecord) -> tuple[pd.DataFrame, FileRecord]:
    try:
        table = table.assign(**{POSITIVE: Gate.of(record.gate).holds(table)})
    except SettingsError as error:
        return table, replace(record, warnings=(*record.warnings, f"{NOT_GATED}{error}"))
    return table, replace(record, positive=int(table[POSITIVE].sum()))


def told_again(record: FileRecord, batch: BatchSettings, outputs: Mapping[str, Path]) -> FileRecord:
    """Tell an image anew that is done, of which the table lies on the disk, unless the same was asked before."""
    if (record.gate, record.told_by) == (batch.gate, hash_of_classes(batch)):
        return record
    reclassified = record.told_by != hash_of_classes(batch)
    found, record = told(pd.read_csv(record.table), record, batch)
    if record.classes:
        return record
    # The other columns as they stand: numbers that are read and written may differ in the last digit.
    table = pd.read_csv(record.table, dtype=str, keep_default_na=False).drop(columns=list(COLUMNS), errors="ignore")
    write_table(Path(record.table), table.assign(**{name: found[name] for name in COLUMNS if name in found.columns}))
    if "parquet" in outputs:
        write_parquet(outputs["parquet"], Path(record.table))
    if reclassified and "geojson" in outputs:
        classify_geojson(outputs["geojson"], found)
    return record


def hash_of_classes(batch: BatchSettings) -> str:
    """SHA-256 of the file of classes; empty where there is none.

    Raises
    ------
    SettingsError
        If it cannot be read.
    """
    if not batch.classes:
        return ""
    try:
        return hashlib.sha256(Path(batch.classes).read_bytes()).hexdigest()
    except OSError as error:
        raise SettingsError(f"{batch.classes} cannot be read as classes of nuclei: {error.strerror}.") from error

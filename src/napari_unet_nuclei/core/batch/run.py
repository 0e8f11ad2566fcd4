"""Segments many files as one run: what fails is recorded and the rest done, and a report says what came of all."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from napari_unet_nuclei.core.batch.plan import PlannedFile, plan_files
from napari_unet_nuclei.core.batch.segment_file import FileRecord, RequestTemplate, segment_file
from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.image.read import read_image
from napari_unet_nuclei.core.image.write import write_json, write_table
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Share

SUMMARY = "summary.csv"
RUN = "run.json"


@dataclass(frozen=True)
class BatchReport:
    """What was asked of a run and what came of it.

    Attributes
    ----------
    template : RequestTemplate
    started : str
        Local time with its offset, ISO 8601.
    records : tuple of FileRecord
        One per file.
    """

    template: RequestTemplate
    started: str
    records: tuple[FileRecord, ...]

    @property
    def failed(self) -> tuple[FileRecord, ...]:
        """Records of the files that failed."""
        return tuple(record for record in self.records if record.error)

    def summary(self) -> pd.DataFrame:
        """Return a table with a row per file; what a file that failed does not have is empty."""
        rows = [
            {"image": record.image, "error": record.error}
            if record.error
            else {**dataclasses.asdict(record), "notices": " ".join(record.notices)}
            for record in self.records
        ]
        return pd.DataFrame(rows, columns=[field.name for field in dataclasses.fields(FileRecord)])

    def description(self) -> dict[str, Any]:
        """Return the run's provenance as plain JSON values."""
        return {
            "program": f"napari-unet-nuclei {version('napari-unet-nuclei')}",
            "started": self.started,
            "model": self.template.model,
            "axes": self.template.axes,
            "plane": dict(self.template.plane),
            "region": self.template.region,
            "settings": self.template.settings.model_dump(),
            "files": [dataclasses.asdict(record) for record in self.records],
        }


def segment_files(
    given: Sequence[Path],
    out: Path,
    template: RequestTemplate,
    progress: Progress,
    *,
    recursive: bool = True,
    on_record: Callable[[FileRecord], None] = lambda record: None,
) -> BatchReport:
    """Segment image files one after the other and write labels and tables, then a summary and the run's provenance.

    Parameters
    ----------
    given : sequence of Path
        Files, folders and patterns.
    out : Path
        Folder for the results; `plan_files` says how they are named.
    template : RequestTemplate
        What is asked of every file.
    progress : Progress
    recursive : bool
        Look into folders within folders too.
    on_record : callable
        Hears of every file when it is done or has failed.

    Returns
    -------
    BatchReport

    Raises
    ------
    NucleiError
        If there is no image at all, or if a result would overwrite an image; a single file's failure is in the report.
    Cancelled
        Files that are done stay.
    """
    started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    planned = plan_files(given, out, recursive)
    records = [FileRecord(path, error=reason) for path, reason in planned.unusable]
    if planned.left_out:
        progress.report(Notice(f"{planned.left_out} label images of an earlier run are left out."))
    total = len(planned.files)
    for number, file in enumerate(planned.files):
        share = Share(progress, number / total, (number + 1) / total)
        share.report(Advanced(0.0, file.image.name))
        records.append(_segment_one(file, template, share))
        on_record(records[-1])
    report = BatchReport(template, started, tuple(records))
    write_table(out / SUMMARY, report.summary())
    write_json(out / RUN, report.description())
    return report


def _segment_one(file: PlannedFile, template: RequestTemplate, progress: Progress) -> FileRecord:
    try:
        record, _ = segment_file(read_image(file.image), template, file, progress)
    except NucleiError as error:
        return FileRecord(str(file.image), error=" ".join(str(error).split()))
    return record

"""The subcommand ``segment``: nuclei of files and folders."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_unet_nuclei.cli.errors import FAILED, one_line
from napari_unet_nuclei.cli.options import Json, Quiet, parse_plane, parse_region, settings_options
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.batch.plan import PlannedFile, RunPlan, plan_files
from napari_unet_nuclei.core.batch.segment_file import FileRecord, RequestTemplate, segment_file
from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.image.read import read_image
from napari_unet_nuclei.core.image.write import write_json, write_table
from napari_unet_nuclei.core.progress import Advanced, Notice, Share
from napari_unet_nuclei.core.segment.request import AUTOMATIC
from napari_unet_nuclei.core.settings import SegmentSettings

if TYPE_CHECKING:
    import pandas as pd


@settings_options(SegmentSettings)
def segment_command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Image files, folders, or patterns.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")],
    settings: SegmentSettings,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME_OR_FILE", help="An installed model, or a model file.")
    ] = AUTOMATIC,
    axes: Annotated[
        str, typer.Option("--axes", metavar="AXES", help="What the image's axes are, e.g. TZCYX, if its file is wrong.")
    ] = "",
    plane: Annotated[
        str,
        typer.Option("--plane", metavar="PLANE", help="Only this plane of a stack: 3, or T=0,Z=3. All if not given."),
    ] = "",
    region: Annotated[
        str, typer.Option("--region", metavar="Y0:Y1,X0:X1", help="Only this rectangle, in pixels, ends not included.")
    ] = "",
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Look into folders within folders too.")
    ] = True,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Segment the nuclei in images.

    For every image, DIR receives its labels (NAME_labels.tif) and a table with a row per nucleus (NAME_table.csv),
    and for the run as a whole summary.csv and run.json.

    A file that cannot be read is listed at the end, and the others are done.
    """
    template = RequestTemplate(settings, model, axes.upper(), parse_plane(plane), parse_region(region))
    started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    planned = plan_files(paths, out, recursive)
    with TerminalProgress(quiet) as progress:
        records = _segment_all(planned, template, progress, show=not (quiet or as_json))
    run = _describe_run(template, started, records)
    write_table(out / "summary.csv", _summary(records))
    write_json(out / "run.json", run)
    if as_json:
        typer.echo(json.dumps(run, indent=2, ensure_ascii=False))
    failed = [record for record in records if record.error]
    if failed:
        typer.echo(f"{len(failed)} of {len(records)} failed:", err=True)
        for record in failed:
            named = "" if record.image in record.error else f"{record.image}: "
            typer.echo(f"  {named}{record.error}", err=True)
        raise typer.Exit(FAILED)


def _segment_all(
    planned: RunPlan, template: RequestTemplate, progress: TerminalProgress, show: bool
) -> list[FileRecord]:
    """Segment the files one after the other; what fails is recorded and the rest done."""
    records = [FileRecord(path, error=reason) for path, reason in planned.unusable]
    if planned.left_out:
        progress.report(Notice(f"{planned.left_out} label images of an earlier run are left out."))
    total = len(planned.files)
    for number, file in enumerate(planned.files):
        share = Share(progress, number / total, (number + 1) / total)
        share.report(Advanced(0.0, file.image.name))
        record = _segment_one(file, template, share)
        records.append(record)
        if show and not record.error:
            progress.show_result(f"{record.image}: {record.nuclei} nuclei in {record.seconds:.1f} s, {record.labels}")
    return records


def _segment_one(file: PlannedFile, template: RequestTemplate, share: Share) -> FileRecord:
    try:
        record, _ = segment_file(read_image(file.image), template, file, share)
    except NucleiError as error:
        return FileRecord(str(file.image), error=one_line(error))
    return record


def _summary(records: Sequence[FileRecord]) -> pd.DataFrame:
    """Table with a row per file; what a file that failed does not have is empty."""
    import pandas as pd

    rows = [
        {"image": record.image, "error": record.error}
        if record.error
        else {**dataclasses.asdict(record), "notices": " ".join(record.notices)}
        for record in records
    ]
    return pd.DataFrame(rows, columns=[field.name for field in dataclasses.fields(FileRecord)])


def _describe_run(template: RequestTemplate, started: str, records: Sequence[FileRecord]) -> dict[str, Any]:
    """Tell what was asked and what came of it: provenance of the run, in plain JSON values."""
    from napari_unet_nuclei import __version__

    return {
        "program": f"napari-unet-nuclei {__version__}",
        "command": sys.argv[1:],
        "started": started,
        "model": template.model,
        "axes": template.axes,
        "plane": dict(template.plane),
        "region": template.region,
        "settings": template.settings.model_dump(),
        "files": [dataclasses.asdict(record) for record in records],
    }

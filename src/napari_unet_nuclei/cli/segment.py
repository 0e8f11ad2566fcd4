"""The subcommand ``segment``: nuclei of files and folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_unet_nuclei.cli.errors import FAILED
from napari_unet_nuclei.cli.options import Json, Quiet, parse_plane, parse_region, settings_options
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.segment.request import AUTOMATIC
from napari_unet_nuclei.core.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_unet_nuclei.core.batch.segment_file import FileRecord


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
    from napari_unet_nuclei.core.batch.run import segment_files  # what reads and measures is slow to import
    from napari_unet_nuclei.core.batch.segment_file import RequestTemplate

    template = RequestTemplate(settings, model, axes.upper(), parse_plane(plane), parse_region(region))
    with TerminalProgress(quiet) as progress:

        def show(record: FileRecord) -> None:
            if not (record.error or quiet or as_json):
                found = f"{record.nuclei} nuclei in {record.seconds:.1f} s"
                progress.show_result(f"{record.image}: {found}, {record.labels}")

        report = segment_files(paths, out, template, progress, recursive=recursive, on_record=show)
    if as_json:
        typer.echo(json.dumps(report.description(), indent=2, ensure_ascii=False))
    if report.failed:
        typer.echo(f"{len(report.failed)} of {len(report.records)} failed:", err=True)
        for record in report.failed:
            named = "" if record.image in record.error else f"{record.image}: "
            typer.echo(f"  {named}{record.error}", err=True)
        raise typer.Exit(FAILED)

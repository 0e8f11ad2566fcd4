"""The subcommand ``segment``: segment the nuclei in files and folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_unet_nuclei.cli.errors import FAILED
from napari_unet_nuclei.cli.options import (
    CellWidth,
    ClassesFile,
    GateText,
    Json,
    Quiet,
    RingGap,
    RingWidth,
    parse_cells,
    parse_plane,
    parse_region,
    settings_options,
)
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.files.text import legible
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.progress import Cancelled
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings, TrackSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_unet_nuclei.core.folder.dry_run import Prospect
    from napari_unet_nuclei.core.folder.large_image import BlockSettings
    from napari_unet_nuclei.core.folder.plan import RunPlan
    from napari_unet_nuclei.core.folder.record import FileRecord
    from napari_unet_nuclei.core.folder.summary import BatchReport
    from napari_unet_nuclei.core.segment.template import RequestTemplate

RESULTS_PANEL = "Results"
FOLLOW_PANEL = "Following over time"
LARGE_PANEL = "Large images and clusters"

MOST_FILES = 4
"""Files of an image that are named; of more, the first and the last."""

HEADS = ("image", "plate", "well", "field", "parts", "files")


def _help(field: str) -> str:
    return str(BatchSettings.model_fields[field].description)


def _switch(field: str, flags: str) -> typer.models.OptionInfo:
    """Build an option that turns one kind of output on or off."""
    option: typer.models.OptionInfo = typer.Option(flags, help=_help(field), rich_help_panel=RESULTS_PANEL)
    return option


@settings_options(SegmentSettings)
@settings_options(TrackSettings, "tracking", FOLLOW_PANEL)
def segment_command(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")],
    settings: SegmentSettings,
    tracking: TrackSettings,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Image files, folders, or patterns.")
    ] = None,
    listed: Annotated[
        Path | None,
        typer.Option("--list", metavar="FILE", help="Text file with further paths or patterns, one a line, or CSV."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME_OR_FILE", help="Name of an installed model, or a model file.")
    ] = AUTOMATIC,
    axes: Annotated[
        str,
        typer.Option(
            "--axes", metavar="AXES", help="Axes of the images, e.g. TZCYX, if their files state them wrongly."
        ),
    ] = "",
    plane: Annotated[
        str,
        typer.Option(
            "--plane", metavar="PLANE", help="Segment only this plane of a stack: 3, or T=0,Z=3. All planes by default."
        ),
    ] = "",
    region: Annotated[
        str,
        typer.Option("--region", metavar="Y0:Y1,X0:X1", help="Segment only this rectangle, in pixels, ends excluded."),
    ] = "",
    series: Annotated[str, typer.Option("--series", metavar="N|all|NAME", help=_help("series"))] = "",
    recursive: Annotated[bool, typer.Option("--recursive/--no-recursive", help=_help("recursive"))] = True,
    channels: Annotated[str, typer.Option("--channels", metavar="PATTERN", help=_help("channels"))] = "automatic",
    labels: Annotated[
        Literal["tif", "ome.tif", "ome.zarr"],
        typer.Option("--labels", help=_help("labels"), rich_help_panel=RESULTS_PANEL),
    ] = "tif",
    table: Annotated[bool, _switch("table", "--table/--no-table")] = True,
    joint_table: Annotated[bool, _switch("joint_table", "--joint-table/--no-joint-table")] = True,
    parquet: Annotated[bool, _switch("parquet", "--parquet/--no-parquet")] = False,
    h5ad: Annotated[bool, _switch("h5ad", "--h5ad/--no-h5ad")] = False,
    rois: Annotated[bool, _switch("rois", "--rois/--no-rois")] = False,
    geojson: Annotated[bool, _switch("geojson", "--geojson/--no-geojson")] = False,
    overlay: Annotated[bool, _switch("overlay", "--overlay/--no-overlay")] = False,
    follow: Annotated[bool, typer.Option("--follow", help=_help("follow"), rich_help_panel=FOLLOW_PANEL)] = False,
    cell: CellWidth = "",
    ring: RingWidth = "",
    gap: RingGap = "",
    gate: GateText = "",
    classes: ClassesFile = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help=_help("overwrite"))] = False,
    block: Annotated[
        int | None,
        typer.Option(
            "--block",
            min=64,
            help="Side of a block of large images, in pixels; of volumes, in cubes of which 18 lie across a nucleus. "
            "Where it is given, OME-Zarr and stacks of any size go block by block.",
            show_default="2048, of volumes 320",
            rich_help_panel=LARGE_PANEL,
        ),
    ] = None,
    into_image: Annotated[
        bool,
        typer.Option(
            "--into-image",
            help="Write labels into the OME-Zarr images themselves (NGFF 0.5 only) instead of beside them.",
            rich_help_panel=LARGE_PANEL,
        ),
    ] = False,
    scheduler: Annotated[
        str,
        typer.Option(
            "--scheduler",
            metavar="ADDRESS",
            help="Send the work to a running Dask scheduler, e.g. tcp://host:8786.",
            rich_help_panel=LARGE_PANEL,
        ),
    ] = "",
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            min=0,
            help="Start this many worker processes on this computer and send the work to them; 0 for none.",
            rich_help_panel=LARGE_PANEL,
        ),
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be done with each image; write nothing.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Segment the nuclei in images.

    Writes into DIR, for each image, its labels (NAME_labels.tif), a table with a row per nucleus (NAME_table.csv) and
    any other outputs requested; for the whole run, a table of all nuclei (nuclei.csv), summary.csv, run.json and a
    report (report.html). With --follow also, for time series, labels with one id per nucleus over time
    (NAME_tracked.tif) and a table of tracks (NAME_tracks.csv).

    Images larger than memory are segmented block by block; their labels, and those of OME-Zarr images, are
    NAME_labels.ome.zarr.

    Files that cannot be read are listed at the end; the others are processed. Run the same command again to resume an
    interrupted run: images already done with the same model and settings are skipped.
    """
    from napari_unet_nuclei.core.executors.cluster import executor_for
    from napari_unet_nuclei.core.executors.malloc import keep_freed_memory
    from napari_unet_nuclei.core.folder.large_image import BlockSettings
    from napari_unet_nuclei.core.folder.plan import check_subfolders, plan_files  # slow to import
    from napari_unet_nuclei.core.image.io.zarr_store import absolute
    from napari_unet_nuclei.core.segment.template import RequestTemplate

    if tracking != TrackSettings() and not follow:
        raise typer.BadParameter("It has an effect only with --follow.", param_hint=FOLLOW_PANEL)
    batch = BatchSettings(
        follow=follow,
        **tracking.model_dump(),
        recursive=recursive,
        series=series,
        channels=channels,
        labels=labels,
        table=table,
        joint_table=joint_table,
        parquet=parquet,
        h5ad=h5ad,
        rois=rois,
        geojson=geojson,
        overlay=overlay,
        overwrite=overwrite,
        gate=gate,
        classes="" if classes is None else str(absolute(classes)),
        **parse_cells(cell, ring, gap),
    )
    template = RequestTemplate(settings, model, axes.upper(), parse_plane(plane), parse_region(region))
    if scheduler and workers:
        raise typer.BadParameter("Give either an address or a number of workers.", param_hint="--scheduler, --workers")
    given = [*(paths or []), *(_read_list(listed) if listed else [])]
    if scheduler or workers:  # their working folder is another
        out, given = out.absolute(), [absolute(path) for path in given]
    if not given:
        raise typer.BadParameter("Give image files, folders or patterns, or --list FILE.", param_hint="PATH...")
    check_subfolders(given, recursive=recursive)
    plan = plan_files(given, out, batch.recursive, batch.labels, batch.series, batch.channels)
    if dry_run:
        _look_ahead(plan, template, batch, BlockSettings(block or 0, into_image), as_json=as_json, quiet=quiet)
    else:
        from napari_unet_nuclei.core.folder.run import run_plan  # imports what draws the report

        # Not on import: it changes the allocator of the whole process.
        keep_freed_memory()
        with executor_for(scheduler, workers) as executor, _ShownRun(len(plan.files), quiet, as_json) as shown:
            blocks = BlockSettings(block or 0, into_image, executor)
            report = run_plan(plan, template, batch, shown.progress, shown.show, blocks)
            shown.end(report)
        if as_json:
            typer.echo(json.dumps(report.description(), indent=2, ensure_ascii=False))
        _end([(record.title, record.error) for record in report.failed], len(report.records), "failed")


def _read_list(file: Path) -> list[Path]:
    """Read paths, one per line; empty lines are skipped."""
    from napari_unet_nuclei.core.errors import ImageFileError
    from napari_unet_nuclei.core.image.io.path_list import read_list

    try:
        paths = read_list(file)
    except ImageFileError as error:
        raise typer.BadParameter(str(error), param_hint="--list") from error
    if not paths:
        raise typer.BadParameter(f"{file} lists no image.", param_hint="--list")
    return paths


class _ShownRun:
    """Prints the results of a run as they come."""

    def __init__(self, images: int, quiet: bool, as_json: bool) -> None:
        self.progress = TerminalProgress(quiet)
        self._images, self._done = images, 0
        self._lines = not (quiet or as_json)
        self._warned: set[str] = set()
        self._explained: set[tuple[str, str]] = set()

    def __enter__(self) -> _ShownRun:
        self.progress.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *given: Any) -> None:
        if kind is Cancelled:
            typer.echo(
                f"{self._done} of {self._images} images are done. Run the same command again to resume.", err=True
            )
        self.progress.__exit__(kind, *given)

    def show(self, record: FileRecord) -> None:
        """Print an image that is done, and at once what is doubtful about it."""
        self._done += not record.error
        if self._lines and not record.error:
            self._explain(record)
            self.progress.show_result(_line(record))
            # In a folder they stand in the report.
            for notice in record.notices if self._images == 1 else ():
                self.progress.say(f"{record.title}: {legible(notice)}")
        # A doubtful image comes twice: when it is done, and at the end of the run.
        if record.warnings and record.title not in self._warned:
            self._warned.add(record.title)
            self.progress.say(f"Warning: {record.title}: {legible(record.warning)}", always=True)

    def _explain(self, record: FileRecord) -> None:
        """Print how an image was understood, unless one before was understood alike."""
        from napari_unet_nuclei.core.image.words import reading_in_words, without_size

        understood = without_size(record.words), record.channel
        if record.words and understood not in self._explained:
            self._explained.add(understood)
            self.progress.say(f"{record.title}: {reading_in_words(record.words, record.channel)}")

    def end(self, report: BatchReport) -> None:
        """Print what is doubtful about images in comparison with the others of the run."""
        # Their lines were printed when they were done.
        self._lines = False
        for record in report.doubtful:
            self.show(record)


def _line(record: FileRecord) -> str:
    """Format the result of one image."""
    from napari_unet_nuclei.core.labels.classify.nucleus_classes import counts_text

    found = (
        f"{record.classes} classes"
        if record.classes
        else record.counted or quantity(record.nuclei, "nucleus", "nuclei")
    )
    if record.tracks is not None:
        found += f", {record.tracks} tracks and {record.divisions} divisions"
    found += f", {record.positive} positive," if record.positive is not None else ""
    found += f", {counts_text(record.class_counts)}," if record.class_counts else ""
    took = "done before" if record.skipped else f"in {record.seconds:.1f} s"
    return f"{record.title}: {found} {took}, {legible(record.labels)}"


def _look_ahead(
    plan: RunPlan, template: RequestTemplate, batch: BatchSettings, blocks: BlockSettings, *, as_json: bool, quiet: bool
) -> None:
    from dataclasses import asdict

    from napari_unet_nuclei.core.folder.dry_run import look_ahead

    with TerminalProgress(quiet) as progress:
        prospects = look_ahead(plan, template, batch, progress, blocks=blocks)
    if as_json:
        typer.echo(json.dumps([asdict(prospect) for prospect in prospects], indent=2, ensure_ascii=False, default=str))
    elif not quiet:
        for line in grouping_lines(prospects):
            typer.echo(line)
        for prospect in prospects:
            if prospect.intention != "fail":
                typer.echo(_prospect_line(prospect))
        segmented = sum(prospect.intention == "segment" for prospect in prospects)
        skipped = sum(prospect.intention == "skip" for prospect in prospects)
        typer.echo(f"{segmented} to segment, {skipped} done before. Nothing was written.")
    failing = [(prospect.title, prospect.message) for prospect in prospects if prospect.intention == "fail"]
    _end(failing, len(prospects), "would fail")


def _prospect_line(prospect: Prospect) -> str:
    from napari_unet_nuclei.core.image.io.pairs import name_some
    from napari_unet_nuclei.core.image.words import reading_in_words
    from napari_unet_nuclei.core.segment.remedy import KIND_NAMES

    facts = [reading_in_words(prospect.words, prospect.channel), prospect.dtype, f"{prospect.bytes / 1e6:.1f} MB"]
    facts += [KIND_NAMES[prospect.kind]] if prospect.kind in KIND_NAMES else []
    facts += [f"beside {name_some(prospect.others)} (--series)"] if prospect.others else []
    facts += [remark.rstrip(".") for remark in prospect.remarks]
    doubt = f" Warning: {prospect.message}" if prospect.message else ""
    return f"{prospect.title}: {', '.join(facts)}: {prospect.intention}, {prospect.labels}{doubt}"


def _end(failed: Sequence[tuple[str, str]], total: int, what: str) -> None:
    """List failures and exit with 1, if there are any."""
    if not failed:
        return
    typer.echo(f"{len(failed)} of {total} {what}:", err=True)
    for image, reason in failed:
        named = "" if image in legible(reason) else f"{image}: "
        typer.echo(legible(f"  {named}{reason}"), err=True)
    raise typer.Exit(FAILED)


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

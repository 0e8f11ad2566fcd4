"""The subcommand ``track``: follow labelled nuclei over time, whatever made the labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_unet_nuclei.cli.errors import FAILED
from napari_unet_nuclei.cli.options import Json, Quiet, Series, settings_options
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.image.io.label_file import read_labels
from napari_unet_nuclei.core.progress import Notice, Progress, Share, with_shares
from napari_unet_nuclei.core.settings import TrackSettings
from napari_unet_nuclei.core.tracking.files import (
    LabelFiles,
    check_free,
    describe_tracks,
    label_files,
    result_paths,
    write_results,
)
from napari_unet_nuclei.core.tracking.track import TrackResult, track

FOLLOWING = 0.6
"""Share of the time that following takes; writing takes the rest."""


@settings_options(TrackSettings)
def track_command(
    labels: Annotated[
        list[Path],
        typer.Argument(
            metavar="LABELS...",
            help="Label images of movies: 0 is background, every nucleus has its own number. Or folders of them.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")],
    settings: TrackSettings,
    ctc: Annotated[
        bool, typer.Option("--ctc", help="Also write the format of the Cell Tracking Challenge (NAME_ctc).")
    ] = False,
    geff: Annotated[bool, typer.Option("--geff", help="Also write GEFF, which Mastodon reads (NAME.geff).")] = False,
    axes: Annotated[
        str, typer.Option("--axes", metavar="AXES", help="Axes of the labels, e.g. TYX, if their files name others.")
    ] = "",
    minutes: Annotated[
        float, typer.Option("--minutes", min=0, help="Minutes between frames; 0 to take them from the file.")
    ] = 0.0,
    one_movie: Annotated[
        bool, typer.Option("--one-movie", help="All files are frames of one movie, in the order of their names.")
    ] = False,
    series: Series = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there already.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Follow labelled nuclei over time.

    Writes into DIR, for each movie, its labels with one id per track (NAME_tracked.tif), a table with a row per track
    (NAME_tracks.csv), and one with a row per nucleus and frame (NAME_spots.csv), which TrackMate imports.

    Labels may come from any program, flat or deep; ids may mean something else in every frame. Files of one plane each
    are taken as the frames of one movie.
    """
    failed: list[str] = []
    described: list[dict[str, Any]] = []
    with TerminalProgress(quiet) as progress:
        movies = label_files(labels, one_movie, series)
        for movie, share in with_shares(movies, progress):
            for notice in movie.notices:
                progress.report(Notice(notice, warning=True))
            try:
                paths = result_paths(out, movie.name, ctc=ctc, geff=geff)
                if not overwrite:
                    check_free(paths)
                result = _followed(movie, axes, minutes, settings, Share(share, 0.0, FOLLOWING))
                write_results(result, paths, movie.paths, Share(share, FOLLOWING, 1.0))
            except NucleiError as error:
                failed.append(f"{movie.name}: {error}")
                continue
            described.append(
                {**describe_tracks(result, movie.paths), "results": {kind: str(path) for kind, path in paths.items()}}
            )
            if not (as_json or quiet):
                progress.show_result(_line(movie, result, paths["tracked"]))
    if as_json:
        typer.echo(json.dumps(described, indent=2, ensure_ascii=False))
    if failed:
        typer.echo(f"{len(failed)} of {len(movies)} failed:", err=True)
        for reason in failed:
            typer.echo(f"  {reason}", err=True)
        raise typer.Exit(FAILED)


def _followed(movie: LabelFiles, axes: str, minutes: float, settings: TrackSettings, progress: Progress) -> TrackResult:
    chosen = settings.model_dump()
    labels = list(movie.paths) if movie.series is None else read_labels(movie.paths[0], series=movie.series)
    return track(labels, axes=axes, minutes=minutes, progress=progress, **chosen)


def _line(movie: LabelFiles, result: TrackResult, path: Path) -> str:
    """Say what was found in one movie."""
    return f"{movie.name}: {result.found} in {result.movie.shape[0]} frames, {len(result.doubts)} doubtful, {path}"

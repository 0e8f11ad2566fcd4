"""Find the label files of movies, and write what was followed in them side by side."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet_nuclei.core.errors import OutputFileError, SeriesError, SettingsError
from napari_unet_nuclei.core.image.io.find import image_paths
from napari_unet_nuclei.core.image.io.read import read_header
from napari_unet_nuclei.core.image.io.series import choose_in_step
from napari_unet_nuclei.core.image.io.write import write_label_movie, write_table
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.tracking.export.ctc import write_ctc
from napari_unet_nuclei.core.tracking.export.geff import write_geff
from napari_unet_nuclei.core.tracking.track import TrackResult
from napari_unet_nuclei.core.types import Labels

ENDINGS = {"tracked": "_tracked.tif", "tracks": "_tracks.csv", "spots": "_spots.csv", "ctc": "_ctc", "geff": ".geff"}
"""What the names of results end in: labels with the ids of tracks, a row per track, a row per nucleus and frame, and
folders of other programs' formats."""


@dataclass(frozen=True)
class LabelFiles:
    """The labels of one movie.

    Attributes
    ----------
    paths : tuple of Path
        One file, or one for each frame.
    name : str
        What the names of its results begin with.
    series : int or None
        Which image of a file that holds several.
    notices : tuple of str
        What is left out, in sentences.
    """

    paths: tuple[Path, ...]
    name: str
    series: int | None = None
    notices: tuple[str, ...] = ()


def label_files(given: Sequence[Path], one_movie: bool = False, series: str = "") -> list[LabelFiles]:
    """Find the movies that files, folders and patterns stand for.

    Files of one plane each are the frames of one movie a folder, in the order of their names; with ``one_movie``, so
    are stacks. ``series`` chooses among the images of a file, as `choose_in_step` takes it: each of them is a movie.
    Raise ImageFileError if a path leads nowhere, or a file cannot be read.
    """
    paths = sorted(image_paths(given), key=_as_counted)
    if one_movie and len(paths) == 1:
        raise SettingsError(f"{paths[0]} is one file, which is one movie anyway: leave out that all are frames of one.")
    frames: dict[Path, list[Path]] = {}
    movies: list[LabelFiles] = []
    for path in paths:
        chosen, notices = choose_in_step([path], series)
        if len(chosen) > 1 and one_movie:
            raise SeriesError(f"{path} holds {len(chosen)} images, so it is no frame of a movie: leave out one movie.")
        for one in chosen:
            [(file, number)] = one.places
            flat = all(length == 1 for length in read_header(file, number or 0).source().leading_shape)
            if one_movie or (flat and not one.name):
                frames.setdefault(path.parent, []).append(path)
            else:
                stem = result_stem(path)
                movies.append(LabelFiles((file,), f"{stem}_{one.name}" if one.name else stem, number, notices))
    for paths in frames.values():
        name = paths[0].absolute().parent.name if len(paths) > 1 else result_stem(paths[0])
        movies.append(LabelFiles(tuple(paths), name))
    often = Counter(movie.name for movie in movies)
    return [
        movie
        if often[movie.name] == 1
        else replace(movie, name=f"{movie.paths[0].absolute().parent.name}_{movie.paths[0].stem}")
        for movie in movies
    ]


def _as_counted(path: Path) -> list[tuple[int, str]]:
    """Sort names with numbers as people count: frame 2 comes before frame 10."""
    parts = re.split(r"(\d+)", str(path))
    # Every second part is a number; behind zeros it is longer than others, but not larger.
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)]


def result_stem(path: Path) -> str:
    """Return what the names of results begin with, as those of the image do.

    Examples
    --------
    >>> result_stem(Path("results/cells_labels.ome.tif"))
    'cells'
    """
    name = path.stem.removesuffix(".ome")
    return name.removesuffix("_labels") or name


def result_paths(out: Path, name: str, *, ctc: bool, geff: bool) -> dict[str, Path]:
    """Return where each kind of result is written."""
    wanted = {"ctc": ctc, "geff": geff}
    return {kind: out / f"{name}{ending}" for kind, ending in ENDINGS.items() if wanted.get(kind, True)}


def check_free(paths: dict[str, Path]) -> None:
    """Raise OutputFileError if a result is there already."""
    there = [path for path in paths.values() if path.exists()]
    if there:
        raise OutputFileError(
            f"{there[0]} exists already. Choose another folder for the results, or overwrite what is there."
        )


def write_results(result: TrackResult, paths: dict[str, Path], sources: Sequence[Path], progress: Progress) -> None:
    """Write results to their paths, each whole or not at all; raise OutputFileError where that fails."""
    write_tracked(result, paths["tracked"], paths["tracks"], sources, progress)
    write_table(paths["spots"], result.nuclei)
    if "ctc" in paths:
        write_ctc(paths["ctc"], result)
    if "geff" in paths:
        write_geff(paths["geff"], result)


def write_tracked(result: TrackResult, labels: Path, tracks: Path, sources: Sequence[Path], progress: Progress) -> None:
    """Write the labels with the ids of tracks, and the table of tracks."""
    shape = result.movie.shape

    def frames() -> Iterator[Labels]:
        for time in range(shape[0]):
            progress.report(Advanced(time / shape[0], f"writing frame {time + 1} of {shape[0]}"))
            yield result.frame(time)

    known = not np.isnan(result.minutes).any()
    write_label_movie(
        labels,
        frames(),
        shape,
        pixel_size=result.pixel_size,
        frame_times=tuple(result.minutes * 60) if known else (),
        provenance=describe_tracks(result, sources),
    )
    write_table(tracks, result.tracks)
    progress.report(Advanced(1.0, "written"))


def describe_tracks(result: TrackResult, sources: Sequence[Path]) -> dict[str, Any]:
    """Describe how tracks were made, for the files that hold them."""
    return {
        "program": f"napari-unet-nuclei {version('napari-unet-nuclei')}",
        "labels": [str(path) for path in sources],
        "settings": result.settings.model_dump(),
        "largest_step_diameters": round(result.reach, 3),
        "nucleus_diameter_px": round(result.lineages.spots.diameter, 2),
        "tracks": result.count,
        "divisions": result.divisions,
        "doubtful": len(result.doubts),
        "notices": [*result.notices, *result.warnings],
    }

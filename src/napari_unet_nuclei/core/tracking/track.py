"""Follow nuclei over time: the one engine behind window, command line and Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.label_file import LabelFile
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Rising, Share, Silent
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.settings import TrackSettings
from napari_unet_nuclei.core.tracking.divide import find_divisions
from napari_unet_nuclei.core.tracking.doubt import Doubt, find_doubts
from napari_unet_nuclei.core.tracking.drift import NOTICEABLE
from napari_unet_nuclei.core.tracking.lineage import Lineages, number_tracks
from napari_unet_nuclei.core.tracking.link import Reach, automatic_reach, bridge_gaps, link_again, link_frames
from napari_unet_nuclei.core.tracking.movie import Movie
from napari_unet_nuclei.core.tracking.read import opened_movie
from napari_unet_nuclei.core.tracking.spots import Spots, find_spots
from napari_unet_nuclei.core.tracking.tables import nuclei_table, tracks_table
from napari_unet_nuclei.core.types import AnyArray, Labels

if TYPE_CHECKING:
    import pandas as pd

TOO_FAST = 1.0
"""Diameters; where nuclei step farther, the next nucleus is as near as the own one."""

MOSTLY_FLAT = 0.8
"""Share of the nuclei of a deep movie in one plane each above which they are most likely sections."""

MOST_NAMED = 5
"""Most frames without nuclei whose numbers are said."""

READING = 0.7
"""Share of the time that reading takes; linking takes the rest."""


@dataclass(frozen=True, eq=False)
class TrackResult:
    """Nuclei that were followed.

    Attributes
    ----------
    movie : Movie
        The labels as they were given.
    lineages : Lineages
        The track of every nucleus, and what comes from what.
    pixel_size : PixelSize
        In µm; unknown parts are 0.
    minutes : ndarray, shape (T,)
        Times of the frames; NaN if unknown.
    settings : TrackSettings
        What was asked for.
    reach : float
        The largest step in nucleus diameters.
    notices, warnings : tuple of str
        What the user should know, and what is doubtful about all of it.
    """

    movie: Movie
    lineages: Lineages
    pixel_size: PixelSize
    minutes: NDArray[np.float64]
    settings: TrackSettings
    reach: float
    notices: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of tracks."""
        return len(self.lineages.ids)

    @property
    def divisions(self) -> int:
        """Number of divisions."""
        return int(np.count_nonzero(self.lineages.daughters > 1))

    @property
    def found(self) -> str:
        """What was found, in words: "40 tracks and 6 divisions"."""
        return f"{quantity(self.count, 'track')} and {quantity(self.divisions, 'division')}"

    def frame(self, time: int) -> Labels:
        """Labels of one frame (Y, X) or (Z, Y, X), with the ids of tracks."""
        return self.lineages.relabelled(time, self.movie.frame(time))

    @property
    def labels(self) -> Labels:
        """Labels of all frames (T, Y, X) or (T, Z, Y, X), int32, with one id per track; 0 is background."""
        found = np.empty(self.movie.shape, np.int32)
        for time in range(len(found)):
            found[time] = self.frame(time)
        return found

    @property
    def axes(self) -> str:
        """One letter per axis of `labels`."""
        return "TZYX" if len(self.movie.shape) == 4 else "TYX"

    def with_lineages(self, lineages: Lineages) -> TrackResult:
        """Return the same movie with other tracks, as they are after a correction."""
        return replace(self, lineages=lineages)

    @cached_property
    def nuclei(self) -> pd.DataFrame:
        """A row per nucleus and frame, by track and time.

        ``track``, ``t``, ``minutes``; ``label``, the id that the given labels have; centroid in pixels and µm; area or
        volume; ``parent``, 0 for none; ``generation``, from 0; ``root``, the first ancestor.
        """
        return nuclei_table(self.lineages, self.pixel_size, self.minutes)

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """A row per track.

        ``track``, ``parent``, ``generation``, ``root``; ``first`` and ``last`` frame, ``frames`` in which it was seen,
        ``gaps`` in which it was not; ``daughters``; length of the path, distance of its ends and mean speed in pixels
        and frames, and in µm and minutes where these are known; time from its own birth to its division.
        """
        return tracks_table(self.lineages, self.pixel_size, self.minutes)

    @cached_property
    def doubts(self) -> tuple[Doubt, ...]:
        """What a person should look at, the most doubtful first."""
        return find_doubts(self.lineages, self.reach, self.settings.bridge)


@checked
def track(
    labels: AnyArray | ImageFile | LabelFile | Path | str | Sequence[Path | str],
    *,
    axes: str = "",
    pixel_size: PixelSize | None = None,
    minutes: float | Sequence[float] = 0.0,
    progress: Progress | None = None,
    **settings: object,
) -> TrackResult:
    """Follow labelled nuclei over time: one id per nucleus from birth to death or division.

    Nuclei are linked from frame to frame by distance and size, in units of their diameter, each with at most one
    (linear assignment, as Jaqaman et al., Nature Methods 2008, do); then over gaps; then nuclei that begin beside one
    that goes on become the second daughter of it where position and sizes fit a division.

    Parameters
    ----------
    labels : array-like, LabelFile, ImageFile, Path, str or sequence of paths
        Labels of a movie, (T, Y, X) or (T, Z, Y, X): 0 is background, ids may mean something else in every frame. An
        array, a file, or files of one frame each. Read frame by frame; never modified.
    axes : str
        One letter per axis: T, Y, X, and Z where there is depth. If empty, read from the file or guessed.
    pixel_size : PixelSize, optional
        In µm; that of the file if not given.
    minutes : float or sequence of float
        Between frames, or the time of every frame; if 0, that of the file, or unknown.
    progress : Progress, optional
        Receives an event per frame, and can cancel there.
    **settings
        Fields of `TrackSettings`, for instance ``bridge=1``.

    Returns
    -------
    TrackResult

    Raises
    ------
    ImageFileError, ImageShapeError
        If the file cannot be read, or the labels are not a movie of ids.
    SettingsError
        If a setting is unknown or out of bounds, or in µm while the pixel size is unknown.

    Examples
    --------
    >>> from napari_unet_nuclei import time_series, track
    >>> movie = time_series()
    >>> found = track(movie.labels, axes="TYX", pixel_size=movie.pixel_size, minutes=5)
    >>> found.labels.shape == movie.labels.shape, found.divisions
    (True, 6)
    """
    chosen: TrackSettings = TrackSettings().changed(**settings)
    opened = opened_movie(labels, axes)
    size = pixel_size or opened.pixel_size
    times = _times(minutes, opened.movie.shape[0], opened.minutes)
    return run_track(opened.movie, size, times, chosen, progress or Silent(), opened.notices)


def run_track(
    movie: Movie,
    pixel_size: PixelSize,
    minutes: NDArray[np.float64],
    settings: TrackSettings,
    progress: Progress,
    notices: tuple[str, ...] = (),
) -> TrackResult:
    """Follow the nuclei of a movie; raise as `track` does."""
    progress = Rising(progress)
    reading, linking = Share(progress, 0.0, READING), Share(progress, READING, 1.0)
    spots = replace(find_spots(movie, pixel_size, reading), corrected=settings.correct_drift)
    reach = _reach(spots, pixel_size, settings, linking)
    previous = link_again(spots, link_frames(spots, reach.diameters, linking), reach.diameters)
    previous = bridge_gaps(spots, previous, reach.diameters, settings.bridge)
    if settings.divisions:
        previous = find_divisions(spots, previous, settings.bridge)
    lineages = number_tracks(spots, previous, settings.shortest_track)
    warnings = tuple(_warnings(spots, reach))
    told = (*notices, *_notices(spots, settings, pixel_size))
    for notice in (*told, *warnings):
        progress.report(Notice(notice, warning=notice in warnings))
    progress.report(Advanced(1.0, f"{len(lineages.ids)} tracks"))
    return TrackResult(movie, lineages, pixel_size, minutes, settings, reach.diameters, told, warnings)


def _reach(spots: Spots, pixel_size: PixelSize, settings: TrackSettings, progress: Progress) -> Reach:
    """Return the largest step in diameters."""
    if settings.largest_step_auto:
        return automatic_reach(spots, progress)
    if settings.largest_step_unit == "diameters":
        return Reach(settings.largest_step, np.nan)
    if not pixel_size.known:
        raise SettingsError(
            "A largest step in µm needs the pixel size, which is unknown here. Give it in nucleus diameters."
        )
    edge = float(np.sqrt(pixel_size.y * pixel_size.x))
    return Reach(settings.largest_step / edge / max(spots.diameter, 1e-9), np.nan)


def _warnings(spots: Spots, reach: Reach) -> list[str]:
    """Say what makes all links doubtful."""
    found = []
    if reach.typical > TOO_FAST:
        found.append(
            "Nuclei move about one diameter from frame to frame, as far as to their neighbours: links are unsure. "
            "Record faster."
        )
    if spots.flat_share > MOSTLY_FLAT:
        found.append(
            "Nearly every nucleus lies in one plane only: were planes segmented each by itself? Segment the movie as "
            "3-D nuclei, or its projection along z, and follow that."
        )
    drift = np.linalg.norm(spots.drift[1:], axis=1) / max(spots.diameter, 1e-9)
    if not spots.corrected and len(drift) and (np.median(drift) > NOTICEABLE or drift.max() > TOO_FAST):
        found.append(
            f"The whole field moves, by up to {drift.max():.1f} nucleus diameters a frame. Choose 'Correct drift', "
            "unless the cells themselves move all one way."
        )
    return found


def _notices(spots: Spots, settings: TrackSettings, pixel_size: PixelSize) -> list[str]:
    found = []
    if not len(spots):
        found.append("There are no nuclei in these labels.")
    empty = np.flatnonzero(np.diff(spots.starts) == 0).tolist()
    if len(spots) and empty:
        shown = ", ".join(map(str, empty[:MOST_NAMED])) + (", …" if len(empty) > MOST_NAMED else "")
        found.append(f"No nuclei in frame {shown}: those before and after are linked as over any gap.")
    if spots.frames < 2:
        found.append("There is only one frame, so that nothing could be followed.")
    if len(spots.shape) == 4 and not (pixel_size.known and pixel_size.z > 0):
        found.append("The distance between planes is unknown: it was taken to be that between pixels.")
    if settings.correct_drift:
        total = np.abs(np.cumsum(spots.drift, axis=0)).max(axis=0, initial=0)
        found.append(f"Drift was corrected: up to {total[0]:.0f} pixels down or up and {total[1]:.0f} to the sides.")
    return found


def _times(given: float | Sequence[float], frames: int, of_file: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the time of every frame in minutes; NaN if unknown."""
    times = np.asarray(given, np.float64)
    if times.ndim:
        if times.shape != (frames,) or (np.diff(times) <= 0).any():
            raise ImageShapeError(f"Times of frames must be {frames} rising numbers, one for each frame.")
        return times
    if times > 0:
        return np.asarray(np.arange(frames) * times)
    return of_file if len(of_file) == frames else np.full(frames, np.nan)

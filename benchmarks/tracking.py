"""How well nuclei are followed, and how fast, on drawn movies with known tracks; beside laptrack where it is there."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import Table
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.samples.synthetic import SampleImage
from napari_unet_nuclei.core.samples.synthetic_movie import dividing_nuclei
from napari_unet_nuclei.core.settings import TrackSettings
from napari_unet_nuclei.core.tracking.divide import find_divisions
from napari_unet_nuclei.core.tracking.lineage import number_tracks
from napari_unet_nuclei.core.tracking.link import automatic_reach, bridge_gaps, link_again, link_frames
from napari_unet_nuclei.core.tracking.movie import ArrayMovie
from napari_unet_nuclei.core.tracking.spots import Spots, find_spots

SPEEDS = (0.05, 0.15, 0.3, 0.45)
"""Typical steps in diameters."""

FRAMES = 40
SEEDS = (6, 11, 12, 13)
"""Of the movies whose figures are pooled: one of them has only about 15 divisions."""

LARGE = (100, 100)
"""Frames, and nuclei in each, of the movie that only time is measured on."""

Links = NDArray[np.int64]
"""For every row the row that it comes from, -1 for none."""


def measure() -> Table:
    rows = []
    for name, movies in _movies().items():
        for program, follow in _programs().items():
            begun = time.process_time()
            found = [(spots, truth, follow(spots)) for spots, truth in movies]
            seconds = (time.process_time() - begun) / len(movies)
            rows.append((name, program, *_judged(found), f"{seconds:.2f}"))
    spots = _many()
    begun = time.process_time()
    follow_here(spots)
    frames, nuclei = LARGE
    rows.append((f"{frames * nuclei:,} nuclei", "here", "", "", "", "", f"{time.process_time() - begun:.2f}"))
    return Table(
        "Nuclei followed over time",
        ("movie", "program", "links found %", "links right %", "divisions F1", "whole tracks %", "processor's seconds"),
        tuple(rows),
        f"{len(SEEDS)} drawn movies each, with their true labels, so that only linking is judged. Speeds in nucleus "
        "diameters a frame. laptrack with the same largest step in pixels and divisions within 1.25 diameters. A track "
        "is whole if it has every true link and no other. Aim: 99.5 % of links, F1 0.93, 10,000 nuclei in 2 s.",
    )


def follow_here(spots: Spots) -> Links:
    """Link as `track` does by default."""
    settings, silent = TrackSettings(), Silent()
    reach = automatic_reach(spots, silent).diameters
    linked = link_again(spots, link_frames(spots, reach, silent), reach)
    previous = bridge_gaps(spots, linked, reach, settings.bridge)
    return number_tracks(spots, find_divisions(spots, previous, settings.bridge)).previous


def follow_with_laptrack(spots: Spots) -> Links:
    """Link with laptrack, its distances set in diameters."""
    import pandas as pd
    from laptrack import LapTrack

    reach = spots.diameter
    table = pd.DataFrame({"t": spots.frame, "y": spots.position[:, 0], "x": spots.position[:, 1]})
    tracker = LapTrack(
        cutoff=reach**2,
        gap_closing_cutoff=reach**2,
        gap_closing_max_frame_count=2,
        splitting_cutoff=(1.25 * reach) ** 2,
    )
    tracked, split, _ = tracker.predict_dataframe(table, ["y", "x"], frame_col="t", only_coordinate_cols=False)
    numbers = tracked["track_id"].to_numpy()
    previous, last = np.full(len(spots), -1), dict[int, int]()
    parents = dict(zip(split["child_track_id"], split["parent_track_id"], strict=True)) if len(split) else {}
    for row, number in enumerate(numbers.tolist()):
        previous[row] = last.get(number, last.get(parents.get(number, -1), -1))
        last[number] = row
    return previous


def _programs() -> dict[str, Callable[[Spots], Links]]:
    others = {"laptrack": follow_with_laptrack} if importlib.util.find_spec("laptrack") else {}
    return {"here": follow_here, **others}


@dataclass(frozen=True, eq=False)
class _Movie:
    name: str
    sample: SampleImage
    every: int = 1
    dropped: float = 0.0


def _movies() -> dict[str, list[tuple[Spots, Links]]]:
    found: dict[str, list[tuple[Spots, Links]]] = {}
    for seed in SEEDS:
        samples = {speed: dividing_nuclei(seed, speed=speed, frames=FRAMES) for speed in SPEEDS}
        wanted = [_Movie(f"{speed} a frame", sample) for speed, sample in samples.items()]
        wanted += [
            _Movie("0.15, 5 % of nuclei missed", samples[0.15], dropped=0.05),
            _Movie("0.3, 5 % of nuclei missed", samples[0.3], dropped=0.05),
            _Movie("0.15, every 2nd frame", samples[0.15], every=2),
            _Movie("0.3, every 2nd frame", samples[0.3], every=2),
        ]
        for movie in wanted:
            found.setdefault(movie.name, []).append(_spots(movie))
    return found


def _spots(movie: _Movie) -> tuple[Spots, Links]:
    labels = movie.sample.labels[:: movie.every]
    spots = find_spots(ArrayMovie(labels, "TYX"), movie.sample.pixel_size, Silent())
    kept = np.random.default_rng(0).random(len(spots)) >= movie.dropped
    columns = {name: getattr(spots, name)[kept] for name in ("frame", "label", "size", "centre")}
    spots = replace(spots, **columns)
    previous, last = np.full(len(spots), -1), dict[int, int]()
    for row, label in enumerate(spots.label.tolist()):
        # Of a mother that divided between two frames, or was missed, nothing is known.
        previous[row] = last.get(label, last.get(movie.sample.parents.get(label, 0), -1))
        last[label] = row
    return spots, previous


def _many() -> Spots:
    """Return nuclei that jitter about a grid."""
    frames, nuclei = LARGE
    rng = np.random.default_rng(0)
    side = round(nuclei**0.5)
    grid = 30.0 * np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    centre = np.concatenate([grid + rng.normal(0, 3, grid.shape) for _ in range(frames)])
    count = len(centre)
    shape = (frames, 30 * side, 30 * side)
    frame = np.repeat(np.arange(frames), nuclei)
    drift = np.zeros((frames, 2))
    return Spots(shape, frame, np.tile(np.arange(nuclei) + 1, frames), np.full(count, 450), centre, np.ones(2), drift)


def _judged(movies: list[tuple[Spots, Links, Links]]) -> tuple[str, str, str, str]:
    """Pool true and found links of movies: links, divisions and whole tracks."""
    counts = []
    for spots, truth, found in movies:
        pairs = (
            (_pairs(truth), _pairs(found)),
            (_divisions(truth), _divisions(found)),
            (
                _tracks(spots, truth),
                _tracks(spots, found),
            ),
        )
        counts.append([(len(true & own), len(true), len(own)) for true, own in pairs])
    links, births, tracks = np.sum(counts, axis=0).tolist()
    return (
        f"{100 * links[0] / max(links[1], 1):.1f}",
        f"{100 * links[0] / max(links[2], 1):.1f}",
        f"{2 * births[0] / max(births[1] + births[2], 1):.2f}",
        f"{100 * tracks[0] / max(tracks[1], 1):.0f}",
    )


def _pairs(previous: Links) -> set[tuple[int, int]]:
    return {(int(old), row) for row, old in enumerate(previous) if old >= 0}


def _divisions(previous: Links) -> set[tuple[int, ...]]:
    daughters: dict[int, list[int]] = {}
    for old, row in sorted(_pairs(previous)):
        daughters.setdefault(old, []).append(row)
    return {(mother, *rows) for mother, rows in daughters.items() if len(rows) > 1}


def _tracks(spots: Spots, previous: Links) -> set[tuple[int, ...]]:
    lineages = number_tracks(spots, previous)
    return {tuple(lineages.rows(int(number)).tolist()) for number in lineages.ids}

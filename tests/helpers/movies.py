"""Draws movies of discs with known tracks, and compares links with true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from napari_unet_nuclei.core.tracking.spots import Spots

Frame = Mapping[int, tuple[float, ...]]
"""Of one frame, the radius and centre of every nucleus by its true id: (radius, [z,] y, x)."""


def discs(frames: Sequence[Frame], shape: tuple[int, ...] = (100, 100)) -> np.ndarray:
    """Draw discs, or balls where the shape has three axes: labels (T, [Z,] Y, X) with the true ids."""
    movie = np.zeros((len(frames), *shape), np.int32)
    grid = np.indices(shape)
    for labels, frame in zip(movie, frames, strict=True):
        for number, (radius, *centre) in frame.items():
            away = sum((axis - middle) ** 2 for axis, middle in zip(grid, centre, strict=True))
            labels[away <= radius**2] = number
    return movie


def shuffled(movie: np.ndarray, seed: int = 0) -> np.ndarray:
    """Give the nuclei of every frame other ids, as segmentation frame by frame does."""
    rng = np.random.default_rng(seed)
    found = np.zeros_like(movie)
    for labels, frame in zip(found, movie, strict=True):
        ids = np.unique(frame[frame > 0])
        for new, old in enumerate(rng.permutation(ids), start=1):
            labels[frame == old] = new
    return found


def true_links(spots: Spots, parents: Mapping[int, int]) -> np.ndarray:
    """Return for every row the row that it truly comes from, where labels are true tracks; -1 for none."""
    previous, last = np.full(len(spots), -1), dict[int, int]()
    for row, label in enumerate(spots.label.tolist()):
        if label in last:
            previous[row] = last[label]
        elif label in parents:
            previous[row] = last[parents[label]]
        last[label] = row
    return previous


def links(previous: np.ndarray) -> set[tuple[int, int]]:
    """Return all links as pairs of rows."""
    return {(int(old), row) for row, old in enumerate(previous) if old >= 0}


def divisions(previous: np.ndarray) -> set[tuple[int, ...]]:
    """Return all divisions: the row of the mother, then those of her daughters."""
    daughters: dict[int, list[int]] = {}
    for old, row in sorted(links(previous)):
        daughters.setdefault(old, []).append(row)
    return {(mother, *rows) for mother, rows in daughters.items() if len(rows) > 1}

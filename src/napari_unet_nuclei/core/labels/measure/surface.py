"""Surface areas of labelled volumes by the Cauchy-Crofton formula, for all of them at once.

Lines in thirteen directions, those between neighbouring voxels, are counted where they enter or leave a nucleus; the
area is their mean, weighted by the solid angle that each direction stands for (Lehmann and Legland 2012, *Efficient
N-dimensional surface estimation using Crofton formula and run-length encoding*, Insight Journal). Of digital balls of 6
to 15 pixels it is within 2 % where planes are up to 4 pixels apart; faces of voxels are half as much again.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SHIFTS: tuple[tuple[int, int, int], ...] = (
    (0, 0, 1),
    (0, 1, -1),
    (0, 1, 0),
    (0, 1, 1),
    *((1, y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)),
)
"""Steps (z, y, x) to half of the 26 neighbours; the other half is opposite."""

_POINTS = 20_000
"""Of a sphere, evenly spread, by which solid angles are measured."""


class SurfaceCount:
    """Surface areas of nuclei 1..n, whose planes are added one after the other.

    Parameters
    ----------
    count : int
        Number of nuclei.
    spacing : tuple of float
        Distances of voxels along z, y and x.
    """

    def __init__(self, count: int, spacing: tuple[float, float, float]) -> None:
        self._weights = crossing_areas(spacing)
        self._areas = np.zeros(count + 1)
        self._before: NDArray[np.int32] | None = None

    def add(self, plane: NDArray[np.int32]) -> None:
        """Count the crossings within the next plane (Y, X), and between it and the one before."""
        # A rim of background: a nucleus cut by the edge ends there.
        plane = np.pad(plane, 1)
        before = np.zeros_like(plane) if self._before is None else self._before
        for shift, area in zip(SHIFTS, self._weights, strict=True):
            self._count(plane if shift[0] == 0 else before, plane, shift[1:], area)
        self._before = plane

    def areas(self) -> NDArray[np.float64]:
        """Return the area of each nucleus, shape (n,); no plane may be added afterwards."""
        if self._before is not None:
            empty = np.zeros_like(self._before)
            for shift, area in zip(SHIFTS, self._weights, strict=True):
                if shift[0]:
                    self._count(self._before, empty, shift[1:], area)
        return self._areas[1:]

    def _count(self, one: NDArray[np.int32], other: NDArray[np.int32], shift: tuple[int, ...], area: float) -> None:
        """Add the area of every crossing from a plane to another one, shifted within it."""
        y, x = shift
        rows, columns = one.shape
        here = one[max(-y, 0) : rows - max(y, 0), max(-x, 0) : columns - max(x, 0)]
        there = other[max(y, 0) : rows - max(-y, 0), max(x, 0) : columns - max(-x, 0)]
        crossing = here != there
        for side in (here, there):
            self._areas += area * np.bincount(side[crossing], minlength=len(self._areas))


@lru_cache(maxsize=16)
def crossing_areas(spacing: tuple[float, float, float]) -> tuple[float, ...]:
    """Return the surface that one crossing stands for, in each of the directions of `SHIFTS`.

    Examples
    --------
    >>> [round(area, 2) for area in crossing_areas((1.0, 1.0, 1.0))[:3]]
    [0.18, 0.1, 0.18]
    """
    steps = np.array(SHIFTS) * np.array(spacing)
    lengths = np.linalg.norm(steps, axis=1)
    # A spiral from pole to pole whose turns are as far apart as its points (Fibonacci sphere).
    places = np.arange(_POINTS) + 0.5
    height, turn = 1 - 2 * places / _POINTS, np.pi * (1 + 5**0.5) * places
    ring = np.sqrt(1 - height**2)
    points = np.stack([height, ring * np.sin(turn), ring * np.cos(turn)], axis=1)
    nearest = np.abs(points @ (steps / lengths[:, None]).T).argmax(axis=1)
    share = np.bincount(nearest, minlength=len(SHIFTS)) / _POINTS
    return tuple((2 * share * np.prod(spacing) / lengths).tolist())

"""Surface areas of labelled volumes by the Cauchy-Crofton formula, for all of them at once.

Lines in thirteen directions, those between neighbouring voxels, are counted where they enter or leave a nucleus; the
area is their mean, weighted by the solid angle that each direction stands for (Lehmann and Legland 2012, *Efficient
N-dimensional surface estimation using Crofton formula and run-length encoding*, Insight Journal). Where planes are far
apart, a line may enter and leave a nucleus between two of its voxels: what is missed so is made up for, as it would be
missed of the ellipsoid with the same second moments.
"""

from __future__ import annotations

from collections.abc import Sequence
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

PADDED = 2
"""Voxels at the side of a padded plane that are not of its part, where the volume goes on."""

_POINTS = 20_000
"""Of a sphere, evenly spread, by which solid angles are measured."""


class SurfaceCount:
    """Surfaces of nuclei 1..n, whose planes are added one after the other; of parts of a volume, counts add up.

    Parameters
    ----------
    count : int
        Number of nuclei.
    part : tuple of tuple of bool, shape (3, 2)
        Along z, y and x, whether the planes begin and end with the volume. Where it goes on, they hold one voxel more
        there, which belongs to the next part: only of steps that begin in this part are crossings counted.

    Attributes
    ----------
    crossings : ndarray, shape (13, n + 1), int64
        Of each direction and nucleus.
    """

    def __init__(self, count: int, part: Sequence[tuple[bool, bool]] = ((True, True),) * 3) -> None:
        self.crossings = np.zeros((len(SHIFTS), count + 1), np.int64)
        self._part = part
        self._before: NDArray[np.int32] | None = None

    def add(self, plane: NDArray[np.int32]) -> None:
        """Count the crossings within the next plane (Y, X), and between it and the one before."""
        # A rim of background: a nucleus cut by the edge ends there.
        plane = np.pad(plane, 1)
        (begins, _), *_ = self._part
        if self._before is not None or begins:
            self._count(self._before if self._before is not None else np.zeros_like(plane), plane, across=True)
        self._count(plane, plane, across=False)
        self._before = plane

    def end(self, beyond: NDArray[np.int32] | None = None) -> None:
        """Count the crossings between the last plane and the one beyond it, which is empty where the volume ends."""
        if self._before is not None:
            last = self._before
            self._count(last, np.zeros_like(last) if beyond is None else np.pad(beyond, 1), across=True)

    def _count(self, one: NDArray[np.int32], other: NDArray[np.int32], *, across: bool) -> None:
        """Count the crossings from a plane to another one, or to itself."""
        for number, (z, *shift) in enumerate(SHIFTS):
            if bool(z) != across:
                continue
            here, there = [], []
            for step, size, (begins, ends) in zip(shift, one.shape, self._part[1:], strict=True):
                # The padding belongs to the part at the edge of the volume; elsewhere the voxel within it to the next.
                first = max(0 if begins else PADDED, -step)
                end = min(size if ends else size - PADDED, size - step)
                here.append(slice(first, end))
                there.append(slice(first + step, end + step))
            from_, to = one[tuple(here)], other[tuple(there)]
            crossing = from_ != to
            for side in (from_, to):
                self.crossings[number] += np.bincount(side[crossing], minlength=self.crossings.shape[1])


def areas_of(
    crossings: NDArray[np.int64], spreads: NDArray[np.float64], spacing: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Return the surface areas (n,) of nuclei.

    Parameters
    ----------
    crossings : ndarray, shape (13, n)
    spreads : ndarray, shape (n, 3, 3)
        Covariance of the voxels of each nucleus along z, y and x, in the unit of ``spacing``.
    spacing : tuple of float
        Distances of voxels along z, y and x.
    """
    steps = np.array(SHIFTS) * np.array(spacing)
    # Of an ellipsoid with this covariance, the longest chord along each direction, in steps; shape (13, n).
    inverse = np.linalg.inv(5 * spreads)
    longest = 2 / np.sqrt(np.einsum("ki,nij,kj->kn", steps, inverse, steps))
    return np.asarray(np.array(crossing_areas(spacing)) @ (crossings / _seen_share(longest)))


def _seen_share(longest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the chords of an ellipsoid that hold a voxel, given its longest ones in steps of the voxels.

    A chord of c steps, if shorter than one, does so with the probability c; a share of 1 - u² of all chords is longer
    than u times the longest.
    """
    return np.where(longest >= 1, 1 - 1 / (3 * np.maximum(longest, 1) ** 2), 2 / 3 * longest)


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

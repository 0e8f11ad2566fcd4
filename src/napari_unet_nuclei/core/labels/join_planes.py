"""Join the nuclei of neighbouring planes that lie on top of each other into one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import Labels

OVERLAP = 0.5
"""Least IoU of two sections of one nucleus. Of 0.25, 0.5 and the overlap over the smaller section, it joined best on
five confocal stacks: lower ones join neighbours."""

GAP = 1
"""Planes in which a nucleus may be missing."""


def join_planes(labels: Labels, overlap: float = OVERLAP, gap: int = GAP) -> NDArray[np.int32]:
    """Tell which sections belong to one nucleus.

    Parameters
    ----------
    labels : ndarray, shape (Z, Y, X)
        Ids 1..n, each in one plane only, ascending from plane to plane.
    overlap : float
        Sections are joined above this IoU, each to the one that it overlaps best, if that holds both ways.
    gap : int
        Planes that may lie between two sections.

    Returns
    -------
    ndarray, shape (n + 1,)
        Nucleus of each id, from 1 in the order of their first sections; 0 of 0.

    Examples
    --------
    >>> join_planes(np.array([[[1, 1, 0]], [[2, 2, 0]], [[0, 0, 3]]]))
    array([0, 1, 1, 2], dtype=int32)
    """
    areas = np.bincount(labels.ravel())
    first = np.arange(len(areas), dtype=np.int32)  # section that each belongs to, the first of its nucleus
    ends = np.ones(len(areas), bool)  # sections that none follows yet
    for z in range(1, len(labels)):
        found = np.unique(labels[z])
        free = np.isin(first, found[found > 0])  # sections of this plane that follow none yet
        for back in range(1, min(gap + 1, z) + 1):
            before, after = _pairs(labels[z - back], labels[z], areas, overlap)
            taken = ends[before] & free[after]
            before, after = before[taken], after[taken]
            first[after] = first[before]
            ends[before] = free[after] = False
    _, nuclei = np.unique(first, return_inverse=True)
    return nuclei.astype(np.int32)


def _pairs(
    one: Labels, other: Labels, areas: NDArray[np.integer], overlap: float
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return the sections of two planes that overlap each other best, and enough."""
    both = (one > 0) & (other > 0)
    pairs, shared = np.unique(np.stack([one[both], other[both]]), axis=1, return_counts=True)
    before, after = pairs
    ious = shared / (areas[before] + areas[after] - shared)
    best_before, best_after = np.zeros(len(areas)), np.zeros(len(areas))
    np.maximum.at(best_before, before, ious)
    np.maximum.at(best_after, after, ious)
    chosen = (ious > overlap) & (ious == best_before[before]) & (ious == best_after[after])
    # Of two that overlap equally well, the first.
    before, after = before[chosen], after[chosen]
    _, once = np.unique(after, return_index=True)
    before, after = before[once], after[once]
    _, once = np.unique(before, return_index=True)
    return before[once], after[once]


def flatness(labels: Labels) -> NDArray[np.float64]:
    """Return how many planes high, as a share of its width in pixels, each nucleus would be were it round.

    That is its spread within planes over that across them, by second moments, which blur along z moves less than the
    number of planes. For round nuclei it is the distance of planes in pixels. Those that touch either end of the stack
    are left out.

    Examples
    --------
    >>> ball = np.zeros((7, 13, 13), np.int32)
    >>> z, y, x = np.ogrid[-3:4, -6:7, -6:7]
    >>> ball[(2 * z) ** 2 + y**2 + x**2 < 25] = 1
    >>> flatness(ball).round(1)
    array([1.9])
    """
    places = np.flatnonzero(labels)
    ids = labels.ravel()[places]
    count = int(labels.max(initial=0)) + 1
    voxels = np.maximum(np.bincount(ids, minlength=count), 1)
    spreads = []
    for along in np.unravel_index(places, labels.shape):
        middle = np.bincount(ids, along, count) / voxels
        # A voxel has a width of its own.
        spreads.append(np.bincount(ids, (along - middle[ids]) ** 2, count) / voxels + 1 / 12)
    inside = np.bincount(ids, minlength=count) > 0
    for end in (0, -1):
        inside[np.unique(labels[end])] = False
    across, rows, columns = (spread[inside] for spread in spreads)
    return np.asarray(np.sqrt((rows + columns) / 2 / across))

"""Find divisions: a nucleus that begins may be the second daughter of one that goes on beside it.

Gaps are bridged before: a nucleus that was swallowed by a neighbour and comes back is then continued, not born. The
numbers below were compared on drawn movies, with and without missing nuclei and noise in their sizes (docs/time.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.tracking.assign import cheapest
from napari_unet_nuclei.core.tracking.link import near
from napari_unet_nuclei.core.tracking.spots import Spots

BIRTH_REACH = 1.25
"""Diameters from the mother within which a daughter appears."""

MIDDLE_REACH = 0.75
"""Diameters; so far from the mother the middle of both daughters costs as much as the reach itself."""

DISTANCE_WEIGHT = 0.5
"""Cost of a middle, or of a daughter, at its reach. A division is accepted at a total below 1."""

SIZE_WEIGHT = 0.35
"""Cost of daughters of which one is twice the other."""

GROWTH_WEIGHT, LARGEST_GROWTH, LARGEST_LOSS = 1.1, 0.45, 0.7
"""Doublings: both daughters together are 1.37 to 0.6 times as large as the mother at no cost; beyond, the cost of each
doubling. What is together twice as large as before is two nuclei, one of which was missed."""

SEEN = 4
"""Frames over which sizes are averaged: those of the mother before, those of the daughters after."""

LATE = 0.3
"""Cost of every frame that a daughter is seen later than her sister: she was missed until then."""

UNKNOWN_MOTHER = 0.3
"""Cost of a mother that has only just appeared: her size is uncertain, and most often she was two nuclei all along."""


def find_divisions(spots: Spots, previous: NDArray[np.int64], longest: int = 0) -> NDArray[np.int64]:
    """Give nuclei that begin a mother, where one divides; return for every row the row that it comes from, or -1.

    A daughter may be missed for up to ``longest`` frames after the division.
    """
    following = _following(spots, previous)
    sizes = usual_sizes(spots, previous)
    mothers = np.flatnonzero(following >= 0)
    found = []
    for time in range(1, spots.frames):
        rows = spots.rows(time)
        begins = rows[previous[rows] < 0]
        first, last = np.searchsorted(mothers, spots.starts[[max(time - 1 - longest, 0), time]])
        near_by = mothers[first:last]
        i, j, distance = near(spots.position[near_by], spots.position[begins], BIRTH_REACH * spots.diameter)
        found.append((near_by[i], begins[j], distance))
    previous = previous.copy()
    if found:
        mother, born, distance = (np.concatenate(part) for part in zip(*found, strict=True))
        costs = division_costs(spots, mother, following[mother], born, distance, sizes)
        costs += UNKNOWN_MOTHER * (previous[mother] < 0)
        chosen = cheapest(mother, born, costs, alone=1.0)
        previous[born[chosen]] = mother[chosen]
    return previous


def usual_sizes(spots: Spots, previous: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, for every row, the mean logarithm of its nucleus' sizes in the last and in the next few frames."""
    return _along(spots, previous), _along(spots, _following(spots, previous))


def _along(spots: Spots, step: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average the logarithms of sizes over up to `SEEN` rows, each of which leads to the next one; -1 ends."""
    sizes = np.log2(spots.size)
    total, count = sizes.copy(), np.ones(len(sizes))
    rows = step
    for _ in range(SEEN - 1):
        there = np.flatnonzero(rows >= 0)
        total[there] += sizes[rows[there]]
        count[there] += 1
        rows = np.where(rows >= 0, step[rows], -1)
    return np.asarray(total / count)


def _following(spots: Spots, previous: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for every row the one that comes from it; -1 where none or several do."""
    rows = np.flatnonzero(previous >= 0)
    following = np.full(len(spots), -1)
    following[previous[rows]] = rows
    following[np.bincount(previous[rows], minlength=len(spots)) > 1] = -1
    return following


def division_costs(
    spots: Spots,
    mothers: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    distance: NDArray[np.float64],
    sizes: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return how unlike a division the rows of mothers and two daughters are.

    ``distance`` is that of the second daughter from the mother; ``sizes`` as `usual_sizes` gives them.
    """
    position, diameter, (before, after) = spots.position, spots.diameter, sizes
    middle = (position[first] + position[second]) / 2
    aside = np.linalg.norm(middle - position[mothers], axis=1)
    growth = np.logaddexp2(after[first], after[second]) - before[mothers]
    costs = DISTANCE_WEIGHT * ((aside / (MIDDLE_REACH * diameter)) ** 2 + (distance / (BIRTH_REACH * diameter)) ** 2)
    costs += SIZE_WEIGHT * np.abs(after[first] - after[second])
    costs += GROWTH_WEIGHT * (np.maximum(growth - LARGEST_GROWTH, 0) + np.maximum(-growth - LARGEST_LOSS, 0))
    return np.asarray(costs + LATE * np.abs(spots.frame[first] - spots.frame[second]), np.float64)

"""Find divisions: a nucleus that begins may be the second daughter of one that goes on beside it.

Gaps are bridged before: a nucleus that was swallowed by a neighbour and comes back is then continued, not born.
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
"""Cost of daughters of which one is twice the other, and of a doubling beyond the usual sizes."""

LARGEST_GROWTH, LARGEST_LOSS = 0.6, 0.7
"""Doublings: both daughters together are 1.5 to 0.6 times as large as the mother at no cost."""


def find_divisions(spots: Spots, previous: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give nuclei that begin a mother, where one divides; return for every row the row that it comes from, or -1."""
    found = []
    for time in range(1, spots.frames):
        rows = spots.rows(time)
        begins, goes_on = rows[previous[rows] < 0], rows[previous[rows] >= 0]
        mothers = previous[goes_on]
        i, j, distance = near(spots.position[mothers], spots.position[begins], BIRTH_REACH * spots.diameter)
        found.append((mothers[i], begins[j], division_costs(spots, mothers[i], goes_on[i], begins[j], distance)))
    previous = previous.copy()
    if found:
        mothers, born, costs = (np.concatenate(part) for part in zip(*found, strict=True))
        chosen = cheapest(mothers, born, costs, alone=1.0)
        previous[born[chosen]] = mothers[chosen]
    return previous


def division_costs(
    spots: Spots,
    mothers: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    distance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return how unlike a division the rows of mothers and two daughters are; ``distance`` is that of the second."""
    position, size, diameter = spots.position, spots.size.astype(np.float64), spots.diameter
    middle = (position[first] + position[second]) / 2
    aside = np.linalg.norm(middle - position[mothers], axis=1)
    growth = np.log2((size[first] + size[second]) / size[mothers])
    costs = DISTANCE_WEIGHT * ((aside / (MIDDLE_REACH * diameter)) ** 2 + (distance / (BIRTH_REACH * diameter)) ** 2)
    costs += SIZE_WEIGHT * np.abs(np.log2(size[first] / size[second]))
    costs += SIZE_WEIGHT * (np.maximum(growth - LARGEST_GROWTH, 0) + np.maximum(-growth - LARGEST_LOSS, 0))
    return np.asarray(costs, np.float64)

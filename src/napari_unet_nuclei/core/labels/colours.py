"""Number colours so that nuclei that touch never share one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import AnyArray

NEAR = (1, 2)
"""Distances in pixels at which nuclei count as touching: across a gap of one pixel as well."""


def touching(labels: AnyArray) -> NDArray[np.int64]:
    """List the pairs of nuclei that touch within a plane.

    Parameters
    ----------
    labels : ndarray, shape (..., Y, X)

    Returns
    -------
    ndarray, shape (pairs, 2)
        Ids, the smaller one first; each pair once.

    Examples
    --------
    >>> touching(np.array([[2, 2, 5, 0, 0, 9]]))
    array([[2, 5]])
    """
    found = [np.zeros((0, 2), np.int64)]
    for axis in (-1, -2):
        for step in NEAR:
            length = labels.shape[axis]
            one = np.take(labels, range(max(length - step, 0)), axis)
            other = np.take(labels, range(min(step, length), length), axis)
            meet = (one != other) & (one > 0) & (other > 0)
            found.append(np.sort(np.stack([one[meet], other[meet]], axis=1).astype(np.int64), axis=1))
    return np.asarray(np.unique(np.concatenate(found), axis=0))


def colour_numbers(count: int, pairs: NDArray[np.int64], alike: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give each of the ids 1..count a colour that none of its neighbours has.

    Colours are given in turn, as napari does, and only those are changed that are like a neighbour's.

    Parameters
    ----------
    count : int
    pairs : ndarray, shape (pairs, 2)
        As `touching` returns them.
    alike : ndarray, shape (colours, colours)
        Which colours cannot be told apart; the diagonal is true.

    Returns
    -------
    ndarray, shape (count + 1,)
        Colour by id, from 0; that of id 0 has no meaning.

    Examples
    --------
    >>> colour_numbers(4, np.array([[1, 4]]), np.eye(3, dtype=bool)).tolist()
    [0, 0, 1, 2, 1]
    """
    numbers = np.maximum(np.arange(count + 1) - 1, 0) % len(alike)
    neighbours: dict[int, list[int]] = {}
    for one, other in pairs.tolist():
        neighbours.setdefault(one, []).append(other)
        neighbours.setdefault(other, []).append(one)
    for one, other in pairs[alike[numbers[pairs[:, 0]], numbers[pairs[:, 1]]]].tolist():
        if alike[numbers[one], numbers[other]]:  # not settled by a change of another pair
            taken = alike[numbers[neighbours[other]]].any(axis=0)
            # With more neighbours than colours one has to be shared.
            numbers[other] = int(np.argmin(taken))
    return numbers

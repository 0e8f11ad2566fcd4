"""Cheapest one-to-one links among candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching


def cheapest(
    rows: NDArray[np.int64], columns: NDArray[np.int64], costs: NDArray[np.float64], alone: float
) -> NDArray[np.int64]:
    """Choose pairs, each row and each column at most once, so that the sum of costs is smallest.

    A row that gets no column costs ``alone``, so that no dearer pair is ever chosen. Return the places of the chosen
    pairs. Of a pair that is given twice, the cost would count twice.

    Examples
    --------
    >>> cheapest(np.array([0, 0, 1]), np.array([5, 6, 5]), np.array([0.1, 0.3, 0.2]), alone=1.0)
    array([1, 2])
    """
    affordable = np.flatnonzero(costs < alone)
    if not len(affordable):
        return affordable
    left, i = np.unique(rows[affordable], return_inverse=True)
    right, j = np.unique(columns[affordable], return_inverse=True)
    # Every row has a column of its own for staying alone: a matching of all rows then exists.
    own = np.arange(len(left))
    # SciPy takes a cost of 0 for no pair. As every row is matched once, adding 1 to all changes no choice.
    weights = np.concatenate([costs[affordable], np.full(len(left), alone)]) + 1
    table = coo_array(
        (weights, (np.concatenate([i, own]), np.concatenate([j, len(right) + own]))),
        shape=(len(left), len(right) + len(left)),
    )
    chosen_i, chosen_j = min_weight_full_bipartite_matching(table.tocsr())
    linked = chosen_j < len(right)
    keys = i * len(right) + j
    order = np.argsort(keys)
    found = np.searchsorted(keys[order], chosen_i[linked] * len(right) + chosen_j[linked])
    return np.sort(affordable[order[found]])

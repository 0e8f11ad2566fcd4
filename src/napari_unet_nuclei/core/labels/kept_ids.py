"""Keep the ids of nuclei that other thresholds leave as they are, and tell how many came and went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import AnyArray, Labels

SAME = 0.5
"""IoU above which a nucleus is the same one; at most one other can be."""


@dataclass(frozen=True)
class KeptIds:
    """Ids for new labels.

    Attributes
    ----------
    ids : ndarray, shape (n + 1,), int32
        By the id in the new labels; 0 for the background.
    added, gone : int
        Nuclei that are new, and nuclei that are no more.
    """

    ids: NDArray[np.int32]
    added: int
    gone: int


def keep_ids(now: Labels, before: Labels, first: Labels, free: int) -> KeptIds:
    """Give nuclei the ids that they had.

    Parameters
    ----------
    now : ndarray, int32
        New labels, ids 1..n without gaps.
    before : ndarray, same shape
        Labels that they replace, whose ids may have gaps.
    first : ndarray, same shape
        Labels of the run: a nucleus that comes back gets the id back that it had there.
    free : int
        An id from which on none has been given yet.

    Examples
    --------
    >>> before = np.array([[7, 7, 0, 9]])
    >>> kept = keep_ids(np.array([[0, 0, 1, 2]]), before, before, 10)
    >>> kept.ids, kept.added, kept.gone
    (array([ 0, 10,  9], dtype=int32), 1, 1)
    """
    ids = _same(now, before)
    count = len(ids) - 1
    added = int(np.count_nonzero(ids[1:] == 0))
    gone = int(np.count_nonzero(np.bincount(before.ravel())[1:])) - (count - added)
    if added and first is not before:
        back = _same(now, first)
        usable = (ids == 0) & ~np.isin(back, ids[ids > 0])
        ids[usable] = back[usable]
    new = np.flatnonzero(ids[1:] == 0) + 1
    ids[new] = free + np.arange(len(new), dtype=np.int32)
    return KeptIds(ids, added, gone)


def _same(now: AnyArray, before: AnyArray) -> NDArray[np.int32]:
    """Return, by the id of each new nucleus, the id of the former one that it is; 0 for none."""
    flat, former = now.ravel(), before.ravel()
    both = np.flatnonzero((flat > 0) & (former > 0))
    new, old = flat[both], former[both]
    areas = np.bincount(flat, minlength=1)
    found = np.zeros(len(areas), np.int32)
    # One pixel of each nucleus tells which former one it may be; only a few are told wrongly, at an edge.
    found[new] = old
    _drop_others(found, new, old, areas, former)
    missing = np.isin(new, np.flatnonzero(found == 0))
    if missing.any():
        pairs, shared = np.unique(np.stack([new[missing], old[missing]]), axis=1, return_counts=True)
        largest = np.argsort(shared, kind="stable")
        again = np.zeros_like(found)
        again[pairs[0, largest]] = pairs[1, largest]
        _drop_others(again, new, old, areas, former)
        found = np.where(found > 0, found, again)
    found[0] = 0
    return found


def _drop_others(
    found: NDArray[np.int32], new: AnyArray, old: AnyArray, areas: NDArray[np.int64], former: AnyArray
) -> None:
    """Set to 0 what overlaps too little to be the same nucleus."""
    shared = np.bincount(new[found[new] == old], minlength=len(found))
    united = areas + np.bincount(former)[found] - shared
    found[(shared <= SAME * united) | (found == 0)] = 0

"""Keep the ids of nuclei that other thresholds leave as they are, and tell how many came and went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.metrics.overlaps import find_overlaps
from napari_unet_nuclei.core.types import Labels

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


def keep_ids(now: Labels, before: Labels, shown: NDArray[np.int32], first: Labels, free: int) -> KeptIds:
    """Give nuclei the ids that they had.

    Parameters
    ----------
    now : ndarray, int32
        New labels, ids 1..n without gaps.
    before : ndarray, same shape
        Labels that they replace, ids 1..m without gaps.
    shown : ndarray, shape (m + 1,), int32
        By the id in ``before``, the id under which the nucleus was shown; 0 for the background.
    first : ndarray, same shape
        Labels of the run, ids without gaps: a nucleus that comes back gets the id back that it had there.
    free : int
        An id from which on none has been given yet.

    Examples
    --------
    >>> before, shown = np.array([[1, 1, 0, 2]]), np.array([0, 7, 9], np.int32)
    >>> kept = keep_ids(np.array([[0, 0, 1, 2]]), before, shown, before, 10)
    >>> kept.ids, kept.added, kept.gone
    (array([ 0, 10,  9], dtype=int32), 1, 1)
    """
    same, count = _same(now, before)
    ids = shown[same]
    new = np.flatnonzero(same[1:] == 0) + 1
    kept = len(ids) - 1 - len(new)
    if len(new) and first is not before:
        back = _same(now, first)[0]
        usable = (ids == 0) & ~np.isin(back, ids[ids > 0])
        ids[usable] = back[usable]
    unknown = np.flatnonzero(ids[1:] == 0) + 1
    ids[unknown] = free + np.arange(len(unknown), dtype=np.int32)
    return KeptIds(ids, added=len(new), gone=count - kept)


def _same(now: Labels, before: Labels) -> tuple[NDArray[np.int32], int]:
    """Return, by the id of each new nucleus, the former one that it is, 0 for none; and how many former ones are."""
    overlaps = find_overlaps(before, now)
    same = np.zeros(len(overlaps.predicted_areas) + 1, np.int32)
    alike = overlaps.ious > SAME
    same[overlaps.predicted_index[alike] + 1] = overlaps.true_index[alike] + 1
    return same, len(overlaps.true_areas)

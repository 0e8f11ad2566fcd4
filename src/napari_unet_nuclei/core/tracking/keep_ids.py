"""Ids that stay: tracks that were changed or found anew keep the ids, and with them the colours, of those before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.metrics.overlaps import find_overlaps
from napari_unet_nuclei.core.tracking.lineage import Lineages
from napari_unet_nuclei.core.types import AnyArray


def keep_ids(lineages: Lineages, old: NDArray[np.int64], new: NDArray[np.int64], shared: NDArray[np.int64]) -> Lineages:
    """Give tracks the ids of former tracks that they share most with; others get ids that nobody had.

    Parameters
    ----------
    lineages : Lineages
        The tracks of today.
    old, new, shared : ndarray, shape (n,), int64
        Pairs of a former track and one of today, and how much they share. An id of 0 is none; a pair may come often.
    """
    known = (old > 0) & (new > 0)
    pairs, place = np.unique(np.stack([old[known], new[known]]), axis=1, return_inverse=True)
    total = np.bincount(place.ravel(), weights=shared[known], minlength=pairs.shape[1])
    highest = int(max(old.max(initial=0), 0))
    ids = np.zeros(int(lineages.ids.max(initial=0)) + 1, np.int64)
    taken: set[int] = set()
    # Of equal pairs, the earlier track keeps the id.
    for pair in np.lexsort((pairs[1], -total)):
        former, present = int(pairs[0, pair]), int(pairs[1, pair])
        if former not in taken and not ids[present]:
            ids[present] = former
            taken.add(former)
    fresh = lineages.ids[ids[lineages.ids] == 0]
    ids[fresh] = highest + np.arange(1, len(fresh) + 1)
    return replace(lineages, track=ids[lineages.track])


def keep_ids_of_labels(lineages: Lineages, former: AnyArray, present: AnyArray) -> Lineages:
    """Keep the ids of a relabelled movie, after its nuclei were found anew with other outlines.

    ``former`` and ``present`` (T, ..., Y, X) are both labelled by tracks, the latter by those of ``lineages``.
    """
    counted = []
    for before, now in zip(former, present, strict=True):
        overlaps = find_overlaps(before, now)
        # In ascending order, as the overlaps number them.
        former_ids, present_ids = (np.unique(labels[labels > 0]).astype(np.int64) for labels in (before, now))
        # The highest of all, which shares nothing here: ids of tracks that are gone must not come back for others.
        old = np.append(former_ids[overlaps.true_index], former_ids.max(initial=0))
        new = np.append(present_ids[overlaps.predicted_index], 0)
        counted.append((old, new, np.append(overlaps.shared, 0)))
    old, new, shared = (np.concatenate(part) for part in zip(*counted, strict=True))
    return keep_ids(lineages, old, new, shared)

"""Labels reviewed only in part: which pixels can be trusted, and which nuclei may be judged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import Labels, Mask


def trusted(labels: Labels, reviewed: Mask) -> Mask:
    """Return the reviewed region without nuclei cut by its edge: where these end was not reviewed.

    Examples
    --------
    >>> trusted(np.array([[1, 1, 0, 2]]), np.array([[False, True, True, True]]))
    array([[False, False,  True,  True]])
    """
    inside, outside = _areas(labels, reviewed)
    # Whole nuclei, not only their pixels near the edge: half a nucleus would teach a wrong outline.
    cut = (inside > 0) & (outside > 0)
    cut[0] = False
    return np.asarray(reviewed & ~cut[labels])


def within(labels: Labels, reviewed: Mask) -> Labels:
    """Keep the nuclei, with their ids, of which at least half lies in the reviewed region; erase the others.

    Examples
    --------
    >>> within(np.array([[1, 1, 2, 2, 2]]), np.array([[False, True, True, False, False]]))
    array([[1, 1, 0, 0, 0]])
    """
    inside, outside = _areas(labels, reviewed)
    kept = (inside > 0) & (inside >= outside)
    kept[0] = False
    return np.where(kept[labels], labels, 0)


def _areas(labels: Labels, reviewed: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Area in px² of each id inside and outside the region."""
    count = int(labels.max(initial=0)) + 1
    inside = np.bincount(labels[reviewed], minlength=count)
    return inside, np.bincount(labels.ravel(), minlength=count) - inside

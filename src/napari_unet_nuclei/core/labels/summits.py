"""The landscape of a nucleus: its summits, the passes between them, and the basins that rain from them divides."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_unet_nuclei.core.labels.decode import label_components
from napari_unet_nuclei.core.types import Labels, Mask

Heights: TypeAlias = NDArray[np.float32]
"""What is high in the middle of a nucleus and low between two of them, axes (Y, X)."""


def outline_distance(mask: Mask) -> Heights:
    """Distance in pixels to the outline of a nucleus, slightly smoothed, so that steps of pixels are no summits."""
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return np.asarray(ndimage.gaussian_filter(distance, 1.0), np.float32)


def basins(heights: Heights, mask: Mask, seeds: Labels | None = None) -> Labels:
    """Divide a mask among seeds, or among all its summits, along the valleys between them.

    Returns
    -------
    ndarray, shape (Y, X), int32
        Number of the seed; 0 outside the mask, and in pieces of it without a seed.
    """
    return np.asarray(watershed(-heights, _summits(heights, mask) if seeds is None else seeds, mask=mask), np.int32)


def two_summits(heights: Heights, mask: Mask, least: float) -> Labels | None:
    """Find the two summits that a nucleus most clearly has.

    The clearest second summit is the one from which one must descend furthest to reach a higher one.

    Parameters
    ----------
    heights : ndarray, shape (Y, X), float32
    mask : ndarray of bool, shape (Y, X)
    least : float
        Descent that makes a summit, in the unit of ``heights``.

    Returns
    -------
    ndarray, shape (Y, X), int32, or None
        1 and 2 on the two summits, 0 elsewhere; None where there is no second one.
    """
    summits = _summits(heights, mask)
    hills = basins(heights, mask, summits)
    count = int(summits.max())
    peaks = ndimage.maximum(heights, summits, np.arange(count + 1)) if count else np.zeros(1)
    leader = np.arange(count + 1)
    best, pair = least, None
    for height, one, other in _passes(heights, hills, count):
        first, second = _follow(leader, one), _follow(leader, other)
        if first == second:
            continue
        higher, lower = (first, second) if peaks[first] >= peaks[second] else (second, first)
        if peaks[lower] - height > best:
            best, pair = float(peaks[lower] - height), (higher, lower)
        leader[lower] = higher
    if pair is None:
        return None
    return np.where(summits == pair[0], 1, np.where(summits == pair[1], 2, 0)).astype(np.int32)


def _summits(heights: Heights, mask: Mask) -> Labels:
    """Number the pixels, or plateaus, that are not lower than any neighbour."""
    inside = np.where(mask, heights, -np.inf)
    return label_components(mask & (inside >= ndimage.maximum_filter(inside, 3)))[0]


def _passes(heights: Heights, hills: Labels, count: int) -> list[tuple[float, int, int]]:
    """Highest way between every two hills that touch, (height, one, other), highest first."""
    pairs, levels = [], []
    for here, there in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        one, other = hills[here], hills[there]
        meet = (one != other) & (one > 0) & (other > 0)
        low, high = np.minimum(one, other)[meet].astype(np.int64), np.maximum(one, other)[meet]
        pairs.append(low * (count + 1) + high)
        levels.append(np.minimum(heights[here], heights[there])[meet])
    keys, inverse = np.unique(np.concatenate(pairs), return_inverse=True)
    highest = np.full(len(keys), -np.inf)
    np.maximum.at(highest, inverse, np.concatenate(levels))
    order = np.argsort(-highest, kind="stable")
    ones, others = np.divmod(keys[order], count + 1)
    return list(zip(highest[order].tolist(), ones.tolist(), others.tolist(), strict=True))


def _follow(leader: NDArray[np.int64], hill: int) -> int:
    """Return the highest hill that this one has been joined to."""
    while leader[hill] != hill:
        hill = int(leader[hill])
    return hill

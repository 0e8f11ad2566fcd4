"""Finds pixels that are no picture: the black or white that registration, rotation, stitching and annotation leave.

Only the darkest and the brightest value that the image's type can hold are looked at. Such a value is fill where its
area ends abruptly: a clipped background fades into the values next to it, and so does an overexposed nucleus.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.normalise import estimate_noise
from napari_unet_nuclei.core.types import Mask

SMALLEST_SHARE = 0.001
"""Fill that does not touch the rim is at least this share of the pixels; less leads no percentile astray."""

ABRUPT = 0.3
"""An edge of fill jumps by at least this share of the way from the fill's value to the picture's median."""

ABRUPT_SHARE = 0.9
"""Share of the edges of fill that jump so; blurred edges of overexposed nuclei jump so far only now and then."""

NOISE_JUMP = 4.0
"""And by at least so many standard deviations of the noise: the noise of a dark background is cut off at 0 as well."""

LEVELS_JUMP = 3.0
"""And by at least so many grey levels of an integer image."""

MOST_SEGMENTS = 3.0
"""Runs of picture in a row that also holds fill, on average: objects on a background set to 0 make many."""

SPECKS_SHARE = 0.05
"""Fill below this share of the pixels may divide rows into any number of runs: letters of a time stamp do."""


def find_fill(colours: NDArray[np.floating], dtype: np.dtype[Any]) -> tuple[float, ...]:
    """Tell which values stand for fill in a plane.

    Parameters
    ----------
    colours : ndarray, shape (C, Y, X), float
        Pixels of a plane, or of rows of it; fill has the same value in all channels. May hold NaN.
    dtype : numpy.dtype
        Of the image as stored.

    Returns
    -------
    tuple of float
        None, one or both of 0 and the type's largest value (1 for floats).
    """
    if 0 in colours.shape or dtype.kind == "b":
        return ()
    largest = 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)
    found = []
    for value in (0.0, largest):
        mask = is_fill(colours, (value,))
        if _is_fill(colours, mask, value, dtype):
            found.append(value)
    return tuple(found)


def is_fill(colours: NDArray[np.floating], values: tuple[float, ...]) -> Mask:
    """Tell which pixels (Y, X) have one of the values in all channels (C, Y, X)."""
    mask = np.zeros(colours.shape[1:], bool)
    for value in values:
        mask |= (colours == value).all(axis=0)
    return mask


def _is_fill(colours: NDArray[np.floating], mask: Mask, value: float, dtype: np.dtype[Any]) -> bool:
    """Tell whether pixels of one value are fill."""
    share = float(mask.mean())
    touches_rim = bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
    if share in (0.0, 1.0) or not (touches_rim or share > SMALLEST_SHARE):
        return False
    if share > SPECKS_SHARE and _segments(~mask) > MOST_SEGMENTS:
        return False
    grey = colours.mean(axis=0)
    jumps = _jumps(grey, mask)
    if not jumps.size:
        return False
    picture = grey[~mask & np.isfinite(grey)]
    noise = estimate_noise(np.where(mask, np.nan, grey))
    levels = LEVELS_JUMP if dtype.kind in "iu" else 0.0
    needed = max(ABRUPT * abs(float(np.median(picture)) - value), NOISE_JUMP * noise, levels)
    return bool(np.mean(jumps > needed) >= ABRUPT_SHARE)


def _segments(picture: Mask) -> float:
    """Mean number of runs of picture in the rows that hold both picture and fill."""
    mixed = picture[picture.any(axis=1) & ~picture.all(axis=1)]
    if not len(mixed):
        return 0.0
    starts = np.diff(np.pad(mixed, ((0, 0), (1, 0))).astype(np.int8), axis=1) == 1
    return float(starts.sum(axis=1).mean())


def _jumps(grey: NDArray[np.floating], mask: Mask) -> NDArray[np.floating]:
    """Differences between neighbours of which one is fill."""
    across = mask[:, 1:] != mask[:, :-1]
    down = mask[1:] != mask[:-1]
    jumps = np.concatenate([np.abs(np.diff(grey, axis=1))[across], np.abs(np.diff(grey, axis=0))[down]])
    return np.asarray(jumps[np.isfinite(jumps)])

"""Tell by the values whether samples of a pixel are colours, stains or planes, and what a table of colours means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALES = (1.0, 255.0, 65535.0)
"""White in pictures of floating-point numbers, of 8 and of 16 bits."""

OVERSHOOT = 0.05
"""Share of white by which resampled pictures exceed their scale."""

ALL_OR_NOTHING = 0.9
"""Share of pixels that are opaque or transparent, where a sample is opacity; the others are soft edges."""

BRIGHT_GROUND = 0.3
"""Share of white: in every colour, the background of transmitted light is brighter. Frames and planes of fluorescence
are darker."""

TINGE = 0.05
"""Share of white by which the colours of what absorbs light differ; in a grey image over time they hardly do."""

TOGETHER = 0.5
"""Least correlation of a colour with the mean of all in a picture of transmitted light: they show the same tissue."""

FEWEST_STEPS = 16
"""A table with fewer colours in use says nothing about their order."""

SMOOTH = 3.0
"""Way that the colours of a look-up table go, in ranges of a colour: 1 for a ramp, 2 for a rainbow. Tables that were
fitted to a picture go back and forth: 20 and more."""

FALLING = -0.5
"""Correlation of brightness with the index below which a smooth table is no look-up table but a sorted palette."""


def has_colour_values(samples: NDArray[Any]) -> bool:
    """Tell whether three or four samples per pixel (..., S) have the values of a colour picture.

    They have 8 or 16 bits, or lie on the scale of such pictures or between 0 and 1, and a fourth is opacity.
    """
    if samples.dtype.kind not in "buif" or samples.size == 0:
        return False
    if samples.shape[-1] == 4 and not is_opacity(samples[..., 3]):
        return False
    if samples.dtype.kind == "b" or samples.dtype in (np.uint8, np.uint16):
        return True
    colours = samples[..., :3]
    known = colours[np.isfinite(colours)] if colours.dtype.kind == "f" else colours
    if not known.size:
        return False
    low, high = float(known.min()), float(known.max())
    if samples.dtype.kind == "f" and low >= -OVERSHOOT and high <= 1 + OVERSHOOT:
        return True
    is_whole = samples.dtype.kind != "f" or bool(np.array_equal(known, np.trunc(known)))
    return is_whole and low >= 0 and high <= SCALES[-1]


def is_opacity(sample: NDArray[Any]) -> bool:
    """Tell whether a sample is opacity: nearly all pixels are at the top of a scale, or at 0 beside such."""
    top = sample.max(initial=0)
    if float(top) not in (*SCALES, *((float(np.iinfo(sample.dtype).max),) if sample.dtype.kind in "ui" else ())):
        return False
    return bool(np.mean((sample == 0) | (sample == top)) >= ALL_OR_NOTHING)


def is_transmitted_light(colours: NDArray[Any]) -> bool:
    """Tell whether three planes (..., 3) are red, green and blue of one picture of stained tissue.

    Its background is bright in all of them, what absorbs light is tinged, and all show the same.
    """
    values = colours.reshape(-1, 3).astype(np.float64)
    if colours.dtype.kind != "u" or not len(values):
        return False
    white = float(np.iinfo(colours.dtype).max)
    grey = values.mean(axis=1)
    dark = values[grey <= np.percentile(grey, 25)]
    if np.median(values, axis=0).min() < BRIGHT_GROUND * white or np.ptp(dark.mean(axis=0)) < TINGE * white:
        return False
    if not grey.std() or not values.std(axis=0).all():
        return False
    return all(np.corrcoef(one, grey)[0, 1] >= TOGETHER for one in values.T)


def is_look_up_table(table: NDArray[np.floating], indices: NDArray[np.integer]) -> bool:
    """Tell whether a table of colours (N, 3), 0 to 1, only tints the indices in use, which are then intensities."""
    in_use = np.unique(indices[indices < len(table)])
    if len(in_use) < FEWEST_STEPS:
        return False
    # Between the first and the last in use: a table may be filled up with anything.
    table = table[int(in_use[0]) : int(in_use[-1]) + 1]
    ranges = np.ptp(table, axis=0).sum()
    if not ranges:
        return False
    way = np.abs(np.diff(table, axis=0)).sum()
    brightness = table.mean(axis=1)
    rising = np.corrcoef(np.arange(len(table)), brightness)[0, 1] if brightness.std() else 0.0
    return bool(way <= SMOOTH * ranges and rising > FALLING)


def without_blank_opacity(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """Drop an opacity that is 0 everywhere, as some programs write it: such a picture would show nothing."""
    place = axes.find("S")
    if place < 0 or len(axes) != array.ndim or array.shape[place] not in (2, 4) or array.take(-1, axis=place).any():
        return array
    return array.take(range(array.shape[place] - 1), axis=place)

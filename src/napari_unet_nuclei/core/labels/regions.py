"""Rectangles of pixels, and boxes of voxels: grow, clip, intersect, and bound masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.types import Box, Mask, Region


def slices(region: Box) -> tuple[slice, ...]:
    """Return a region, or a box of more axes, as a slice for each axis."""
    return tuple(slice(first, end) for first, end in zip(region[::2], region[1::2], strict=True))


def moved(box: Box, steps: Sequence[int]) -> Box:
    """Move a box by so many pixels along each axis.

    Examples
    --------
    >>> moved((1, 4, 5, 9), (10, -5))
    (11, 14, 0, 4)
    """
    return tuple(edge + int(step) for edge, step in zip(box, np.repeat(steps, 2), strict=True))


def within(box: Box, outer: Box) -> tuple[slice, ...]:
    """Return where a box lies in an array that holds an outer box."""
    return slices(moved(box, [-first for first in outer[::2]]))


def grown(region: Region, margin: int, shape: Sequence[int]) -> Region:
    """Grow a region on all sides, clipped to the plane.

    Examples
    --------
    >>> grown((1, 4, 5, 9), 2, (10, 10))
    (0, 6, 3, 10)
    """
    y0, y1, x0, x1 = region
    return max(y0 - margin, 0), min(y1 + margin, shape[0]), max(x0 - margin, 0), min(x1 + margin, shape[1])


def united(regions: Sequence[Region]) -> Region:
    """Return the bounding box of one or more regions."""
    y0, y1, x0, x1 = zip(*regions, strict=True)
    return min(y0), max(y1), min(x0), max(x1)


def pixel(point: Sequence[float], shape: Sequence[int]) -> tuple[int, int]:
    """Return the pixel at a point (y, x); pixel centres lie at whole numbers.

    Raise EditError if the point lies outside the plane.
    """
    y, x = point
    # Pixels reach half a pixel beyond their centres.
    if not (-0.5 <= y < shape[0] - 0.5 and -0.5 <= x < shape[1] - 0.5):
        raise EditError("The point lies outside the image: click inside.")
    # Python's round would send halves to even numbers, and every second pixel would be larger.
    return int(np.floor(y + 0.5)), int(np.floor(x + 0.5))


def shared(one: Region, other: Region) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the intersection of two overlapping regions, as slices into either."""
    y0, y1, x0, x1 = (
        max(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        min(one[3], other[3]),
    )
    (oy, _, ox, _), (ty, _, tx, _) = one, other
    return slices((y0 - oy, y1 - oy, x0 - ox, x1 - ox)), slices((y0 - ty, y1 - ty, x0 - tx, x1 - tx))


def extent(mask: Mask, region: Region) -> Region:
    """Return the bounding box of a non-empty mask that lies at ``region``."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    y, x = region[0], region[2]
    return y + int(rows[0]), y + int(rows[-1]) + 1, x + int(columns[0]), x + int(columns[-1]) + 1


def clipped(region: Region, shape: Sequence[int]) -> Region:
    """Clip a region to the plane.

    Raise EditError if nothing of it lies in the plane.
    """
    y0, y1, x0, x1 = region
    inside = max(y0, 0), min(y1, shape[0]), max(x0, 0), min(x1, shape[1])
    if inside[0] >= inside[1] or inside[2] >= inside[3]:
        raise EditError("The box lies outside the image: draw it inside.")
    return inside

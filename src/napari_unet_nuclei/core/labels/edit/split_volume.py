"""Split a nucleus that extends through planes, on the distance to its outline in its own box.

The largest part keeps the id of the nucleus.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.basins import Heights, divided, two_summits
from napari_unet_nuclei.core.labels.edit.edit import Change, edit_of
from napari_unet_nuclei.core.labels.edit.split_merge import CLEAR_NECK, SMALLEST_SHARE
from napari_unet_nuclei.core.labels.edit.volume import StackEdit, sections
from napari_unet_nuclei.core.labels.regions import pixel, slices, united
from napari_unet_nuclei.core.types import AnyArray, Labels, Mask, Region


def split_volume(stack: AnyArray, nucleus: int, next_id: int, spacing: float = 1.0) -> StackEdit:
    """Split a nucleus of a stack (Z, Y, X) at its clearest waist; the smaller half gets the id ``next_id``.

    ``spacing`` is the distance of planes in pixels. Raise EditError if there is no such nucleus, or it has no waist.
    """
    first, region, mask = _cut_out(stack, nucleus)
    heights = _outline_distance(mask, spacing)
    seeds = two_summits(heights, mask, CLEAR_NECK)
    parts = np.zeros(mask.shape, np.int32) if seeds is None else divided(heights, mask, seeds)
    sizes = np.bincount(parts.ravel(), minlength=3)[1:]
    if sizes.min() < SMALLEST_SHARE * np.count_nonzero(mask):
        raise EditError(f"Nucleus {nucleus} has no waist to split it at: click once in each part of it (T).")
    return _edit(stack, nucleus, (first, region, parts), next_id)


def split_volume_by_points(
    stack: AnyArray, nucleus: int, points: Sequence[Sequence[float]], next_id: int, spacing: float = 1.0
) -> StackEdit:
    """Split a nucleus of a stack (Z, Y, X) into one part for each clicked point (z, y, x), numbered from ``next_id``.

    The cut runs through the waists between the points, or midway where there is none. ``spacing`` is the distance of
    planes in pixels. Raise EditError if there is no such nucleus, a point lies outside it, or fewer than two are
    distinct.
    """
    first, region, mask = _cut_out(stack, nucleus)
    y0, y1, x0, x1 = region
    seeds = np.zeros(mask.shape, np.int32)
    for number, (plane, *point) in enumerate(points, start=1):
        z, (y, x) = round(plane) - first, pixel(point, stack.shape[1:])
        inside = 0 <= z < len(mask) and y0 <= y < y1 and x0 <= x < x1 and mask[z, y - y0, x - x0]
        if not inside:
            raise EditError(f"Point {number} of {len(points)} lies outside nucleus {nucleus}: click inside it.")
        seeds[z, y - y0, x - x0] = number
    if np.count_nonzero(seeds) < 2:
        raise EditError(f"Click at least twice inside nucleus {nucleus}: once for each nucleus that it should become.")
    heights = _outline_distance(mask, spacing)
    # Two seeds on one hill have no waist between them.
    hills = divided(heights, mask)[seeds > 0]
    if len(np.unique(hills)) < len(hills):
        nearness = -ndimage.distance_transform_edt(seeds == 0, sampling=(spacing, 1.0, 1.0))
        heights = np.asarray(nearness, np.float32)
    return _edit(stack, nucleus, (first, region, divided(heights, mask, seeds)), next_id)


def _cut_out(stack: AnyArray, nucleus: int) -> tuple[int, Region, Mask]:
    """Return the first plane of a nucleus, its box in all planes, and its mask (Z, Y, X) there."""
    boxes = sections(stack, nucleus)
    first, region = min(boxes), united(list(boxes.values()))
    return first, region, np.asarray(stack[(slice(first, max(boxes) + 1), *slices(region))]) == nucleus


def _outline_distance(mask: Mask, spacing: float) -> Heights:
    """Distance in pixels to the outline, smoothed over a pixel in all directions."""
    # With a rim of background, the edge of a cut-out counts as outline.
    framed = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=(spacing, 1.0, 1.0))[1:-1, 1:-1, 1:-1]
    return np.asarray(ndimage.gaussian_filter(framed, (1.0 / spacing, 1.0, 1.0)), np.float32)


def _edit(stack: AnyArray, nucleus: int, parts: tuple[int, Region, Labels], next_id: int) -> StackEdit:
    """Make the edit; ``parts`` are the first plane, the box, and numbers from 1 in it, 0 for what stays as it is."""
    first, region, numbers = parts
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    moved = np.setdiff1d(np.flatnonzero(sizes), sizes.argmax())
    if not moved.size:
        raise EditError(f"The points lie too close together, or nucleus {nucleus} is too small to split.")
    ids: NDArray[np.int64] = np.full(len(sizes), nucleus, np.int64)
    ids[moved] = next_id + np.arange(len(moved))
    title = f"Split nucleus {nucleus}"
    edits = {}
    for number, plane in enumerate(numbers):
        if np.isin(plane, moved).any():
            edits[first + number] = edit_of(stack[first + number], [Change(region, plane > 0, ids[plane])], title)
    return StackEdit(edits, title)

"""Edits of single nuclei that neither merge nor split them: delete, fill holes, smooth, clear the image's edge."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.components import largest_piece
from napari_unet_nuclei.core.labels.edit.edit import (
    NO_HINTS,
    Change,
    Edit,
    Hints,
    check_plane,
    cut_out,
    edit_of,
    hints_at,
    read_patch,
)
from napari_unet_nuclei.core.labels.holes import fill_holes as filled_holes
from napari_unet_nuclei.core.labels.regions import clipped
from napari_unet_nuclei.core.types import AnyArray, Region


def delete(labels: AnyArray, nucleus: int, *, hints: Hints = NO_HINTS) -> Edit:
    """Remove a nucleus; raise EditError if it does not exist."""
    region, mask = cut_out(labels, nucleus, hints)
    return edit_of(labels, [Change(region, mask, 0)], f"Delete nucleus {nucleus}")


def fill_holes(labels: AnyArray, nucleus: int, *, hints: Hints = NO_HINTS) -> Edit:
    """Fill the background that a nucleus encloses; background between it and another nucleus stays.

    Raise EditError if there is no such nucleus, or it has no hole.
    """
    region, mask = cut_out(labels, nucleus, hints)
    others = read_patch(labels, region) > 0
    # Other nuclei count as one more label: holes between two of them are enclosed by two labels and stay open.
    holes = filled_holes(np.where(mask, 1, 2 * others).astype(np.int32)) == 1
    if not (holes & ~mask).any():
        raise EditError(f"Nucleus {nucleus} has no holes.")
    return edit_of(labels, [Change(region, holes & ~mask, nucleus)], f"Fill holes of nucleus {nucleus}")


def smooth(labels: AnyArray, nucleus: int, radius: float, *, hints: Hints = NO_HINTS) -> Edit:
    """Smooth the outline of a nucleus and keep its area; other nuclei do not change.

    Spikes and notches narrower than about twice the radius, in pixels, vanish. Raise EditError if there is no such
    nucleus, the radius is not above 0 and at most 1000, or nothing changes.
    """
    if not 0 < radius <= 1000:
        raise EditError(f"The smoothing radius must be above 0 and at most 1000 pixels, not {radius}.")
    region, mask = cut_out(labels, nucleus, hints, margin=int(np.ceil(2 * radius)) + 1)
    free = mask | (read_patch(labels, region) == 0)
    # "nearest": a nucleus cut by the image's edge continues beyond it.
    share = ndimage.gaussian_filter(mask.astype(np.float32), radius, mode="nearest")
    # The level that as many free pixels exceed as the nucleus had: smoothing alone would shrink it.
    level = np.sort(share[free])[-np.count_nonzero(mask)]
    # Above 0, for a level of 0 would take in all pixels that the blur does not reach.
    smoothed = ndimage.binary_fill_holes(largest_piece(free & (share >= max(level, 1e-3)))) & free
    ids = np.where(smoothed, nucleus, 0)
    return edit_of(labels, [Change(region, smoothed | mask, ids)], f"Smooth nucleus {nucleus}")


def clear_border(labels: AnyArray, region: Region | None = None) -> Edit:
    """Delete all nuclei that touch the edge of a region, or of the image.

    Raise EditError if the region lies outside the plane, or no nucleus touches its edge.
    """
    check_plane(labels)
    height, width = labels.shape
    y0, y1, x0, x1 = clipped(region or (0, height, 0, width), labels.shape)
    hints: dict[int, Region] = {}
    for side in ((y0, y0 + 1, x0, x1), (y1 - 1, y1, x0, x1), (y0, y1, x0, x0 + 1), (y0, y1, x1 - 1, x1)):
        # One pixel of each nucleus on the edge is a hint from which the rest of it is found.
        ids = read_patch(labels, side)
        rows, columns = np.indices(ids.shape).reshape(2, -1)
        hints |= hints_at(ids.ravel(), rows + side[0], columns + side[2])
    if not hints:
        raise EditError("No nucleus touches the edge.")
    changes = [Change(*cut_out(labels, nucleus, hints), 0) for nucleus in hints]
    return edit_of(labels, changes, "Clear the edge")

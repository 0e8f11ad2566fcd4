"""Edits that find nuclei: from a rough outline, from a click on a missed one, in a box with other thresholds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.basins import Heights, divided, find_basins
from napari_unet_nuclei.core.labels.components import FEWEST_PIXELS, largest_piece
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps, heights_of
from napari_unet_nuclei.core.labels.edit.edit import Change, Edit, check_plane, edit_of, read_patch, trimmed
from napari_unet_nuclei.core.labels.edit.polygon_fill import filled
from napari_unet_nuclei.core.labels.metrics.overlaps import find_overlaps
from napari_unet_nuclei.core.labels.regions import clipped, grown, pixel, slices
from napari_unet_nuclei.core.types import AnyArray, Labels, Mask, QuantisedMaps, Region

USUAL_DIAMETER = 22.0
"""Of nuclei, in pixels of the model's own scale."""

LARGEST_DIAMETERS = 3.0
"""A click adds a nucleus of at most the area of a circle this many usual diameters wide."""

FAINTEST = 13
"""Foreground of 0 to 255 below which there is nothing to grow."""


def add_from_outline(labels: AnyArray, polygon: ArrayLike, next_id: int) -> Edit:
    """Add a nucleus that fills the background inside a drawn outline.

    Parameters
    ----------
    labels : array_like, shape (Y, X), int
    polygon : array_like, shape (N, 2)
        Corners (y, x) in pixels; it may leave the image.
    next_id : int
        Its id: free in all planes.

    Raises
    ------
    EditError
        If the outline has fewer than three corners, or holds too little background in one piece.
    """
    check_plane(labels)
    corners = np.asarray(polygon, float)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise EditError("An outline needs at least three corners (y, x).")
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int) + 1
    region = clipped((int(low[0]), int(high[0]), int(low[1]), int(high[1])), labels.shape)
    shape = (region[1] - region[0], region[3] - region[2])
    inside = filled(shape, corners - (region[0], region[2]))
    mask = largest_piece(inside & (read_patch(labels, region) == 0))
    if np.count_nonzero(mask) < FEWEST_PIXELS:
        raise EditError(
            "The outline holds no background to fill: draw it round a place without a nucleus, or delete the one there."
        )
    return edit_of(labels, [trimmed(region, mask, next_id)], f"Add nucleus {next_id}")


def add_from_click(
    labels: AnyArray, point: tuple[float, float], maps: QuantisedMaps, thresholds: DecodeThresholds, next_id: int
) -> Edit:
    """Add a missed nucleus at a click: what is at least half as bright in the foreground map as its middle.

    Neighbours that have a label, and those whose summit a notch sets apart, keep their side of the valley.

    Parameters
    ----------
    labels : array_like, shape (Y, X), int
    point : tuple of float
        (y, x) in pixels.
    maps : ndarray, shape (3, Y, X), uint8
        Cached foreground, border and distance of the plane.
    thresholds : DecodeThresholds
        Those of ``labels``.
    next_id : int
        Its id: free in all planes.

    Raises
    ------
    EditError
        If a nucleus is there already, or the network saw nothing there that ends within a plausible size.
    """
    check_plane(labels)
    y, x = pixel(point, labels.shape)
    radius = LARGEST_DIAMETERS / 2 * USUAL_DIAMETER * thresholds.scale
    window = grown((y, y + 1, x, x + 1), int(np.ceil(2 * radius)), labels.shape)
    here = read_patch(labels, window)
    spot = (y - window[0], x - window[2])
    if here[spot] > 0:
        raise EditError(f"Nucleus {here[spot]} is there already: click on background.")
    seen = maps[:, *slices(window)]
    foreground, border, distance = seen
    evidence = ndimage.gaussian_filter(distance.astype(np.float32) + foreground - border, thresholds.scale)
    spot = _uphill(evidence, here == 0, spot)
    brightest = int(foreground[spot])
    if brightest < FAINTEST:
        raise EditError("The network saw nothing there: draw an outline instead.")
    others = _other_summits(seen, (here == 0) & (foreground >= FAINTEST), thresholds, spot)
    seeds = np.where(here > 0, 1, others).astype(np.int32)
    seeds[spot] = 2
    highest = min(brightest - 1, int(255 * thresholds.foreground))
    for level in np.linspace(min(brightest // 2, highest), brightest - 1, 8).astype(int):
        flooded = divided(evidence, (foreground > level) | (here > 0) | (seeds > 0), seeds)
        mask = largest_piece((flooded == 2) & (here == 0))
        whole = largest_piece(ndimage.binary_fill_holes(mask) & (here == 0))
        if FEWEST_PIXELS <= np.count_nonzero(whole) <= np.pi * radius**2:
            return edit_of(labels, [trimmed(window, whole, next_id)], f"Add nucleus {next_id}")
    raise EditError("What the network saw there is no single nucleus: draw an outline instead.")


def resegment_box(
    labels: AnyArray, region: Region, maps: QuantisedMaps, thresholds: DecodeThresholds, next_id: int
) -> Edit:
    """Find the nuclei in a box again, with other thresholds.

    Nuclei that the edge of the box cuts stay as they are. Those that come out as they were keep their ids.

    Parameters
    ----------
    labels : array_like, shape (Y, X), int
    region : Region
        The box, in pixels; it may leave the image.
    maps : ndarray, shape (3, Y, X), uint8
        Cached foreground, border and distance of the plane.
    thresholds : DecodeThresholds
    next_id : int
        Id of the first new nucleus, the others following: free in all planes.

    Raises
    ------
    EditError
        If the box holds no pixel of the plane, or the nuclei in it come out as they are.
    """
    check_plane(labels)
    region = clipped(region, labels.shape)
    ring = grown(region, 1, labels.shape)
    old = read_patch(labels, region)
    staying = np.isin(old, _crossing(read_patch(labels, ring), region, ring)) & (old > 0)
    # Decoded with what lies around, so that the box leaves no trace in what comes out.
    outer = grown(region, round(2 * USUAL_DIAMETER * thresholds.scale), labels.shape)
    decoded = decode_maps(maps[:, *slices(outer)], thresholds)
    found = decoded[_within(region, outer)]
    found = np.where(np.isin(found, _crossing(decoded, region, outer)), 0, found)
    found = _beside(found, staying)
    replaced = np.where(staying, 0, old)
    ids = np.where(staying, old, _numbered(found, replaced, next_id))
    return edit_of(labels, [Change(region, np.ones(old.shape, bool), ids)], "Segment the box again")


def _uphill(heights: Heights, mask: Mask, spot: tuple[int, int]) -> tuple[int, int]:
    """Climb from a click, which seldom meets the middle, to the summit that it belongs to."""
    summits = find_basins(heights, mask)
    basin = summits.basin[np.searchsorted(summits.pixels, np.ravel_multi_index(spot, mask.shape))]
    y, x = np.unravel_index(int(summits.summits[basin]), mask.shape)
    return int(y), int(x)


def _other_summits(
    maps: QuantisedMaps, mask: Mask, thresholds: DecodeThresholds, spot: tuple[int, int]
) -> NDArray[np.int32]:
    """Number, from 3, the summits of other nuclei than the one clicked; 0 elsewhere."""
    basins = find_basins(heights_of(maps, thresholds.scale), mask)
    roots = basins.forest.roots(thresholds.split)
    own = roots[basins.labelled(np.arange(len(roots)))[spot]]
    others = np.setdiff1d(roots, own)
    seeds = np.zeros(mask.shape, np.int32)
    seeds.ravel()[basins.summits[others]] = 3 + np.arange(len(others))
    return seeds


def _crossing(ids: NDArray[np.integer], region: Region, outer: Region) -> NDArray[np.integer]:
    """List the ids that lie both in a region and outside it, in a patch that reaches from it to ``outer``."""
    outside = np.ones(ids.shape, bool)
    outside[_within(region, outer)] = False
    return np.setdiff1d(np.intersect1d(ids[~outside], ids[outside]), [0])


def _within(region: Region, outer: Region) -> tuple[slice, slice]:
    """Index of a region in a patch of ``outer``."""
    return slices((region[0] - outer[0], region[1] - outer[0], region[2] - outer[2], region[3] - outer[2]))


def _beside(found: Labels, staying: Mask) -> Labels:
    """Take found nuclei from the pixels of those that stay; what loses half of its area was the same."""
    whole = np.bincount(found.ravel())
    left = np.where(staying, 0, found).astype(np.int32)
    result = np.zeros_like(left)
    for nucleus in np.unique(left[left > 0]).tolist():
        piece = largest_piece(left == nucleus)
        area = np.count_nonzero(piece)
        if area >= FEWEST_PIXELS and 2 * area > whole[nucleus]:
            result[piece] = nucleus
    return result


def _numbered(found: Labels, old: NDArray[np.integer], next_id: int) -> NDArray[np.int64]:
    """Give found nuclei new ids, but those that were there, to the pixel, their old ones."""
    ids, overlaps = np.unique(found[found > 0]), find_overlaps(old, found)
    old_ids = np.unique(old[old > 0])
    same = (overlaps.shared == overlaps.true_areas[overlaps.true_index]) & (
        overlaps.shared == overlaps.predicted_areas[overlaps.predicted_index]
    )
    new_ids = np.zeros(int(found.max(initial=0)) + 1, np.int64)
    new_ids[ids[overlaps.predicted_index[same]]] = old_ids[overlaps.true_index[same]]
    fresh = ids[new_ids[ids] == 0]
    new_ids[fresh] = next_id + np.arange(len(fresh))
    return np.asarray(new_ids[found])

"""Edits of single nuclei that neither merge nor split them: add, delete, fill holes, smooth, clear the image's edge.

A nucleus is added from a drawn outline, or by a click: from the network's maps, or from the image alone where there are
none; a box may be segmented again with other thresholds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.basins import Heights, divided, find_basins
from napari_unet_nuclei.core.labels.components import FEWEST_PIXELS, largest_piece
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps
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
    trimmed,
)
from napari_unet_nuclei.core.labels.edit.polygon_fill import filled
from napari_unet_nuclei.core.labels.heights import heights_of
from napari_unet_nuclei.core.labels.holes import fill_holes as filled_holes
from napari_unet_nuclei.core.labels.metrics.overlaps import find_overlaps
from napari_unet_nuclei.core.labels.numbering import small_ids
from napari_unet_nuclei.core.labels.regions import clipped, grown, pixel, slices, within
from napari_unet_nuclei.core.types import AnyArray, Labels, Mask, QuantisedMaps, Region

USUAL_DIAMETER = 22.0
"""Diameter of a usual nucleus, in pixels at the model's own scale."""

LARGEST_DIAMETERS = 3.0
"""Diameter of the largest nucleus that a click adds, in usual diameters."""

LEVELS = 8
"""Levels of foreground that a click tries, from half of the brightness there up to just below it."""

FAINTEST = 13
"""Foreground, 0 to 255, below which there is nothing to grow from: about 5 %."""

IMAGE_SMOOTHING = 0.05
"""Smoothing of the image, in diameters, where a nucleus is added from it: about one pixel for usual nuclei."""

REACH = 0.2
"""Radius around the click, in diameters, in which the brightness of the nucleus is taken."""

DARKEST = 10
"""Percentile of the background around the click that counts as background: neighbours may cover most of the rest."""

IMAGE_LEVELS = np.linspace(0.5, 0.95, 10)
"""Brightness of the edge between background (0) and nucleus (1): half first, higher where that runs into neighbours."""

LARGEST_AREA = 4.0
"""Largest area of a nucleus added from the image, in areas of a usual one."""

LEAST_CONTRAST = 3.0
"""Least difference between nucleus and background, in median differences of neighbouring pixels, which are noise."""


def add_from_outline(labels: AnyArray, polygon: ArrayLike, next_id: int) -> Edit:
    """Add nucleus ``next_id``, which fills the background inside a drawn polygon (N, 2) of (y, x) in pixels.

    The outline may leave the image. Raise EditError if it has fewer than three corners, or encloses too little
    connected background.
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
            "There is no background to fill inside the outline: draw it where there is no nucleus, or delete the one "
            "there."
        )
    return edit_of(labels, [trimmed(region, mask, next_id)], f"Add nucleus {next_id}")


def add_from_click(
    labels: AnyArray, point: tuple[float, float], maps: QuantisedMaps, thresholds: DecodeThresholds, next_id: int
) -> Edit:
    """Add a missed nucleus at a click (y, x): the area at least half as bright in the foreground map as its middle.

    Labelled neighbours, and unlabelled ones separated by a notch, keep their side of the valley. ``maps`` (3, Y, X) are
    those of the plane, ``thresholds`` the ones ``labels`` were decoded with.

    Raise EditError if there is a nucleus already, or the network saw nothing of a plausible size there.
    """
    check_plane(labels)
    y, x = pixel(point, labels.shape)
    radius = LARGEST_DIAMETERS / 2 * USUAL_DIAMETER * thresholds.scale
    # Twice the largest radius: neighbours whose summits lie outside the largest nucleus must still hold their ground.
    window = grown((y, y + 1, x, x + 1), int(np.ceil(2 * radius)), labels.shape)
    here = read_patch(labels, window)
    spot = (y - window[0], x - window[2])
    if here[spot] > 0:
        raise EditError(f"There is nucleus {here[spot]} already: click on background.")
    seen = maps[:, *slices(window)]
    foreground, border, distance = seen
    # Foreground counts too, unlike in decoding: the distance map is often flat where a nucleus was missed.
    evidence = ndimage.gaussian_filter(distance.astype(np.float32) + foreground - border, thresholds.scale)
    # From the summit of the clicked basin: its brightness is that of the nucleus.
    spot = _uphill(evidence, here == 0, spot)
    brightest = int(foreground[spot])
    if brightest < FAINTEST:
        raise EditError("The network saw nothing there: draw an outline instead.")
    # Everything that must not become part of the new nucleus floods along with it: labelled nuclei share seed 1, other
    # unlabelled nuclei have seeds of their own, the clicked one is seed 2.
    others = _other_summits(seen, (here == 0) & (foreground >= FAINTEST), thresholds, spot)
    seeds = np.where(here > 0, 1, others).astype(np.int32)
    seeds[spot] = 2
    # Never start above the usual threshold, or a bright nucleus would come out smaller than its neighbours.
    highest = min(brightest - 1, int(255 * thresholds.foreground))
    # At half of its brightness first; where that leaks into a veil of foreground, at ever higher levels until what is
    # left has a plausible size.
    for level in np.linspace(min(brightest // 2, highest), brightest - 1, LEVELS).astype(int):
        flooded = divided(evidence, (foreground > level) | (here > 0) | (seeds > 0), seeds)
        mask = largest_piece((flooded == 2) & (here == 0))
        # Filling can run over a labelled nucleus, and cutting that out again can divide the area.
        whole = largest_piece(ndimage.binary_fill_holes(mask) & (here == 0))
        if FEWEST_PIXELS <= np.count_nonzero(whole) <= np.pi * radius**2:
            return edit_of(labels, [trimmed(window, whole, next_id)], f"Add nucleus {next_id}")
    raise EditError("The network saw no single nucleus there: draw an outline instead.")


def resegment_box(
    labels: AnyArray, region: Region, maps: QuantisedMaps, thresholds: DecodeThresholds, next_id: int
) -> Edit:
    """Segment a box, which may leave the image, again with other thresholds, from the maps (3, Y, X) of the plane.

    Nuclei cut by the edge of the box stay as they are. Nuclei that come out unchanged keep their ids; the others are
    numbered from ``next_id``. Raise EditError if the box lies outside the plane, or nothing changes.
    """
    check_plane(labels)
    region = clipped(region, labels.shape)
    # One pixel beyond the box shows which nuclei its edge cuts.
    ring = grown(region, 1, labels.shape)
    old = read_patch(labels, region)
    staying = np.isin(old, _crossing(read_patch(labels, ring), region, ring)) & (old > 0)
    # Decoded with a margin, so that the box leaves no trace: its edge must neither cut basins nor shift the smoothing.
    outer = grown(region, round(2 * USUAL_DIAMETER * thresholds.scale), labels.shape)
    decoded = decode_maps(maps[:, *slices(outer)], thresholds)
    found = decoded[within(region, outer)]
    # What reaches beyond the box belongs to the surroundings, which were not to be changed.
    found = np.where(np.isin(found, _crossing(decoded, region, outer)), 0, found)
    found = _beside(found, staying)
    replaced = np.where(staying, 0, old)
    ids = np.where(staying, old, _numbered(found, replaced, next_id))
    return edit_of(labels, [Change(region, np.ones(old.shape, bool), ids)], "Segment the box again")


def _uphill(heights: Heights, mask: Mask, spot: tuple[int, int]) -> tuple[int, int]:
    """Climb from a click, which seldom hits the middle, to the summit of its basin."""
    summits = find_basins(heights, mask)
    basin = summits.basin[np.searchsorted(summits.pixels, np.ravel_multi_index(spot, mask.shape))]
    y, x = np.unravel_index(int(summits.summits[basin]), mask.shape)
    return int(y), int(x)


def _other_summits(
    maps: QuantisedMaps, mask: Mask, thresholds: DecodeThresholds, spot: tuple[int, int]
) -> NDArray[np.int32]:
    """Mark the summits of all other nuclei with numbers from 3; 0 elsewhere."""
    basins = find_basins(heights_of(maps, thresholds.scale), mask)
    roots = basins.forest.roots(thresholds.split)
    own = roots[basins.labelled(np.arange(len(roots)))[spot]]
    others = np.setdiff1d(roots, own)
    seeds = np.zeros(mask.shape, np.int32)
    seeds.ravel()[basins.summits[others]] = 3 + np.arange(len(others))
    return seeds


def _crossing(ids: NDArray[np.integer], region: Region, outer: Region) -> NDArray[np.integer]:
    """List the ids that occur both inside and outside a region, in a patch of ``outer``."""
    outside = np.ones(ids.shape, bool)
    outside[within(region, outer)] = False
    return np.setdiff1d(np.intersect1d(ids[~outside], ids[outside]), [0])


def _beside(found: Labels, staying: Mask) -> Labels:
    """Cut nuclei that stay out of found ones; drop those that lose half their area: they are the same nuclei."""
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
    """Number found nuclei: those identical to the pixel with an old one keep its id, the others get new ids."""
    ids, overlaps = np.unique(found[found > 0]), find_overlaps(old, found)
    old_ids = np.unique(old[old > 0])
    # Two nuclei are identical if they share all pixels of both.
    same = (overlaps.shared == overlaps.true_areas[overlaps.true_index]) & (
        overlaps.shared == overlaps.predicted_areas[overlaps.predicted_index]
    )
    new_ids = np.zeros(int(found.max(initial=0)) + 1, np.int64)
    new_ids[ids[overlaps.predicted_index[same]]] = old_ids[overlaps.true_index[same]]
    fresh = ids[new_ids[ids] == 0]
    new_ids[fresh] = next_id + np.arange(len(fresh))
    return np.asarray(new_ids[found])


def add_from_image(
    labels: AnyArray,
    point: tuple[float, float],
    image: AnyArray,
    diameter: float,
    next_id: int,
    *,
    is_dark: bool = False,
) -> Edit:
    """Add a missed nucleus at a click (y, x): the area at least half as bright as its middle, above its surroundings.

    Parameters
    ----------
    labels : ndarray, shape (Y, X)
    point : tuple of float
    image : ndarray, shape (Y, X)
        The channel that shows the nuclei.
    diameter : float
        Of a usual nucleus, in pixels.
    next_id : int
    is_dark : bool
        Nuclei are darker than their surroundings.

    Raises
    ------
    EditError
        If there is a nucleus already, or nothing of a plausible size stands out there.
    """
    check_plane(labels)
    y, x = pixel(point, labels.shape)
    window = grown((y, y + 1, x, x + 1), int(np.ceil(2 * diameter)), labels.shape)
    here = read_patch(labels, window)
    spot = (y - window[0], x - window[2])
    if here[spot] > 0:
        raise EditError(f"There is nucleus {here[spot]} already: click on background.")
    values = np.nan_to_num(np.asarray(image[slices(window)], np.float32))
    smooth = ndimage.gaussian_filter(-values if is_dark else values, max(IMAGE_SMOOTHING * diameter, 0.7))
    background = float(np.percentile(smooth[here == 0], DARKEST))
    rows, columns = np.ogrid[: smooth.shape[0], : smooth.shape[1]]
    near = np.hypot(rows - spot[0], columns - spot[1]) <= max(REACH * diameter, 1.0)
    bright = float(np.median(smooth[near & (here == 0)]))
    # Neighbouring pixels differ by noise alone, almost everywhere.
    noise = float(np.median(np.abs(np.diff(values, axis=1)))) if values.shape[1] > 1 else 0.0
    if bright - background <= LEAST_CONTRAST * noise:
        raise EditError("Nothing stands out there: draw an outline instead (Q).")
    for level in background + IMAGE_LEVELS * (bright - background):
        pieces, _ = ndimage.label((smooth > level) & (here == 0))
        if not pieces[spot]:
            continue
        piece = ndimage.binary_fill_holes(pieces == pieces[spot]) & (here == 0)
        if FEWEST_PIXELS <= np.count_nonzero(piece) <= LARGEST_AREA * np.pi / 4 * diameter**2:
            return edit_of(labels, [trimmed(window, piece, next_id)], f"Add nucleus {next_id}")
    raise EditError("No single nucleus stands out there: draw an outline instead (Q).")


def usual_diameter(labels: AnyArray) -> float:
    """Return the median diameter of the nuclei of a plane in pixels; that of usual nuclei where there are none.

    Examples
    --------
    >>> round(usual_diameter(np.ones((10, 10), int)), 1)
    11.3
    """
    areas = np.bincount(small_ids(labels))[1:]
    areas = areas[areas > 0]
    return float(np.sqrt(4 / np.pi * np.median(areas))) if len(areas) else USUAL_DIAMETER


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

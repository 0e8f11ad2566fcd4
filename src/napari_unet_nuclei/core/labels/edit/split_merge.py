"""Split one nucleus into several (in two, along a drawn line, from clicked seeds), and merge two into one.

Every part of a split nucleus is connected by the sides of its pixels; fragments of a few pixels join the part they
touch. The largest part keeps the id of the nucleus.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage import draw

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.basins import Heights, divided, outline_distance, two_summits
from napari_unet_nuclei.core.labels.components import label_components, largest_piece, tidy
from napari_unet_nuclei.core.labels.edit.edit import (
    NO_HINTS,
    Change,
    Edit,
    Hints,
    check_plane,
    cut_out,
    edit_of,
    find_box,
    hints_at,
    read_patch,
)
from napari_unet_nuclei.core.labels.heights import SMOOTHING
from napari_unet_nuclei.core.labels.regions import grown, pixel, slices, united
from napari_unet_nuclei.core.types import AnyArray, Labels, Mask, QuantisedMaps, Region

SMALLEST_SHARE = 0.08
"""A split that leaves less than this share of the nucleus to one half is rejected."""

CLEAR_NECK = 0.75
"""Pixels by which the distance to the outline must drop between two summits for a neck to count."""

CLEAR_BORDER = 0.08
"""How far distance minus border (0 to 1) must drop between two summits for a border to count."""

WIDEST_GAP = 10
"""Nuclei with more pixels of background between them are not merged."""

NEIGHBOUR_GAP = 2
"""Nuclei with at most this many pixels of background between them are neighbours."""


def split_in_two(
    labels: AnyArray, nucleus: int, next_id: int, *, maps: QuantisedMaps | None = None, hints: Hints = NO_HINTS
) -> Edit:
    """Split a nucleus where it most plausibly is two; the smaller half gets the id ``next_id``.

    Between the two clearest summits of the network's distance minus border if there are maps (3, Y, X), else of the
    distance to the outline; if neither has two, across the middle half where it is narrowest.

    Raise EditError if there is no such nucleus, or it is too small to split.
    """
    region, mask = cut_out(labels, nucleus, hints)
    candidates: list[tuple[Heights, float]] = [(outline_distance(mask), CLEAR_NECK)]
    if maps is not None:
        # The network's border first: it also separates nuclei that overlap without a neck.
        candidates.insert(0, (_border_evidence(maps, region), CLEAR_BORDER))
    for heights, least in candidates:
        seeds = two_summits(heights, mask, least)
        if seeds is not None:
            parts = tidy(divided(heights, mask, seeds), mask)
            if _balanced(parts):
                break
    else:
        parts = tidy(_across(mask), mask)
    return _edit(labels, [(nucleus, region, parts)], next_id, f"Split nucleus {nucleus}")


def split_by_line(
    labels: AnyArray, line: ArrayLike, next_id: int, *, nucleus: int | None = None, hints: Hints = NO_HINTS
) -> Edit:
    """Cut ``nucleus``, or all nuclei that the line crosses; new parts are numbered from ``next_id``.

    The line (N, 2) of (y, x) in pixels may leave the image. Raise EditError if there is no such nucleus, or the line
    cuts none in two.
    """
    check_plane(labels)
    rows, columns = _pixels_of(line, labels.shape)
    if nucleus is None:
        hints = _crossed(labels, rows, columns)
    pieces = []
    for one in sorted(hints) if nucleus is None else [nucleus]:
        region, mask = cut_out(labels, one, hints)
        y0, y1, x0, x1 = region
        inside = (rows >= y0) & (rows < y1) & (columns >= x0) & (columns < x1)
        # The line's pixels touch one another by corners, which is enough to part pieces connected by sides; `tidy` then
        # gives the pixels under the line to the nearest piece.
        left = mask.copy()
        left[rows[inside] - y0, columns[inside] - x0] = False
        parts = tidy(label_components(left)[0], mask)
        if parts.max() > 1:
            pieces.append((one, region, parts))
    if not pieces:
        raise EditError("The line cuts no nucleus: draw it right across one, from the outside to the outside.")
    cut = ", ".join(str(one) for one, _, _ in pieces[:5]) + (" ..." if len(pieces) > 5 else "")
    return _edit(labels, pieces, next_id, f"Split nucleus {cut}" if len(pieces) == 1 else f"Split nuclei {cut}")


def split_by_seeds(
    labels: AnyArray,
    nucleus: int,
    points: Sequence[Sequence[float]],
    next_id: int,
    *,
    image: AnyArray | None = None,
    hints: Hints = NO_HINTS,
) -> Edit:
    """Split a nucleus into one part for each clicked point (y, x); new parts are numbered from ``next_id``.

    With an image (Y, X), cuts follow dark valleys between bright nuclei, or bright ridges between dark ones. Without an
    image they run through the necks of the outline, or midway between points that no neck separates.

    Raise EditError if there is no such nucleus, a point lies outside it, or fewer than two points are distinct.
    """
    region, mask = cut_out(labels, nucleus, hints)
    seeds = np.zeros(mask.shape, np.int32)
    for number, point in enumerate(points, start=1):
        y, x = pixel(point, labels.shape)
        inside = region[0] <= y < region[1] and region[2] <= x < region[3] and mask[y - region[0], x - region[2]]
        if not inside:
            raise EditError(f"Point {number} of {len(points)} lies outside nucleus {nucleus}: click inside it.")
        seeds[y - region[0], x - region[2]] = number
    if np.count_nonzero(seeds) < 2:
        raise EditError(f"Click at least twice inside nucleus {nucleus}: once for each nucleus that it should become.")
    heights = _depth_of_neck(mask, seeds) if image is None else _brightness(image, region, mask)
    parts = tidy(divided(heights, mask, seeds), mask)
    if parts.max() < 2:
        raise EditError(f"The points lie too close together, or nucleus {nucleus} is too small to split.")
    return _edit(labels, [(nucleus, region, parts)], next_id, f"Split nucleus {nucleus}")


def _edit(labels: AnyArray, pieces: Sequence[tuple[int, Region, Labels]], next_id: int, title: str) -> Edit:
    """Make the edit: the largest part of each nucleus keeps the id, the others are numbered from ``next_id``."""
    changes = []
    for nucleus, region, parts in pieces:
        areas = np.bincount(parts.ravel())
        if len(areas) < 3:
            raise EditError(f"Nucleus {nucleus} is too small to split.")
        areas[0] = 0
        moved = np.setdiff1d(np.arange(1, len(areas)), areas.argmax())
        new_ids = np.zeros(len(areas), np.int64)
        new_ids[moved] = next_id + np.arange(len(moved))
        next_id += len(moved)
        # The whole nucleus, not only the parts with new ids: neighbouring patches then agree on all of it.
        changes.append(Change(region, parts > 0, np.where(new_ids[parts] > 0, new_ids[parts], nucleus)))
    return edit_of(labels, changes, title)


def _balanced(parts: Labels) -> bool:
    areas = np.bincount(parts.ravel())[1:]
    return len(areas) == 2 and bool(areas.min() >= SMALLEST_SHARE * areas.sum())


def _across(mask: Mask) -> Labels:
    """Cut a nucleus across its long axis, at its narrowest place within the middle half."""
    rows, columns = np.nonzero(mask)
    positions = np.stack([rows, columns]) - np.array([[rows.mean()], [columns.mean()]])
    # eigh sorts ascending: the last eigenvector is the long axis.
    _, directions = np.linalg.eigh(positions @ positions.T)
    along = directions[:, -1] @ positions
    # In the middle half, for the tips of any nucleus are narrower.
    low, high = np.percentile(along, (25, 75))
    edges = np.arange(np.floor(low), np.ceil(high) + 1)
    # Pixels per step along the axis are the width there; ties go to the place nearest the centre.
    widths, _ = np.histogram(along, edges) if len(edges) > 1 else (np.zeros(1), edges)
    middles = edges[: len(widths)] + 0.5
    cut = middles[np.lexsort((np.abs(middles), widths))[0]]
    parts = np.zeros(mask.shape, np.int32)
    parts[rows, columns] = np.where(along < cut, 1, 2)
    return parts


def _pixels_of(line: ArrayLike, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of the plane's pixels along a line, in its order."""
    corners = np.asarray(line, float)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 2 or not np.isfinite(corners).all():
        raise EditError("A line needs at least two points (y, x).")
    # A slip of the hand may end far outside the image: do not draw it all the way.
    limits = np.array(shape, float)
    corners = np.rint(np.clip(corners, -limits, 2 * limits)).astype(int)
    legs = [draw.line(*start, *stop) for start, stop in pairwise(corners)]
    rows, columns = (np.concatenate(part) for part in zip(*legs, strict=True))
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return rows[inside], columns[inside]


def _crossed(labels: AnyArray, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> dict[int, Region]:
    """Find the nuclei under a line, each with one of its pixels as a hint."""
    if not rows.size:
        return {}
    # One read of the line's bounding box: labels may lie on disk, where reading pixel by pixel is slow.
    top, left = int(rows.min()), int(columns.min())
    under = np.asarray(labels[top : int(rows.max()) + 1, left : int(columns.max()) + 1])[rows - top, columns - left]
    return hints_at(under, rows, columns)


def _border_evidence(maps: QuantisedMaps, region: Region) -> Heights:
    """Distance minus border of the network, smoothed as in decoding, -1 to 1."""
    border, distance = (maps[head][slices(region)].astype(np.float32) / 255 for head in (1, 2))
    return np.asarray(ndimage.gaussian_filter(distance, SMOOTHING) - border)


def _depth_of_neck(mask: Mask, seeds: Labels) -> Heights:
    """Distance to the outline if necks separate all seeds, else closeness to the nearest seed."""
    heights = outline_distance(mask)
    # Two seeds on one hill have no neck between them.
    hills = divided(heights, mask)[seeds > 0]
    if len(np.unique(hills)) == len(hills):
        return heights
    return np.asarray(-ndimage.distance_transform_edt(seeds == 0), np.float32)


def _brightness(image: AnyArray, region: Region, mask: Mask) -> Heights:
    """Smoothed intensity, negated where the nucleus is darker than its surroundings."""
    if len(image.shape) != 2:
        raise EditError(f"The image to split by must be one plane, not of shape {tuple(image.shape)}.")
    values = np.nan_to_num(np.asarray(image[slices(region)]).astype(np.float32))
    if values.shape != mask.shape:
        raise EditError("The image to split by is smaller than the labels: choose the one that belongs to them.")
    smoothed = np.asarray(ndimage.gaussian_filter(values, 1.0), np.float32)
    dark = not mask.all() and smoothed[mask].mean() < smoothed[~mask].mean()
    return -smoothed if dark else smoothed


def merge(labels: AnyArray, first: int, second: int, *, hints: Hints = NO_HINTS) -> Edit:
    """Merge two nuclei that touch or nearly touch, and fill the gap between them; the first id stays.

    Raise EditError if a nucleus does not exist, both are the same, or they are too far apart or separated by another
    one.
    """
    if first == second:
        raise EditError(f"Both are nucleus {first}: choose two different nuclei.")
    boxes = [find_box(labels, nucleus, hints.get(nucleus)) for nucleus in (first, second)]
    region = grown(united(boxes), WIDEST_GAP, labels.shape)
    ids = read_patch(labels, region)
    title = f"Merge nuclei {first} and {second}"
    parts = (ids == first, ids == second)
    bridge = _bridge(*parts, free=ids == 0)
    if not _joined(*parts, bridge):
        raise EditError(
            f"{title}: another nucleus or more than {WIDEST_GAP} pixels of background lie between them. "
            "Paint a connection first."
        )
    return edit_of(labels, [Change(region, parts[1] | bridge, first)], title)


def merge_with_neighbour(labels: AnyArray, nucleus: int, *, hints: Hints = NO_HINTS) -> Edit:
    """Merge a nucleus with the neighbour that it has the longest contact with; it keeps its id.

    Raise EditError if there is no such nucleus, or none within `NEIGHBOUR_GAP` pixels of it.
    """
    region, mask = cut_out(labels, nucleus, hints, margin=NEIGHBOUR_GAP + 1)
    # Distances are between centres of pixels: across a gap of n pixels it is n + 1.
    near = (ndimage.distance_transform_edt(~mask) <= NEIGHBOUR_GAP + 1) & ~mask
    ids = read_patch(labels, region)
    neighbours, border = np.unique(ids[near & (ids > 0)], return_counts=True)
    if not neighbours.size:
        raise EditError(f"Nucleus {nucleus} touches no other: there is nothing to merge it with.")
    neighbour = int(neighbours[border.argmax()])
    rows, columns = np.nonzero(near & (ids == neighbour))
    near_hints = hints_at(ids[rows, columns], rows + region[0], columns + region[2])
    return merge(labels, nucleus, neighbour, hints={nucleus: region, **near_hints, **hints})


def _bridge(one: Mask, other: Mask, free: Mask) -> Mask:
    """Return the free pixels that connect two nuclei; none where they are too far apart.

    A morphological closing with a disc slightly larger than the gap, limited to pixels near both, and the straight path
    between the nearest pixels, in case the closing does not reach across.
    """
    from_other = ndimage.distance_transform_edt(~other)
    from_one, nearest = ndimage.distance_transform_edt(~one, return_indices=True)
    y, x = divmod(int(np.where(other, from_one, np.inf).argmin()), one.shape[1])
    steps = float(from_one[y, x])
    path = np.zeros_like(one)
    if steps > WIDEST_GAP + 1:
        return path
    path[draw.line(y, x, *nearest[:, y, x])] = True
    # More than the gap, because a disc of pixels has corners cut off.
    radius = steps + 1.5
    widened = np.minimum(from_one, from_other) <= radius
    # Erosion by distance; where the widened nuclei fill the whole cut-out, there is no outside to measure from.
    closed = ndimage.distance_transform_edt(widened) > radius if not widened.all() else widened
    between = np.maximum(from_one, from_other) <= steps + 1
    # Nuclei are connected by the sides of pixels: a slanting line one pixel wide would not connect them.
    return np.asarray((closed & between | ndimage.binary_dilation(path)) & free)


def _joined(one: Mask, other: Mask, bridge: Mask) -> bool:
    """Tell whether the largest pieces of two nuclei are connected."""
    pieces, _ = label_components(one | other | bridge)
    return bool(pieces[largest_piece(one)][0] == pieces[largest_piece(other)][0])

"""Edits that make several nuclei of one: in two, along a drawn line, from clicked seeds.

Every piece hangs together by the sides of its pixels, and pieces of a few pixels go to what they touch. The largest
piece keeps the id of the nucleus.
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
from napari_unet_nuclei.core.labels.components import tidy
from napari_unet_nuclei.core.labels.decode import SMOOTHING, label_components
from napari_unet_nuclei.core.labels.edit.edit import NO_HINTS, Change, Edit, Hints, check_plane, cut_out, edit_of
from napari_unet_nuclei.core.labels.regions import pixel, slices
from napari_unet_nuclei.core.types import AnyArray, Labels, Mask, QuantisedMaps, Region

SMALLEST_SHARE = 0.08
"""Two summits that leave less than this share of the nucleus to one of them do not make two nuclei."""

CLEAR_NECK = 0.75
"""Pixels by which the outline must narrow between two summits of the distance to it."""

CLEAR_BORDER = 0.08
"""How much lower distance minus border must be between two summits of it, 0 to 1."""


def split_in_two(
    labels: AnyArray, nucleus: int, next_id: int, *, maps: QuantisedMaps | None = None, hints: Hints = NO_HINTS
) -> Edit:
    """Split a nucleus where it most plausibly is two.

    Between the two clearest summits of the network's distance minus border where there are maps, else of the distance
    to the outline; where neither has two, across the middle where it is narrowest.

    Parameters
    ----------
    labels : array_like, shape (Y, X), int
    nucleus : int
        Its id, which the larger half keeps.
    next_id : int
        Id of the other half: free in all planes.
    maps : ndarray, shape (3, Y, X), uint8, optional
        Cached foreground, border and distance of the plane.
    hints : mapping of int to Region
        Where it lies.

    Raises
    ------
    EditError
        If there is no such nucleus, or it is too small.
    """
    region, mask = cut_out(labels, nucleus, hints)
    candidates: list[tuple[Heights, float]] = [(outline_distance(mask), CLEAR_NECK)]
    if maps is not None:
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
    """Cut nuclei along a drawn line.

    Parameters
    ----------
    labels : array_like, shape (Y, X), int
    line : array_like, shape (N, 2)
        Corners (y, x) of the line in pixels; it may leave the image.
    next_id : int
        Id of the first new piece, the others following: free in all planes.
    nucleus : int, optional
        The only one to cut; all that the line goes through where not given.
    hints : mapping of int to Region
        Where ``nucleus`` lies; not needed otherwise.

    Raises
    ------
    EditError
        If there is no such nucleus, or the line divides none.
    """
    check_plane(labels)
    rows, columns = _pixels_of(line, labels.shape)
    crossed = _crossed(labels, rows, columns) if nucleus is None else {nucleus: hints.get(nucleus)}
    pieces = []
    for one, hint in sorted(crossed.items()):
        region, mask = cut_out(labels, one, {} if hint is None else {one: hint})
        y0, y1, x0, x1 = region
        inside = (rows >= y0) & (rows < y1) & (columns >= x0) & (columns < x1)
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
    """Split a nucleus into as many as there are clicked points.

    Parameters
    ----------
    labels, nucleus, hints
        As for `split_in_two`.
    points : sequence of (y, x)
        In pixels, at least two, all in the nucleus.
    next_id : int
        Id of the first new piece, the others following: free in all planes.
    image : array_like, shape (Y, X), optional
        Cuts run along its valleys where nuclei are bright in it, along its ridges where they are dark. Without it
        they run through the necks of the outline, or midway between points that no neck divides.

    Raises
    ------
    EditError
        If there is no such nucleus, a point lies outside it, or fewer than two remain apart.
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
        raise EditError(f"Click at least two places in nucleus {nucleus}, one for each nucleus that it should become.")
    heights = _depth_of_neck(mask, seeds) if image is None else _brightness(image, region, mask)
    parts = tidy(divided(heights, mask, seeds), mask)
    if parts.max() < 2:
        raise EditError(f"The points lie too close together, or nucleus {nucleus} is too small to split.")
    return _edit(labels, [(nucleus, region, parts)], next_id, f"Split nucleus {nucleus}")


def _edit(labels: AnyArray, pieces: Sequence[tuple[int, Region, Labels]], next_id: int, title: str) -> Edit:
    """Number the parts of each nucleus: its largest one keeps the id."""
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
        # The mask is the whole nucleus, so that it lies in the patch also where it stays as it is.
        changes.append(Change(region, parts > 0, np.where(new_ids[parts] > 0, new_ids[parts], nucleus)))
    return edit_of(labels, changes, title)


def _balanced(parts: Labels) -> bool:
    areas = np.bincount(parts.ravel())[1:]
    return len(areas) == 2 and bool(areas.min() >= SMALLEST_SHARE * areas.sum())


def _across(mask: Mask) -> Labels:
    """Cut a nucleus across its long axis, where it is narrowest in the middle half."""
    rows, columns = np.nonzero(mask)
    positions = np.stack([rows, columns]) - np.array([[rows.mean()], [columns.mean()]])
    _, directions = np.linalg.eigh(positions @ positions.T)
    along = directions[:, -1] @ positions
    low, high = np.percentile(along, (25, 75))
    edges = np.arange(np.floor(low), np.ceil(high) + 1)
    widths, _ = np.histogram(along, edges) if len(edges) > 1 else (np.zeros(1), edges)
    middles = edges[: len(widths)] + 0.5
    cut = middles[np.lexsort((np.abs(middles), widths))[0]]
    parts = np.zeros(mask.shape, np.int32)
    parts[rows, columns] = np.where(along < cut, 1, 2)
    return parts


def _pixels_of(line: ArrayLike, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pixels of the plane that a line goes through: rows and columns, in its order."""
    corners = np.asarray(line, float)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 2 or not np.isfinite(corners).all():
        raise EditError("A line needs at least two points (y, x).")
    # A slip of the hand far outside the image must not be drawn pixel by pixel.
    limits = np.array(shape, float)
    corners = np.rint(np.clip(corners, -limits, 2 * limits)).astype(int)
    legs = [draw.line(*start, *stop) for start, stop in pairwise(corners)]
    rows, columns = (np.concatenate(part) for part in zip(*legs, strict=True))
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return rows[inside], columns[inside]


def _crossed(labels: AnyArray, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> dict[int, Region | None]:
    """Find the nuclei under a line, with one pixel of each as a hint."""
    if not rows.size:
        return {}
    top, left = int(rows.min()), int(columns.min())
    under = np.asarray(labels[top : int(rows.max()) + 1, left : int(columns.max()) + 1])[rows - top, columns - left]
    ids, first = np.unique(under, return_index=True)
    places = zip(ids.tolist(), rows[first].tolist(), columns[first].tolist(), strict=True)
    return {nucleus: (y, y + 1, x, x + 1) for nucleus, y, x in places if nucleus > 0}


def _border_evidence(maps: QuantisedMaps, region: Region) -> Heights:
    """Distance minus border of the network, smoothed as for decoding, -1 to 1."""
    border, distance = (maps[head][slices(region)].astype(np.float32) / 255 for head in (1, 2))
    return np.asarray(ndimage.gaussian_filter(distance, SMOOTHING) - border)


def _depth_of_neck(mask: Mask, seeds: Labels) -> Heights:
    """Distance to the outline where necks divide all seeds, else closeness to the nearest seed."""
    heights = outline_distance(mask)
    hills = divided(heights, mask)[seeds > 0]
    if len(np.unique(hills)) == len(hills):
        return heights
    return np.asarray(-ndimage.distance_transform_edt(seeds == 0), np.float32)


def _brightness(image: AnyArray, region: Region, mask: Mask) -> Heights:
    """Smoothed intensity, turned so that the nucleus is bright."""
    if len(image.shape) != 2:
        raise EditError(f"The image to split by must be one plane, not of shape {tuple(image.shape)}.")
    values = np.nan_to_num(np.asarray(image[slices(region)]).astype(np.float32))
    if values.shape != mask.shape:
        raise EditError("The image to split by is smaller than the labels: choose the one that belongs to them.")
    smoothed = np.asarray(ndimage.gaussian_filter(values, 1.0), np.float32)
    dark = not mask.all() and smoothed[mask].mean() < smoothed[~mask].mean()
    return -smoothed if dark else smoothed

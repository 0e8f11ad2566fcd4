"""Find fill: black or white pixels without image content, left by registration, rotation, stitching or annotation.

Only the smallest and the largest value of the image's type can be fill. Such a value is fill if its areas end abruptly:
a clipped background fades gradually into other values, and so does an overexposed nucleus.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.image.normalise import estimate_noise
from napari_unet_nuclei.core.image.stain import full_scale
from napari_unet_nuclei.core.types import Labels, Mask

SMALLEST_SHARE = 0.001
"""Least share of the pixels of fill that does not touch the rim; less does not bias percentiles."""

ABRUPT = 0.3
"""An edge is abrupt if it jumps by at least this share of the difference between fill and median of the picture, ..."""

ABRUPT_SHARE = 0.9
"""Share of the edges of fill that must be abrupt; few of the blurred edges of overexposed nuclei are."""

BLURRED_SHARE = 0.5
"""If fewer edges of a solid area are abrupt, it is an overexposed object, and its value is not fill."""

NOISE_JUMP = 4.0
"""... by at least this many standard deviations of the noise (noise of a dark background is clipped at 0 too), ..."""

LEVELS_JUMP = 3.0
"""... and by at least this many grey levels of an integer image."""

ROUND = (0.65, 0.9)
"""Share of its bounding box that a nucleus covers. Bars cover all of it, strokes of letters about half."""

BLEND = (2, 4)
PLATEAU = 0.85
"""Interpolation blends black with the picture over about a pixel: at the first distance the picture is as bright as at
the second, apart from texture. Nuclei on a background clipped at 0 still get brighter there: at the first distance they
have 0.4 to 0.75 of the brightness at the second."""

MOST = 0.5
"""If fill has a larger share of the image, round islands in it are nuclei whose background was set to 0. Also the share
of a value's pixels that must be sharp, or connected to the rim, to be fill."""

MOST_SEGMENTS = 3.0
"""Most runs of picture per row with fill, on average: objects on a background set to 0 make many."""

ONE_SEGMENT = 1.05
"""Most runs of picture per row, or column, in a rotated picture: one, apart from specks of black."""

SPECKS_SHARE = 0.05
"""Fill below this share of the pixels may divide rows into any number of runs, as letters of a time stamp do."""


def find_fill(colours: NDArray[np.floating], dtype: np.dtype[Any]) -> tuple[float, ...]:
    """Find the values that stand for fill in a plane: none, one or both of 0 and the largest of the type.

    ``colours`` (C, Y, X) are a plane or some of its rows, and may contain NaN; fill has the same value in all channels.
    ``dtype`` is that of the stored image; for floats, the largest value is the white of their scale.
    """
    # Both values of a mask are its picture.
    if 0 in colours.shape or dtype.kind == "b":
        return ()
    if dtype.kind == "f":
        known = colours[np.isfinite(colours)]
        largest = full_scale(dtype, float(known.max())) if known.size else 1.0
    else:
        largest = float(np.iinfo(dtype).max)
    found = []
    for value in (0.0, largest):
        mask = is_fill(colours, (value,))
        if _is_fill(colours, mask, value, dtype):
            found.append(value)
    return tuple(found)


def is_fill(colours: NDArray[np.floating], values: tuple[float, ...]) -> Mask:
    """Return the pixels (Y, X) with one of the values in all channels (C, Y, X)."""
    mask = np.zeros(colours.shape[1:], bool)
    for value in values:
        mask |= (colours == value).all(axis=0)
    return mask


def near_fill(colours: NDArray[np.floating], values: tuple[float, ...]) -> Mask:
    """Return the pixels (Y, X) that are fill or touch it: interpolation may have blended these."""
    mask = is_fill(colours, values)
    return _ring(mask, 1) | mask if mask.any() else mask


def _is_fill(colours: NDArray[np.floating], mask: Mask, value: float, dtype: np.dtype[Any]) -> bool:
    """Tell whether pixels of one value are fill."""
    # From cheap to expensive; each test rules out one kind of image in which a value is common without being fill.
    share = float(mask.mean())
    touches_rim = bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
    if share in (0.0, 1.0) or not (touches_rim or share > SMALLEST_SHARE):
        return False
    # Objects cut out on a background set to 0: that is the picture's own background.
    if share > SPECKS_SHARE and _segments(~mask) > MOST_SEGMENTS:
        return False
    # The same with few objects: nuclei are round, rotated pictures are not.
    if share > MOST and _holds_round(*_solid_areas(~mask)):
        return False
    grey = colours.mean(axis=0)
    # Edges are judged area by area, so that one overexposed nucleus is not outvoted by sharp letters.
    areas, solid = _solid_areas(mask)
    jumps, area = _jumps(grey, areas)
    if not jumps.size:
        return False
    picture = grey[~mask & np.isfinite(grey)]
    # Fill would dilute the noise: it has none.
    noise = estimate_noise(np.where(mask, np.nan, grey))
    levels = LEVELS_JUMP if dtype.kind in "iu" else 0.0
    needed = max(ABRUPT * abs(float(np.median(picture)) - value), NOISE_JUMP * noise, levels)
    abrupt = jumps > needed
    edges = np.bincount(area, minlength=len(solid))
    shares = np.bincount(area, abrupt, len(solid)) / np.maximum(edges, 1)
    # Interpolation softens the edges of fill; only black reaches in from the rim that way.
    if value == 0 and _is_blended(grey, mask, areas, solid, needed):
        return True
    # One overexposed object is enough: then the value occurs in the picture.
    if (shares[area] < BLURRED_SHARE)[solid[area]].any() or _holds_round(areas, solid):
        return False
    # Thin strokes of letters are usually blurred and say nothing about a bar beside them; if there is nothing else,
    # most of them must be sharp.
    counted = solid | (shares >= ABRUPT_SHARE)
    if not solid.any() and np.mean(counted[areas[mask]]) < MOST:
        return False
    jumping = abrupt[counted[area]]
    return bool(jumping.size and jumping.mean() >= ABRUPT_SHARE)


def _solid_areas(mask: Mask) -> tuple[Labels, NDArray[np.bool_]]:
    """Label the areas of a mask, and tell by label which are at least three pixels wide somewhere."""
    areas, count = ndimage.label(mask)
    solid = np.zeros(count + 1, bool)
    solid[areas[ndimage.binary_erosion(mask, np.ones((3, 3)))]] = True
    return areas, solid


def _holds_round(areas: Labels, solid: NDArray[np.bool_]) -> bool:
    """Tell whether a solid area away from the rim is round, like a nucleus with a sharp outline."""
    sizes = np.bincount(areas.ravel(), minlength=len(solid))
    boxes = ndimage.find_objects(areas)
    for number in np.flatnonzero(solid):
        rows, columns = boxes[number - 1]
        # Areas at the rim are cut off, so their shape is unknown.
        inside = rows.start > 0 and rows.stop < areas.shape[0] and columns.start > 0 and columns.stop < areas.shape[1]
        box = (rows.stop - rows.start) * (columns.stop - columns.start)
        if inside and ROUND[0] < sizes[number] / box < ROUND[1]:
            return True
    return False


def _is_blended(grey: NDArray[np.floating], mask: Mask, areas: Labels, solid: NDArray[np.bool_], needed: float) -> bool:
    """Tell whether black reaches in from the rim, as rotation and subpixel shifts leave it."""
    at_rim = np.zeros_like(solid)
    for rim in (areas[0], areas[-1], areas[:, 0], areas[:, -1]):
        at_rim[rim] = True
    # Rotation and shifts leave black at the rim alone.
    if (solid & ~at_rim).any() or np.mean(at_rim[areas[mask]]) < MOST:
        return False
    # A rotated rectangle is convex: one run of picture in every row and every column.
    if max(_segments(~mask), _segments(~mask.T)) > ONE_SEGMENT:
        return False
    near, far = (np.abs(grey[_ring(mask, distance)]) for distance in BLEND)
    near, far = near[np.isfinite(near)], far[np.isfinite(far)]
    if not near.size or not far.size:
        return False
    return bool(np.mean(near > needed) >= ABRUPT_SHARE and near.mean() >= PLATEAU * far.mean())


def _ring(mask: Mask, distance: int) -> Mask:
    """Pixels at a chessboard distance from the mask."""
    structure = np.ones((3, 3), bool)
    inner = ndimage.binary_dilation(mask, structure, iterations=distance - 1) if distance > 1 else mask
    return np.asarray(ndimage.binary_dilation(inner, structure) & ~inner)


def _segments(picture: Mask) -> float:
    """Mean number of runs of picture in rows with both picture and fill."""
    mixed = picture[picture.any(axis=1) & ~picture.all(axis=1)]
    if not len(mixed):
        return 0.0
    # Padded by fill, a run that starts at the left edge counts as well.
    starts = np.diff(np.pad(mixed, ((0, 0), (1, 0))).astype(np.int8), axis=1) == 1
    return float(starts.sum(axis=1).mean())


def _jumps(grey: NDArray[np.floating], areas: Labels) -> tuple[NDArray[np.floating], Labels]:
    """Absolute differences between neighbours of which one is fill, and the label of its area."""
    found = []
    # Across and down: the columns of the transposed plane are its rows.
    for values, numbers in ((grey, areas), (grey.T, areas.T)):
        edge = (numbers[:, 1:] > 0) != (numbers[:, :-1] > 0)
        jumps = np.abs(np.diff(values, axis=1))[edge]
        # One of the two is the picture, with label 0.
        number = np.maximum(numbers[:, 1:], numbers[:, :-1])[edge]
        known = np.isfinite(jumps)
        found.append((jumps[known], number[known]))
    (across, beside), (down, below) = found
    return np.concatenate([across, down]), np.concatenate([beside, below])

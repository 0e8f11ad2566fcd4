"""Finds pixels that are no picture: the black or white that registration, rotation, stitching and annotation leave.

Only the darkest and the brightest value that the image's type can hold are looked at. Such a value is fill where its
area ends abruptly: a clipped background fades into the values next to it, and so does an overexposed nucleus.
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
"""Fill that does not touch the rim is at least this share of the pixels; less leads no percentile astray."""

ABRUPT = 0.3
"""An edge of fill jumps by at least this share of the way from the fill's value to the picture's median."""

ABRUPT_SHARE = 0.9
"""Share of the edges of fill that jump so; blurred edges of overexposed nuclei jump so far only now and then."""

BLURRED_SHARE = 0.5
"""Where fewer edges of a solid area jump so, it is an object that exceeds the range, and its value is no fill."""

NOISE_JUMP = 4.0
"""And by at least so many standard deviations of the noise: the noise of a dark background is cut off at 0 as well."""

LEVELS_JUMP = 3.0
"""And by at least so many grey levels of an integer image."""

ROUND = (0.65, 0.9)
"""Share of its bounding box that a nucleus covers. Bars cover all of theirs, strokes of letters about half."""

BLEND = (2, 4)
PLATEAU = 0.85
"""Interpolation blends black with the picture over a pixel or so: the picture so many pixels beyond is as bright as
further on, but for its texture. Outlines of nuclei on a background clipped at 0 still rise there: they have 0.4 to 0.75
of the brightness further on."""

MOST = 0.5
"""Where fill has a larger share, round islands in it are nuclei whose background was set to 0. The same share of the
pixels of a value must be sharp, or hang on the rim, for it to be fill."""

MOST_SEGMENTS = 3.0
"""Runs of picture in a row that also holds fill, on average: objects on a background set to 0 make many."""

ONE_SEGMENT = 1.05
"""Runs of picture in a row, or in a column, where a picture was turned as a whole: one, but for specks of black."""

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
        None, one or both of 0 and the type's largest value; of floats, the white of the scale that they keep to.
    """
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
    """Tell which pixels (Y, X) have one of the values in all channels (C, Y, X)."""
    mask = np.zeros(colours.shape[1:], bool)
    for value in values:
        mask |= (colours == value).all(axis=0)
    return mask


def near_fill(colours: NDArray[np.floating], values: tuple[float, ...]) -> Mask:
    """Tell which pixels (Y, X) are fill or touch it: interpolation has blended them, so no range is told by them."""
    mask = is_fill(colours, values)
    return _ring(mask, 1) | mask if mask.any() else mask


def _is_fill(colours: NDArray[np.floating], mask: Mask, value: float, dtype: np.dtype[Any]) -> bool:
    """Tell whether pixels of one value are fill."""
    share = float(mask.mean())
    touches_rim = bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
    if share in (0.0, 1.0) or not (touches_rim or share > SMALLEST_SHARE):
        return False
    if share > SPECKS_SHARE and _segments(~mask) > MOST_SEGMENTS:
        return False
    if share > MOST and _holds_round(*_solid_areas(~mask)):
        return False
    grey = colours.mean(axis=0)
    areas, solid = _solid_areas(mask)
    jumps, area = _jumps(grey, areas)
    if not jumps.size:
        return False
    picture = grey[~mask & np.isfinite(grey)]
    noise = estimate_noise(np.where(mask, np.nan, grey))
    levels = LEVELS_JUMP if dtype.kind in "iu" else 0.0
    needed = max(ABRUPT * abs(float(np.median(picture)) - value), NOISE_JUMP * noise, levels)
    abrupt = jumps > needed
    edges = np.bincount(area, minlength=len(solid))
    shares = np.bincount(area, abrupt, len(solid)) / np.maximum(edges, 1)
    if value == 0 and _is_blended(grey, mask, areas, solid, needed):
        return True
    if (shares[area] < BLURRED_SHARE)[solid[area]].any() or _holds_round(areas, solid):
        return False
    # Thin strokes of letters are blurred as a rule, and say nothing about the bar beside them; where all of it is thin,
    # most of it must be sharp.
    counted = solid | (shares >= ABRUPT_SHARE)
    if not solid.any() and np.mean(counted[areas[mask]]) < MOST:
        return False
    jumping = abrupt[counted[area]]
    return bool(jumping.size and jumping.mean() >= ABRUPT_SHARE)


def _solid_areas(mask: Mask) -> tuple[Labels, NDArray[np.bool_]]:
    """Number the areas of a mask from 1, and tell by number which of them are three pixels wide somewhere."""
    areas, count = ndimage.label(mask)
    solid = np.zeros(count + 1, bool)
    solid[areas[ndimage.binary_erosion(mask, np.ones((3, 3)))]] = True
    return areas, solid


def _holds_round(areas: Labels, solid: NDArray[np.bool_]) -> bool:
    """Tell whether a solid area that the rim does not cut is round, as nuclei are whose outlines are sharp."""
    sizes = np.bincount(areas.ravel(), minlength=len(solid))
    boxes = ndimage.find_objects(areas)
    for number in np.flatnonzero(solid):
        rows, columns = boxes[number - 1]
        inside = rows.start > 0 and rows.stop < areas.shape[0] and columns.start > 0 and columns.stop < areas.shape[1]
        box = (rows.stop - rows.start) * (columns.stop - columns.start)
        if inside and ROUND[0] < sizes[number] / box < ROUND[1]:
            return True
    return False


def _is_blended(grey: NDArray[np.floating], mask: Mask, areas: Labels, solid: NDArray[np.bool_], needed: float) -> bool:
    """Tell whether black reaches in from the rim, as rotation and shifting by parts of a pixel leave it."""
    at_rim = np.zeros_like(solid)
    for rim in (areas[0], areas[-1], areas[:, 0], areas[:, -1]):
        at_rim[rim] = True
    if (solid & ~at_rim).any() or np.mean(at_rim[areas[mask]]) < MOST:
        return False
    if max(_segments(~mask), _segments(~mask.T)) > ONE_SEGMENT:
        return False
    near, far = (np.abs(grey[_ring(mask, distance)]) for distance in BLEND)
    near, far = near[np.isfinite(near)], far[np.isfinite(far)]
    if not near.size or not far.size:
        return False
    return bool(np.mean(near > needed) >= ABRUPT_SHARE and near.mean() >= PLATEAU * far.mean())


def _ring(mask: Mask, distance: int) -> Mask:
    """Pixels at a distance from the mask, diagonal steps counting as one."""
    structure = np.ones((3, 3), bool)
    inner = ndimage.binary_dilation(mask, structure, iterations=distance - 1) if distance > 1 else mask
    return np.asarray(ndimage.binary_dilation(inner, structure) & ~inner)


def _segments(picture: Mask) -> float:
    """Mean number of runs of picture in the rows that hold both picture and fill."""
    mixed = picture[picture.any(axis=1) & ~picture.all(axis=1)]
    if not len(mixed):
        return 0.0
    starts = np.diff(np.pad(mixed, ((0, 0), (1, 0))).astype(np.int8), axis=1) == 1
    return float(starts.sum(axis=1).mean())


def _jumps(grey: NDArray[np.floating], areas: Labels) -> tuple[NDArray[np.floating], Labels]:
    """Differences between neighbours of which one lies in an area of fill, and the number of that area."""
    found = []
    for values, numbers in ((grey, areas), (grey.T, areas.T)):
        edge = (numbers[:, 1:] > 0) != (numbers[:, :-1] > 0)
        jumps = np.abs(np.diff(values, axis=1))[edge]
        number = np.maximum(numbers[:, 1:], numbers[:, :-1])[edge]
        known = np.isfinite(jumps)
        found.append((jumps[known], number[known]))
    (across, beside), (down, below) = found
    return np.concatenate([across, down]), np.concatenate([beside, below])

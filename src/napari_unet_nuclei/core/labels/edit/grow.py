"""Add a nucleus at a click from the image alone, where no network's maps are at hand."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.components import FEWEST_PIXELS
from napari_unet_nuclei.core.labels.edit.add import USUAL_DIAMETER
from napari_unet_nuclei.core.labels.edit.edit import Edit, check_plane, edit_of, read_patch, trimmed
from napari_unet_nuclei.core.labels.numbering import small_ids
from napari_unet_nuclei.core.labels.regions import grown, pixel, slices
from napari_unet_nuclei.core.types import AnyArray

SMOOTHING = 0.05
"""Smoothing of the image, in diameters: about one pixel for usual nuclei."""

REACH = 0.2
"""Radius around the click, in diameters, in which the brightness of the nucleus is taken."""

DARKEST = 10
"""Percentile of the background around the click that counts as background: neighbours may cover most of the rest."""

LEVELS = np.linspace(0.5, 0.95, 10)
"""Brightness of the edge between background (0) and nucleus (1): half first, higher where that runs into neighbours."""

LARGEST = 4.0
"""Largest area of the new nucleus, in areas of a usual one."""

LEAST_CONTRAST = 3.0
"""Least difference between nucleus and background, in median differences of neighbouring pixels, which are noise."""


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
    smooth = ndimage.gaussian_filter(-values if is_dark else values, max(SMOOTHING * diameter, 0.7))
    background = float(np.percentile(smooth[here == 0], DARKEST))
    rows, columns = np.ogrid[: smooth.shape[0], : smooth.shape[1]]
    near = np.hypot(rows - spot[0], columns - spot[1]) <= max(REACH * diameter, 1.0)
    bright = float(np.median(smooth[near & (here == 0)]))
    # Neighbouring pixels differ by noise alone, almost everywhere.
    noise = float(np.median(np.abs(np.diff(values, axis=1)))) if values.shape[1] > 1 else 0.0
    if bright - background <= LEAST_CONTRAST * noise:
        raise EditError("Nothing stands out there: draw an outline instead (Q).")
    for level in background + LEVELS * (bright - background):
        pieces, _ = ndimage.label((smooth > level) & (here == 0))
        if not pieces[spot]:
            continue
        piece = ndimage.binary_fill_holes(pieces == pieces[spot]) & (here == 0)
        if FEWEST_PIXELS <= np.count_nonzero(piece) <= LARGEST * np.pi / 4 * diameter**2:
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

"""Spots in nuclei and cells: found in an image, and counted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_laplace
from skimage.feature import peak_local_max

from napari_unet_nuclei.core.types import AnyArray

SIGNIFICANT = 5.0
"""Default threshold, in standard deviations of the noise: of pure noise, about one in a million pixels lies above."""

_MAD_TO_SD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

_SHARE_WITHOUT_NOISE = 0.1
"""Threshold as a share of the strongest spot, where an image has no noise to compare with."""


def find_spots(image: AnyArray, diameter: float, threshold: float = SIGNIFICANT) -> NDArray[np.float64]:
    """Find bright spots of one size, by the Laplacian of a Gaussian (Lindeberg 1998, one scale).

    Parameters
    ----------
    image : array_like, shape (Y, X)
    diameter : float
        Of a spot, in pixels.
    threshold : float
        How far a spot rises above the noise, in standard deviations of the filtered image.

    Returns
    -------
    ndarray, shape (spots, 2)
        Row and column of each.
    """
    pixels = np.nan_to_num(np.asarray(image, np.float64), posinf=0.0, neginf=0.0)
    if not pixels.size:
        return np.empty((0, 2))
    sigma = diameter / (2 * np.sqrt(2))  # where a disc of this diameter answers most
    response = -(sigma**2) * gaussian_laplace(pixels, sigma)
    noise = _MAD_TO_SD * float(np.median(np.abs(response - np.median(response))))
    least = threshold * noise if noise > 0 else _SHARE_WITHOUT_NOISE * float(response.max())
    if least <= 0:
        return np.empty((0, 2))
    distance = max(round(diameter / 2), 1)
    return np.asarray(
        peak_local_max(response, min_distance=distance, threshold_abs=least, exclude_border=False), np.float64
    )


def find_in_planes(channel: AnyArray, diameter: float, threshold: float = SIGNIFICANT) -> NDArray[np.float64]:
    """Find spots in every plane of a channel (..., Y, X); positions have all axes. See `find_spots`."""
    found = [np.empty((0, len(channel.shape)))]
    for index in np.ndindex(*channel.shape[:-2]):
        spots = find_spots(channel[index], diameter, threshold)
        found.append(np.column_stack([np.tile(np.array(index, float), (len(spots), 1)), spots]))
    return np.concatenate(found)


def count_in(regions: NDArray[np.int64], owners: NDArray[np.int64], spots: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count spots (row, column) by the region (Y, X) under them, for the region of each owner; 0 is no region."""
    pixels = np.floor(spots + 0.5).astype(np.int64)
    inside = ((pixels >= 0) & (pixels < regions.shape)).all(axis=1)
    hit = regions[tuple(pixels[inside].T)]
    found, counts = np.unique(hit[hit > 0], return_counts=True)
    places = np.searchsorted(found, owners)
    there = (np.append(found, -1)[places] == owners) & (owners > 0)
    return np.where(there, np.append(counts, 0)[places], 0)

"""Heights that divide the foreground of a plane into nuclei: high in the middle of each, low between two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.basins import Heights
from napari_unet_nuclei.core.labels.strips import in_threads, strips
from napari_unet_nuclei.core.types import QuantisedMaps

SMOOTHING = 1.0
"""Gaussian sigma of the distance map before summits are taken, in pixels at the model's own scale. The best of 0.6, 1
and 1.5 on three sets of validation images; the differences are a few thousandths of average precision."""

CUT = 4
"""The Gaussian ends at so many sigma, rounded to a pixel."""


def heights_of(maps: QuantisedMaps, scale: float) -> Heights:
    """Smoothed distance minus border (float32, -1 to 1): high in the middle of nuclei, low between two of them."""
    border, distance = maps[1], maps[2]
    weights = _weights(SMOOTHING * scale)
    margin = len(weights) - 1
    result = np.empty(distance.shape, np.float32)

    def smooth(strip: slice) -> None:
        first = max(strip.start - margin, 0)
        # With a margin, every strip is smoothed as in the whole plane.
        smoothed = _smoothed(distance[first : strip.stop + margin], weights)[strip.start - first :]
        # The border stays sharp: it is a line of few pixels, which smoothing would wash out.
        difference = np.subtract(smoothed[: strip.stop - strip.start], border[strip], out=result[strip])
        np.multiply(difference, np.float32(1 / 255), out=difference)

    # Strips much lower than their margins would be smoothed twice.
    in_threads(smooth, strips(distance.shape, 2 * margin))
    return result


def smoothing_reach(scale: float) -> int:
    """Reach of the smoothing of heights, in pixels on every side."""
    return len(_weights(SMOOTHING * scale)) - 1


def _weights(sigma: float) -> NDArray[np.float32]:
    """Return the weights of a Gaussian, from its middle to its end."""
    values = np.exp(-0.5 * (np.arange(int(CUT * sigma + 0.5) + 1) / sigma) ** 2)
    return np.asarray(values / (2 * values.sum() - values[0]), np.float32)


def _smoothed(values: NDArray[np.uint8], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smooth along both axes, mirrored at the edges: `scipy.ndimage.gaussian_filter` within its rounding.

    Whole strips are added, which takes a third of the time: SciPy goes from pixel to pixel in double precision.
    """
    reach = len(weights) - 1
    result = np.pad(values, reach, mode="symmetric").astype(np.float32)
    for axis in range(2):
        lines = np.moveaxis(result, axis, 0)
        length = len(lines) - 2 * reach
        summed = lines[reach : reach + length] * weights[0]
        both = np.empty_like(summed)
        for step in range(1, reach + 1):
            np.add(lines[reach - step :][:length], lines[reach + step :][:length], out=both)
            both *= weights[step]
            summed += both
        result = np.moveaxis(summed, 0, axis)
    return result

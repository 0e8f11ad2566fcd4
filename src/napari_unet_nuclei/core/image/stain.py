"""Optical density and stain separation: turn transmitted light into a signal in which nuclei are bright.

Stains absorb light, so their amounts are additive in optical density, not in intensity (Beer and Lambert), and can be
separated by the colours they absorb (Ruifrok and Johnston 2001, *Analytical and Quantitative Cytology and Histology*
23, 291-299).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.color import hed_from_rgb, rgb_from_hed

FULL_SCALES = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""Possible intensities of white: fractions, and 8, 10, 12, 14 and 16 bits."""

DARKEST = 1 / 255
"""Share of white below which intensities are clipped: the resolution of 8-bit pictures; the logarithm needs a limit."""

STAIN_VECTORS: NDArray[np.float64] = np.asarray(rgb_from_hed, np.float64)
"""Optical densities in red, green and blue of a unit of haematoxylin, eosin and DAB, one row each."""

_UNMIXING: NDArray[np.float32] = np.asarray(hed_from_rgb, np.float32)
"""Inverse: the columns give haematoxylin, eosin and DAB from the optical densities in red, green and blue."""

HAEMATOXYLIN, DAB = 0, 2
"""Columns of the unmixing matrix, rows of `STAIN_VECTORS`."""


def full_scale(dtype: np.dtype[np.generic], brightest: float) -> float:
    """Return the intensity of white, given the dtype of the stored image and its largest value.

    Examples
    --------
    >>> full_scale(np.dtype("uint8"), 90), full_scale(np.dtype("uint16"), 4000), full_scale(np.dtype("float32"), 0.9)
    (255.0, 4095.0, 1.0)
    """
    if dtype == np.uint8:
        return 255.0
    candidates = FULL_SCALES if dtype.kind == "f" else FULL_SCALES[1:]
    return next((scale for scale in candidates if brightest <= scale), float(brightest))


def optical_density(intensity: NDArray[np.floating], white: float) -> NDArray[np.float32]:
    """Convert transmitted intensities to decadic optical density, 0 for white; NaN stays NaN.

    Examples
    --------
    >>> print(optical_density(np.array([127.5, 25.5, 0.0]), 255).round(2))
    [0.3  1.   2.41]
    """
    # In float32 and in place: planes are large, and a camera's light has few significant digits.
    share = np.maximum(np.asarray(intensity, np.float32) * np.float32(1 / white), np.float32(DARKEST))
    return np.asarray(-np.log10(share, out=share))


def stain_density(densities: NDArray[np.floating], stain: int) -> NDArray[np.float32]:
    """Return the density of one stain, from those (3, ...) of red, green and blue; never negative, NaN stays NaN.

    ``stain`` is `HAEMATOXYLIN` or `DAB`.
    """
    red, green, blue = _UNMIXING[:, stain]
    # Negative amounts come from noise and from colours that none of the stains has.
    mixed = red * densities[0] + green * densities[1] + blue * densities[2]
    return np.asarray(np.maximum(mixed, np.float32(0)))

"""Map intensities to the range the network was trained on, without creating contrast where there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOISE_MULTIPLE = 16.0
"""The range from 0 to 1 spans at least this many standard deviations of the pixel noise."""

SAMPLE_PIXELS = 1 << 19
"""Pixels; larger planes are measured on a regular sample."""

NOISE_PIXELS = 1 << 17
"""Pixels, in regularly spaced rows, from which the noise is estimated; more do not make it more accurate."""


@dataclass(frozen=True)
class IntensityRange:
    """The intensities that become 0 and 1.

    Attributes
    ----------
    low, high : float
        Grey values of the image; always ``high > low``.
    """

    low: float
    high: float

    def normalise(self, pixels: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map ``low`` to 0 and ``high`` to 1 (float32, same shape); values outside are not clipped."""
        span, limits = self.high - self.low, np.finfo(np.float32)
        if not 1 / float(limits.max) < span < 1 / float(limits.tiny):  # the reciprocal is no number of 32 bits
            return ((pixels.astype(np.float64) - self.low) / span).astype(np.float32)
        # One multiplication instead of a division for every pixel; subtracted first, so that large offsets cost no
        # precision.
        return ((pixels - self.low) * np.float32(1.0 / span)).astype(np.float32, copy=False)


def estimate_noise(pixels: NDArray[np.floating]) -> float:
    """Return the standard deviation of the pixel noise, from differences of neighbouring pixels in a row.

    Second differences cancel smooth structure (after Immerkær 1996, *Fast noise variance estimation*); the largest
    tenth is left out, because outlines and debris are not noise. A trimmed mean, unlike a median, does not drop to zero
    if the camera's noise is about one grey value.

    ``pixels`` (Y, X) are NaN where there is fill; the noise is 0 if no three neighbours in a row are known.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(100, 5, (200, 200))
    >>> bool(abs(estimate_noise(noisy) - 5) < 0.3)
    True
    """
    if pixels.shape[-1] < 3:
        return 0.0
    # Whole rows, for the differences need neighbouring pixels.
    pixels = pixels[:: max(pixels.size // NOISE_PIXELS, 1)]
    second = np.abs(pixels[:, :-2] - 2 * pixels[:, 1:-1] + pixels[:, 2:]).ravel()
    second = second[np.isfinite(second)]
    if not second.size:
        return 0.0
    kept = second[second <= np.quantile(second, 0.9)]
    # E|d| of the lowest 90 % of a normal distribution is 0.657 of its standard deviation, which is √6 of a pixel's.
    return float(kept.mean() / (0.657 * np.sqrt(6.0)))


def intensity_range(
    pixels: NDArray[np.floating],
    percentiles: tuple[float, float] = (1.0, 99.8),
    noise: float | None = None,
) -> IntensityRange:
    """Find the intensities of a plane that become 0 and 1.

    These are percentiles of the whole plane, but the range is never narrower than `NOISE_MULTIPLE` standard deviations
    of the noise: camera noise alone stays faint at any gain and offset. For planes without noise whose objects are too
    small for the percentiles, the range is from minimum to maximum.

    ``pixels`` (Y, X) are the plane, or a regular sample of its rows, with NaN for fill; without ``noise`` it is
    estimated from them.
    """
    known = pixels[np.isfinite(pixels)]
    if known.size == 0:
        return IntensityRange(0.0, 1.0)
    low, high = (float(value) for value in np.percentile(known, percentiles))
    noise = estimate_noise(pixels) if noise is None else noise
    high = max(high, low + NOISE_MULTIPLE * noise)
    # A drawn or masked image may have no noise, and objects smaller than 0.2 % of it.
    if high - low <= resolution(low, high, pixels.dtype):
        low, high = float(known.min()), float(known.max())
    if high - low <= resolution(low, high, pixels.dtype):
        high = low + max(1.0, abs(low))  # constant: everything becomes 0
    return IntensityRange(low, high)


def resolution(low: float, high: float, kind: np.dtype[np.floating]) -> float:
    """Difference below which two grey values are equal up to rounding."""
    # A few units in the last place: signals are the result of several operations.
    return 8 * float(np.finfo(kind).eps) * max(abs(low), abs(high))

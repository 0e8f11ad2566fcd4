"""Drift: how far the whole field moves between frames, as stages and dishes do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.registration import phase_cross_correlation

from napari_unet_nuclei.core.types import Mask

LARGEST_SIDE = 256
"""Pixels; frames are thinned to about this side before they are compared."""

NOTICEABLE = 0.25
"""Diameters a frame; a drift of less is no worry to the linker."""

SUBPIXEL = 4
"""Parts of a thinned pixel to which a shift is found."""


class DriftMeter:
    """Compares each frame with the one before it, by the phase correlation of where nuclei are."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._shifts: list[NDArray[np.float64]] = []

    def add(self, ids: NDArray[np.int64]) -> None:
        """Take the next frame (Y, X) or (Z, Y, X); of depth, its shadow along z is compared."""
        seen: NDArray[np.int64] = ids.max(axis=0) if ids.ndim == 3 else ids
        mask: Mask = np.greater(seen, 0)
        step = max(1, -(-max(mask.shape) // LARGEST_SIDE))
        now = gaussian_filter(mask[::step, ::step].astype(np.float32), 1.0)
        shift = np.zeros(2)
        if self._last is not None and now.any() and self._last.any():
            found, _, _ = phase_cross_correlation(now, self._last, upsample_factor=SUBPIXEL, normalization=None)
            shift = np.asarray(found, np.float64) * step
        self._shifts.append(shift)
        self._last = now

    @property
    def shifts(self) -> NDArray[np.float64]:
        """Movement (y, x) in pixels from each frame to the next, shape (T, 2); that of the first frame is 0."""
        return np.reshape(self._shifts, (-1, 2))

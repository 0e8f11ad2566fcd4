"""Resize one piece of a plane exactly as if the whole plane had been resized.

Every output pixel is a fixed weighted mean of input pixels (a triangle as wide as the coarser of the two grids, as
image libraries use for anti-aliased bilinear resizing), so a piece needs nothing but the input pixels it is made of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


@dataclass(frozen=True)
class AxisResampling:
    """Resizing of one axis from ``old`` to ``new`` pixels, edges aligned.

    Examples
    --------
    >>> halving = AxisResampling(old=8, new=4)
    >>> matrix, start = halving.matrix(1, 3)
    >>> start, matrix.shape
    (1, (2, 6))
    """

    old: int
    new: int

    def matrix(self, start: int, stop: int) -> tuple[csr_array, int]:
        """Return the weights of the output pixels ``start`` to ``stop``, and the input pixel of the first column.

        Rows are outputs, columns inputs; every row sums to 1.
        """
        ratio = self.old / self.new
        # Enlarging interpolates between neighbours; shrinking averages all pixels that an output covers.
        reach = max(ratio, 1.0)
        # Edges are aligned, so centres are half a pixel from them on either grid.
        centres = (np.arange(start, stop) + 0.5) * ratio - 0.5
        # As many pixels as the triangle may touch wherever it lies; those beyond its reach get weight 0.
        offsets = np.arange(int(np.ceil(2 * reach)) + 1)
        taps = np.ceil(centres - reach).astype(int)[:, None] + offsets
        weights = np.clip(1 - np.abs(taps - centres[:, None]) / reach, 0, None)
        weights[(taps < 0) | (taps >= self.old)] = 0
        # At the image's edge a part of the triangle is missing, and the rest must still sum to 1.
        weights /= weights.sum(axis=1, keepdims=True)
        rows, columns = np.nonzero(weights)
        used = taps[rows, columns]
        first = int(used.min())
        shape = (stop - start, int(used.max()) + 1 - first)
        return csr_array((weights[rows, columns].astype(np.float32), (rows, used - first)), shape), first

    def inputs(self, start: int, stop: int) -> tuple[int, int]:
        """First and one past the last input pixel that outputs ``start`` to ``stop`` are made of."""
        matrix, first = self.matrix(start, stop)
        return first, first + matrix.shape[1]

    def centred_in(self, start: int, stop: int) -> tuple[int, int]:
        """Output pixels whose centres lie in the input interval ``start`` to ``stop``; intervals partition them."""
        factor = self.new / self.old
        # Rounded up at both ends: a centre on the border of two intervals belongs to the second alone.
        return tuple(int(np.ceil(edge * factor - 0.5)) for edge in (start, stop))  # type: ignore[return-value]


def resample(pixels: NDArray[np.float32], rows: csr_array, columns: csr_array) -> NDArray[np.float32]:
    """Apply the weights of both axes to an array (Y, X), giving (rows.shape[0], columns.shape[0]) float32."""
    return np.ascontiguousarray((columns @ (rows @ pixels).T).T, np.float32)

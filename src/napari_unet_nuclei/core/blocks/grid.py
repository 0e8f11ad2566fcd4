"""Cut planes that are larger than memory into blocks, and name every pixel by one number.

Every block decides the pixels of its core; cores partition the plane and lie on the chunks of the stores, so that no
two blocks ever write to the same file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import Region

Keys = NDArray[np.int64]
"""Names of nuclei before they are numbered, axes (Y, X): each that of one of its pixels, 0 is background."""


@dataclass(frozen=True)
class Block:
    """One block: its number, counted over all planes from 0, where it lies, and the core of pixels that it decides."""

    number: int
    plane: int
    row: int
    column: int
    core: Region


@dataclass(frozen=True)
class BlockGrid:
    """How planes of the same shape are cut.

    Attributes
    ----------
    shape : tuple of int
        (Y, X) of each in pixels.
    side : int
        Of a core in pixels; cores at the lower and right edge may be smaller.
    offset : tuple of int
        Rows and columns, less than ``side``, that the first cores lack where the plane is a part of a larger one whose
        chunks the cores keep to.
    """

    planes: int
    shape: tuple[int, int]
    side: int
    offset: tuple[int, int] = (0, 0)

    @property
    def rows(self) -> int:
        """Blocks from top to bottom."""
        return -(-(self.offset[0] + self.shape[0]) // self.side)

    @property
    def columns(self) -> int:
        """Blocks from left to right."""
        return -(-(self.offset[1] + self.shape[1]) // self.side)

    def __len__(self) -> int:
        return self.planes * self.rows * self.columns

    def __iter__(self) -> Iterator[Block]:
        return map(self.block, range(len(self)))

    def block(self, number: int) -> Block:
        """Return a block by its number.

        Examples
        --------
        >>> BlockGrid(planes=1, shape=(100, 100), side=64).block(1).core
        (0, 64, 64, 100)
        """
        plane, rest = divmod(number, self.rows * self.columns)
        row, column = divmod(rest, self.columns)
        # The first row and column begin before the plane where it is a part of a larger one, and are cut there.
        y, x = row * self.side - self.offset[0], column * self.side - self.offset[1]
        core = (max(y, 0), min(y + self.side, self.shape[0]), max(x, 0), min(x + self.side, self.shape[1]))
        return Block(number, plane, row, column, core)

    def grown(self, region: Region, margin: int) -> Region:
        """Widen a rectangle on every side, but not beyond the plane."""
        y0, y1, x0, x1 = region
        height, width = self.shape
        return max(y0 - margin, 0), min(y1 + margin, height), max(x0 - margin, 0), min(x1 + margin, width)

    def seams(self) -> Iterator[tuple[Block, Block, Literal["below", "right"]]]:
        """Yield pairs of blocks that share an edge: a block, and the one below or to the right of it."""
        for block in self:
            if block.column + 1 < self.columns:
                yield block, self.block(block.number + 1), "right"
            if block.row + 1 < self.rows:
                yield block, self.block(block.number + self.columns), "below"

    def keys_of(self, plane: int, y: NDArray[np.intp], x: NDArray[np.intp]) -> Keys:
        """Name pixels: numbers from 1 in the order in which one reads, plane after plane.

        Examples
        --------
        >>> grid = BlockGrid(planes=2, shape=(10, 20), side=64)
        >>> grid.keys_of(1, np.array([0, 2]), np.array([0, 3])).tolist()
        [201, 244]
        """
        height, width = self.shape
        # In int64 from the first product on: a plane of 50,000 x 50,000 pixels exceeds int32.
        return np.asarray((np.int64(plane) * height + y) * width + x + 1, np.int64)

    def pixels_of(self, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows and columns within their plane of the pixels that keys above 0 name."""
        rows, x = np.divmod(keys - 1, self.shape[1])
        return rows % self.shape[0], x

    def planes_of(self, keys: Keys) -> NDArray[np.int64]:
        """Return the planes of the pixels that keys above 0 name."""
        return np.asarray((keys - 1) // (self.shape[0] * self.shape[1]), np.int64)

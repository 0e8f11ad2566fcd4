"""Cut planes and volumes that are larger than memory into blocks, and name every pixel by one number.

Every block decides the pixels of its core; cores partition the array and lie on the chunks of the stores, so that no
two blocks ever write to the same file. Everything here knows any number of axes: what is said of pixels holds for
voxels too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import Box

Keys = NDArray[np.int64]
"""Names of nuclei before they are numbered, axes (Y, X) or (Z, Y, X): each that of one of its pixels, 0 is background.
"""


@dataclass(frozen=True)
class Block:
    """One block: its number, counted over all parts from 0, where it lies, and the core of pixels that it decides.

    Attributes
    ----------
    part : int
        Which plane, or which volume, of the image.
    place : tuple of int
        Which block along each axis.
    """

    number: int
    part: int
    place: tuple[int, ...]
    core: Box


@dataclass(frozen=True)
class BlockGrid:
    """How planes, or volumes, of the same shape are cut.

    Attributes
    ----------
    parts : int
        How many there are.
    shape : tuple of int
        Of each, in pixels.
    sides : tuple of int
        Of a core in pixels; cores at the far edges may be smaller.
    offset : tuple of int
        Pixels along each axis, less than its side, that the first cores lack where the array is a part of a larger one
        whose chunks the cores keep to; empty for none.
    """

    parts: int
    shape: tuple[int, ...]
    sides: tuple[int, ...]
    offset: tuple[int, ...] = ()

    @property
    def first(self) -> tuple[int, ...]:
        """The offset, for every axis."""
        return self.offset or (0,) * len(self.shape)

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks along each axis."""
        along = zip(self.first, self.shape, self.sides, strict=True)
        return tuple(-(-(first + size) // side) for first, size, side in along)

    def __len__(self) -> int:
        return self.parts * math.prod(self.counts)

    def __iter__(self) -> Iterator[Block]:
        return map(self.block, range(len(self)))

    def block(self, number: int) -> Block:
        """Return a block by its number.

        Examples
        --------
        >>> BlockGrid(parts=1, shape=(100, 100), sides=(64, 64)).block(1).core
        (0, 64, 64, 100)
        """
        part, rest = divmod(number, math.prod(self.counts))
        place = tuple(int(one) for one in np.unravel_index(rest, self.counts))
        core: Box = ()
        for one, side, first, size in zip(place, self.sides, self.first, self.shape, strict=True):
            # The first block begins before the array where it is a part of a larger one, and is cut there.
            start = one * side - first
            core += max(start, 0), min(start + side, size)
        return Block(number, part, place, core)

    def grown(self, box: Box, margin: int) -> Box:
        """Widen a box on every side, but not beyond the array."""
        wider: Box = ()
        for first, end, size in zip(box[::2], box[1::2], self.shape, strict=True):
            wider += max(first - margin, 0), min(end + margin, size)
        return wider

    def seams(self) -> Iterator[tuple[Block, Block, int]]:
        """Yield pairs of blocks that share a side: a block, the next one along an axis, and the axis."""
        for block in self:
            for axis, count in enumerate(self.counts):
                if block.place[axis] + 1 < count:
                    yield block, self.block(block.number + math.prod(self.counts[axis + 1 :])), axis

    def beside(self, block: Block) -> Iterator[Block]:
        """Yield the blocks that share a side with one."""
        for axis, count in enumerate(self.counts):
            step = math.prod(self.counts[axis + 1 :])
            if block.place[axis] > 0:
                yield self.block(block.number - step)
            if block.place[axis] + 1 < count:
                yield self.block(block.number + step)

    def sides_within(self, block: Block) -> Iterator[tuple[int, int]]:
        """Yield axis and end (0 or -1) of the sides of a core beyond which the array goes on."""
        for axis, size in enumerate(self.shape):
            if block.core[2 * axis] > 0:
                yield axis, 0
            if block.core[2 * axis + 1] < size:
                yield axis, -1

    def keys_of(self, part: int, *places: NDArray[np.integer]) -> Keys:
        """Name pixels, given by their places along each axis: numbers from 1 as one reads, part after part.

        Examples
        --------
        >>> grid = BlockGrid(parts=2, shape=(10, 20), sides=(64, 64))
        >>> grid.keys_of(1, np.array([0, 2]), np.array([0, 3])).tolist()
        [201, 244]
        """
        # In int64 from the first product on: a plane of 50,000 x 50,000 pixels exceeds int32.
        keys = np.full(np.shape(places[0]), part, np.int64)
        for size, place in zip(self.shape, places, strict=True):
            keys *= size
            keys += place
        return keys + 1

    def keys_in(self, part: int, box: Box, pixels: NDArray[np.integer]) -> Keys:
        """Name pixels that are given by their flat index in a box."""
        lengths = [end - first for first, end in zip(box[::2], box[1::2], strict=True)]
        places = np.unravel_index(pixels, lengths)
        return self.keys_of(part, *(place + first for place, first in zip(places, box[::2], strict=True)))

    def pixels_of(self, keys: Keys) -> tuple[NDArray[np.int64], ...]:
        """Return the places, along each axis of their part, of the pixels that keys above 0 name."""
        rest, places = keys - 1, []
        for size in reversed(self.shape):
            rest, place = np.divmod(rest, size)
            places.append(place)
        return tuple(reversed(places))

    def parts_of(self, keys: Keys) -> NDArray[np.int64]:
        """Return the parts of the pixels that keys above 0 name."""
        return np.asarray((keys - 1) // math.prod(self.shape), np.int64)

    def inside(self, block: Block, keys: Keys) -> NDArray[np.bool_]:
        """Tell which keys above 0 name a pixel of a block's core."""
        found = self.parts_of(keys) == block.part
        for place, first, end in zip(self.pixels_of(keys), block.core[::2], block.core[1::2], strict=True):
            found = found & (place >= first) & (place < end)
        return np.asarray(found)

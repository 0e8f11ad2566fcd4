"""What blocks of a volume know of it as a whole: its working grid, and where its labels lie."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from napari_unet_nuclei.core.blocks.decoding import VolumeDecoding
from napari_unet_nuclei.core.blocks.grid import BlockGrid
from napari_unet_nuclei.core.image.io.ome_zarr_labels import CUBE
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.segment.volumes.spacing import Spacing
from napari_unet_nuclei.core.segment.volumes.stack import WorkingGrid
from napari_unet_nuclei.core.types import Box, Labels, Region

MAPS = 2
"""Maps that volumes are decoded from: foreground and border."""

SAMPLE = 256
"""Side of the sample of the labels, in voxels, in which the shape of nuclei is looked at."""

CHUNK = 64
"""Side of a chunk of the arrays on the working grid; blocks are made of whole chunks."""


class VolumePlan(BaseModel):
    """How an image is divided whose planes are volumes.

    The network and the decoding work on blocks of the grid of cubes, labels are written and measured in blocks of the
    image's voxels, of whole chunks of the labels.

    Attributes
    ----------
    stacks : tuple of tuple of int
        Which of the planes make up each volume, from top to bottom.
    shape : tuple of int
        (Z, Y, X) of a volume in voxels of the image.
    spacing : Spacing
        Of the planes.
    diameter : float
        Of the nuclei, in pixels.
    unit : float
        As in `WorkingGrid`.
    sides : tuple of int
        Of a block in cubes.
    chunk : tuple of int
        Of the labels, in voxels.
    """

    model_config = ConfigDict(frozen=True)

    stacks: tuple[tuple[int, ...], ...]
    shape: tuple[int, int, int]
    spacing: Spacing
    diameter: float
    unit: float
    sides: tuple[int, int, int]
    chunk: tuple[int, int, int]

    @staticmethod
    def of(
        stacks: tuple[tuple[int, ...], ...],
        plane_shape: tuple[int, int],
        spacing: Spacing,
        diameter: float,
        unit: float,
        side: int,
    ) -> VolumePlan:
        """Plan blocks of as many cubes as one of a side has."""
        shape = (len(stacks[0]), *plane_shape)
        cubes = WorkingGrid.of(shape, spacing.ratio, diameter, unit).shape
        chunk = (min(CUBE[0], side), min(CUBE[1], side), min(CUBE[2], side))
        return VolumePlan(
            stacks=stacks,
            shape=shape,
            spacing=spacing,
            diameter=diameter,
            unit=unit,
            sides=block_sides(cubes, side),
            chunk=chunk,
        )

    @property
    def working(self) -> WorkingGrid:
        """The grid of cubes."""
        return WorkingGrid.of(self.shape, self.spacing.ratio, self.diameter, self.unit)

    @property
    def grid(self) -> BlockGrid:
        """The blocks of cubes of all volumes."""
        return BlockGrid(len(self.stacks), self.working.shape, self.sides)

    def label_grid(self, region: Region) -> BlockGrid:
        """The blocks of voxels of a region of all volumes, which keep to the chunks of the whole labels."""
        _, rows, columns = self.chunk
        return BlockGrid(len(self.stacks), self.shape, self.chunk, (0, region[0] % rows, region[2] % columns))

    def decoding(self, thresholds: DecodeThresholds) -> VolumeDecoding:
        """How its maps are decoded."""
        cubes = self.working.shape
        # As `VolumeMaps.scale` has it.
        scale = math.sqrt(math.prod(cubes[1:]) / math.prod(self.shape[1:]))
        return VolumeDecoding(thresholds, self.unit, scale, cubes, self.shape)


def sample_of_labels(grid: BlockGrid, part: int, read: Callable[[Box], NDArray[np.integer]]) -> Labels:
    """Return the middle of a volume's labels, without the nuclei that its sides cut."""
    box: Box = ()
    for size in grid.shape:
        first = max(size - SAMPLE, 0) // 2
        box += first, min(first + SAMPLE, size)
    # Numbered anew from 1: what is counted by id would otherwise take as long as all of the image has nuclei.
    ids, numbers = np.unique(np.append(0, read(box)), return_inverse=True)
    labels = numbers[1:].reshape([end - first for first, end in zip(box[::2], box[1::2], strict=True)])
    cut = np.zeros(ids.size, bool)
    for axis, size in enumerate(grid.shape):
        for end, edge in ((0, box[2 * axis] > 0), (-1, box[2 * axis + 1] < size)):
            if edge:
                cut[np.take(labels, end, axis)] = True
    return np.where(cut[labels], 0, labels).astype(np.int32)


def block_sides(cubes: tuple[int, int, int], side: int) -> tuple[int, int, int]:
    """Sides of blocks of whole chunks, of as many cubes as one of the given side: wider where the volume is shallow.

    The network looks far beyond a block in every direction, which costs the less the wider it is.

    Examples
    --------
    >>> block_sides((2000, 2000, 2000), 320), block_sides((150, 2000, 2000), 320)
    ((320, 320, 320), (192, 384, 384))
    """
    chunk = min(side, CHUNK)
    whole = side // chunk * chunk
    depth = min(whole, -(-cubes[0] // chunk) * chunk)
    wide = int(np.sqrt(whole**3 / depth) + 1e-9) // chunk * chunk
    return depth, wide, wide

"""Cells, cytoplasm, rings and spots of nuclei in three dimensions, one stack at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.labels.measure.spots import count_in
from napari_unet_nuclei.core.labels.measure.surroundings import CELL, Columns, Match, draw_surroundings, spacing_in
from napari_unet_nuclei.core.labels.numbering import as_ids
from napari_unet_nuclei.core.settings import CellSettings
from napari_unet_nuclei.core.types import AnyArray, Index

LARGEST = 2**27
"""Voxels of a stack around whose nuclei something is drawn: that takes about 50 bytes for each."""


@dataclass(frozen=True, eq=False)
class AroundVolumes:
    """What is measured around and in the nuclei of stacks.

    Attributes
    ----------
    settings : CellSettings
    cells : array_like, shape (..., Y, X), optional
        Cells of another origin.
    spots : mapping of str to ndarray, shape (spots, axes)
        Positions in the whole image along all axes.
    """

    settings: CellSettings = field(default_factory=CellSettings)
    cells: AnyArray | None = None
    spots: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)

    @property
    def wanted(self) -> bool:
        """True if there is anything to measure."""
        return self.settings.wanted or self.cells is not None or bool(self.spots)

    def spacing(self, sizes: tuple[float, float, float], known: bool) -> tuple[float, ...]:
        """Return the distance of voxels in the unit of the settings; raise `SettingsError` where it is unknown."""
        if self.settings.distance_unit == "µm" and self.settings.wanted:
            return spacing_in("µm", sizes if known else (0.0, 0.0, 0.0))
        pixel = math.sqrt(sizes[1] * sizes[2])
        return (sizes[0] / pixel, sizes[1] / pixel, sizes[2] / pixel)

    def measure(
        self,
        labels: AnyArray,
        images: Mapping[str, AnyArray],
        planes: Sequence[Index],
        spacing: tuple[float, ...],
        voxel: float,
        positions: Mapping[str, NDArray[np.float64]],
        nuclei: Columns,
    ) -> tuple[Columns, Match]:
        """Measure one stack.

        Parameters
        ----------
        labels, images
            As `measure_volumes` takes them.
        planes : sequence of Index
            Of the stack's planes, from the first.
        spacing : tuple of float
        voxel : float
            Volume in µm³; NaN if unknown.
        positions : mapping of str to ndarray, shape (spots, 3)
            Spots in the stack, in pixels: z, y, x.
        nuclei : dict
            Columns of the nuclei themselves.
        """
        shape = (len(planes), *labels.shape[-2:])
        if math.prod(shape) > LARGEST:
            raise SettingsError(
                "This stack is too large to draw cells, rings or spots in three dimensions: measure a part of it."
            )
        ids = _stacked(labels, planes, shape)
        cells = None if self.cells is None else _stacked(self.cells, planes, shape)
        drawn = draw_surroundings(ids, self.settings, spacing, cells)
        columns: Columns = {}
        for name, places in positions.items():
            columns[f"{name}_count"] = count_in(ids, drawn.nuclei, places)
            if CELL in drawn.regions:
                columns[f"{name}_count_cell"] = count_in(drawn.regions[CELL], drawn.owners, places)
        light = {name: np.stack([np.asarray(image[at]) for at in planes]) if planes else np.zeros(shape)
                 for name, image in images.items()}  # fmt: skip
        means = {name: nuclei[f"{name}_mean"] for name in images}
        sizes = {"voxels": 1.0, "volume_um3": voxel}
        return columns | drawn.columns(nuclei["voxels"], sizes, light, means), drawn.match


def _stacked(labels: AnyArray, planes: Sequence[Index], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Read the ids of a stack; negative ones are background."""
    if not planes:
        return np.zeros(shape, np.int64)
    return np.stack([as_ids(np.maximum(np.asarray(labels[at]), 0)) for at in planes])

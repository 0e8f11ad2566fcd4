"""The stages of a block-wise segmentation, and the files that each leaves in the folder of the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.files.atomic import atomic

Stage = Literal["maps", "basins", "tally", "label", "fill", "voxels", "level", "measure"]
"""
maps
    Run the network.
basins
    Divide the foreground into basins, and join those that lie within the block.
tally
    Sum up what the maps show of each nucleus.
label
    Write the ids, holes within the block filled.
fill
    Write them again, with holes that cross the block's edge filled as well.
voxels
    Of volumes, write the ids of the working grid at the image's voxels; blocks are those of the labels from here on.
level
    Shrink the labels to the next level of the pyramid.
measure
    Measure the nuclei.
"""

Arrays = Mapping[str, NDArray[Any]]

# What the folder holds, beside the tables:
PLAN, MODEL = "plan.json", "model.safetensors"
MAPS, KEYS, CUBES = "maps.zarr", "keys.zarr", "cubes.zarr"
NUMBERS, FILLINGS = "numbers.npz", "fillings"
LABELS = "labels.ome.zarr"

SCORES = "scores"
"""Name, in the outcome of ``label``, of the scores of the nuclei that lie within the block alone."""


@dataclass(frozen=True)
class BlockTask:
    """One piece of work: a stage of a block; for ``level``, ``round`` is the level and the block is of its own grid."""

    stage: Stage
    number: int
    round: int = 0

    @property
    def table(self) -> str:
        """File that its outcome is kept in, within the folder of the work."""
        return f"tables/{self.stage}-{self.round}/{self.number}.npz"


@dataclass(frozen=True)
class WorkPlace:
    """Where the work of one image lies, and which image, model and settings it is of."""

    folder: Path
    fingerprint: str


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read arrays by name."""
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays by name, so that the file is there whole or not at all."""
    # A table that is there counts as done: half of one, after a power cut, would be read as the whole.
    with atomic(path) as partial:
        np.savez_compressed(partial, allow_pickle=False, **arrays)

"""What is done with one block, on whichever computer: everything it needs and everything it leaves lies in one folder.

A piece of work counts as done when its table is there, which is written last; doing it again gives the same. So a run
that was killed goes on where it stopped, and a worker that is lost costs one piece of work.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import zarr
from numpy.typing import NDArray

from napari_unet_nuclei.core.atomic import atomic
from napari_unet_nuclei.core.batch.block_maps import predict_region
from napari_unet_nuclei.core.batch.block_plan import BlockPlan, read_plan
from napari_unet_nuclei.core.batch.blocks import Block, BlockGrid, Keys
from napari_unet_nuclei.core.batch.flood import (
    UNRESOLVED,
    flood_block,
    flood_rest,
    name_pieces,
    region_to_read,
    seeds_left,
)
from napari_unet_nuclei.core.batch.holes import SIDES, along, fill_pieces, open_pieces
from napari_unet_nuclei.core.batch.join import Numbers, numbered, tally
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.ome_zarr import is_ome_zarr, read_ome_zarr
from napari_unet_nuclei.core.image.read import read_image
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.file import read_model
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.types import QuantisedMaps, Region

Stage = Literal["maps", "flood", "rest", "seeds", "pieces", "name", "tally", "label", "fill", "level"]
"""
maps
    Run the network.
flood
    Find the nuclei that can be seen from the block.
rest
    Find more of them, now that the neighbours know theirs.
seeds, pieces, name
    Name what is longer than any block can see: first seeds, then whatever has none.
tally
    Count pixels.
label
    Write the ids, holes within the block filled.
fill
    Write them again, with holes that cross the block's edge filled as well.
level
    Shrink the labels to the next level of the pyramid.
"""

Arrays = Mapping[str, NDArray[Any]]

# What the folder holds, beside the tables:
PLAN, MODEL = "plan.json", "model.safetensors"
MAPS, KEYS = "maps.zarr", "keys.zarr"
NUMBERS, FILLINGS = "numbers.npz", "fillings"
LABELS = "labels.ome.zarr"


@dataclass(frozen=True)
class BlockTask:
    """One piece of work.

    Attributes
    ----------
    stage : str
    number : int
        Of the block; for ``level`` of the block in that level's own grid.
    round : int
        Which time, for stages that are repeated; which level of the pyramid.
    """

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


class BlockWork:
    """Does the work on blocks.

    Parameters
    ----------
    place : WorkPlace
        Its folder holds the plan and the model.
    source : ImageSource, optional
        The image; opened from the plan's file where not given.
    runner : NetworkRunner, optional
        Loaded from the folder's model, once, where not given.
    """

    def __init__(
        self, place: WorkPlace, source: ImageSource | None = None, runner: NetworkRunner | None = None
    ) -> None:
        plan = read_plan(place.folder / PLAN, place.fingerprint)
        if plan is None:
            raise OutputFileError(
                f"The work in {place.folder} is of another run, or its files cannot be seen from here."
            )
        self.folder = place.folder
        self.plan: BlockPlan = plan
        self.grid: BlockGrid = plan.grid
        self._source, self._runner = source, runner
        self._opening, self._network = threading.Lock(), threading.Lock()

    def do(self, task: BlockTask, progress: Progress) -> None:
        """Do a piece of work, unless that is done already."""
        if (self.folder / task.table).exists():
            return
        save_arrays(self.folder / task.table, self._step(task, self.grid.block(task.number), progress))

    def outcome(self, task: BlockTask) -> dict[str, NDArray[Any]]:
        """Read what came of a piece of work."""
        return load_arrays(self.folder / task.table)

    def _step(self, task: BlockTask, block: Block, progress: Progress) -> Arrays:
        match task.stage:
            case "maps":
                return self._predict(block, progress)
            case "flood" | "rest":
                return self._flood(task, block)
            case "seeds" | "pieces":
                return self._find_names(task, block)
            case "name":
                return self._name(task, block)
            case "tally":
                return vars(tally(self.grid, block, self._keys(block.core, block.plane)))
            case "label" | "fill":
                return self._label(task, block)
            case "level":
                return self._shrink(task)

    def _predict(self, block: Block, progress: Progress) -> Arrays:
        reader = self.plan.reader(self.source, block.plane)
        maps = predict_region(reader, self.plan.scale, self.runner, block.core, self._network, progress)
        self._maps_array[(block.plane, slice(None), *self._scratch(block.core))] = maps
        return {}

    def _flood(self, task: BlockTask, block: Block) -> Arrays:
        given = self._keys(block.outer, block.plane)
        if task.stage == "flood":
            given[block.tile.crop] = 0  # of a run that was killed
        flood = flood_block if task.stage == "flood" else flood_rest
        keys = flood(self.grid, block, self._maps(block), self.plan.thresholds, given)
        self._write_keys(block, keys)
        return {"unresolved": np.array(np.count_nonzero(keys == UNRESOLVED))}

    def _find_names(self, task: BlockTask, block: Block) -> Arrays:
        given = self._keys(block.outer, block.plane)
        chosen = given[block.tile.crop] == UNRESOLVED
        if task.stage == "seeds":
            chosen = seeds_left(self.grid, block, self._maps(block), self.plan.thresholds, given)
        names = name_pieces(self.grid, block, chosen)
        return {"names": names, **{side: along(names, side) for side in SIDES}}

    def _name(self, task: BlockTask, block: Block) -> Arrays:
        names = self.outcome(BlockTask("pieces" if task.round else "seeds", task.number))["names"]
        keys = np.where(names > 0, names, self._keys(block.core, block.plane))
        self._write_keys(block, keys)
        return {"unresolved": np.array(np.count_nonzero(keys == UNRESOLVED))}

    def _label(self, task: BlockTask, block: Block) -> Arrays:
        numbers = Numbers.from_arrays(load_arrays(self.folder / NUMBERS))
        ids = numbered(self.grid, block, self._keys(block.core, block.plane), numbers, self.plan.thresholds.min_size)
        if task.stage == "fill":
            ids = fill_pieces(ids, load_arrays(self.folder / FILLINGS / f"{block.number}.npz")["ids"])
        y0, y1, x0, x1 = block.core
        top, left = self.plan.region[0], self.plan.region[2]
        self._labels(0)[self._place(block, (top + y0, top + y1, left + x0, left + x1))] = ids
        return open_pieces(self.grid, block, ids).arrays()

    def _shrink(self, task: BlockTask) -> Arrays:
        """Every second pixel of every second row: the nearest one."""
        smaller, larger = self._labels(task.round), self._labels(task.round - 1)
        height, width = smaller.shape[-2:]
        block = self.plan.level_grid((height, width)).block(task.number)
        y0, y1, x0, x1 = block.core
        read = np.asarray(larger[self._place(block, (2 * y0, 2 * y1, 2 * x0, 2 * x1))])
        smaller[self._place(block, block.core)] = read[::2, ::2]
        return {}

    def _place(self, block: Block, region: Region) -> tuple[int | slice, ...]:
        """Where a rectangle of a block's plane lies in the labels."""
        y0, y1, x0, x1 = region
        return (*self.plan.places[block.plane], slice(y0, y1), slice(x0, x1))

    def _scratch(self, region: Region) -> tuple[slice, slice]:
        """Where a rectangle of the plane lies in the arrays of this folder, whose chunks are those of the blocks."""
        y, x = self.grid.offset
        y0, y1, x0, x1 = region
        return slice(y + y0, y + y1), slice(x + x0, x + x1)

    def _maps(self, block: Block) -> QuantisedMaps:
        region = region_to_read(self.grid, block, self.plan.thresholds)
        return np.asarray(self._maps_array[(block.plane, slice(None), *self._scratch(region))], np.uint8)

    def _keys(self, region: Region, plane: int) -> Keys:
        return np.array(self._keys_array[(plane, *self._scratch(region))], np.int64)

    def _write_keys(self, block: Block, keys: Keys) -> None:
        self._keys_array[(block.plane, *self._scratch(block.core))] = keys

    def _labels(self, level: int) -> zarr.Array[Any]:
        return zarr.open_array(self.folder / LABELS / str(level), mode="r+")

    @cached_property
    def _maps_array(self) -> zarr.Array[Any]:
        return zarr.open_array(self.folder / MAPS, mode="r+")

    @cached_property
    def _keys_array(self) -> zarr.Array[Any]:
        return zarr.open_array(self.folder / KEYS, mode="r+")

    @property
    def source(self) -> ImageSource:
        """The image."""
        with self._opening:
            if self._source is None:
                self._source = open_source(Path(self.plan.file), self.plan.axes, self.plan.series)
            return self._source

    @property
    def runner(self) -> NetworkRunner:
        """The network, loaded once."""
        with self._opening:
            if self._runner is None:
                settings, device = self.plan.settings, choose_device(self.plan.settings.device)
                if device.name == "cpu":
                    device = replace(device, precision=getattr(torch, self.plan.precision))
                self._runner = NetworkRunner(read_model(self.folder / MODEL), device, settings.tile, settings.flips)
            return self._runner


def open_source(path: Path, axes: str, series: int = 0) -> ImageSource:
    """Open an image that lies on disk; its pixels stay there where it is large."""
    array = read_ome_zarr(path).levels[0] if is_ome_zarr(path) else read_image(path, series).array
    return ImageSource(array, axes)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read arrays by name."""
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays by name, so that the file is there whole or not at all."""
    with atomic(path) as partial:
        np.savez_compressed(partial, allow_pickle=False, **arrays)


_here: dict[WorkPlace, BlockWork] = {}


@contextmanager
def at_work_here(place: WorkPlace, work: BlockWork) -> Iterator[None]:
    """Let this process do work with an image, or a network, that is open here already."""
    _here[place] = work
    try:
        yield
    finally:
        del _here[place]


@lru_cache(maxsize=1)
def _opened(place: WorkPlace) -> BlockWork:
    """Open the image and the network once for all of a worker's blocks."""
    return BlockWork(place)


def do_block_task(place: WorkPlace, task: BlockTask, progress: Progress) -> None:
    """Do a piece of work in this process."""
    (_here.get(place) or _opened(place)).do(task, progress)

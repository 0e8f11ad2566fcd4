"""Run the stages of one block, on any computer: all that it reads and all that it leaves lies in one folder.

A piece of work counts as done when its table is there, which is written last; doing it again gives the same. So a run
that was killed goes on where it stopped, and a worker that is lost costs one piece of work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_unet_nuclei.core.blocks.basins import box_to_read, divide_block
from napari_unet_nuclei.core.blocks.decoding import Decoding
from napari_unet_nuclei.core.blocks.grid import Block, BlockGrid, Keys
from napari_unet_nuclei.core.blocks.holes import fill_pieces, open_pieces
from napari_unet_nuclei.core.blocks.join import Numbers, numbered, tally
from napari_unet_nuclei.core.blocks.plan import BlockPlan, read_plan
from napari_unet_nuclei.core.blocks.stages import (
    CUBES,
    FILLINGS,
    KEYS,
    LABELS,
    MAPS,
    MODEL,
    NUMBERS,
    PLAN,
    SCORES,
    Arrays,
    BlockTask,
    WorkPlace,
    load_arrays,
    save_arrays,
)
from napari_unet_nuclei.core.blocks.table import measure_block
from napari_unet_nuclei.core.blocks.volume_table import sum_block
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.labels.decode_volume import cubes_at
from napari_unet_nuclei.core.labels.regions import moved, slices
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.file import read_model
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import predict_plane
from napari_unet_nuclei.core.segment.volumes.predict import predict_volume
from napari_unet_nuclei.core.types import Box, QuantisedMaps, Region

Place = tuple[int | slice, ...]
"""Where something lies in a stored array."""


class BlockWork:
    """Runs the stages of the blocks of one image; opens image and model itself where they are not given."""

    def __init__(
        self, place: WorkPlace, source: ImageSource | None = None, runner: NetworkRunner | None = None
    ) -> None:
        plan = read_plan(place.folder / PLAN, place.fingerprint)
        if plan is None:
            raise OutputFileError(
                f"The work in {place.folder} is of another run, or its files cannot be seen from here."
            )
        self.place, self.folder = place, place.folder
        self.plan: BlockPlan = plan
        self.grid: BlockGrid = plan.grid
        self.decoding: Decoding = plan.decoding
        self._source, self._runner = source, runner
        # Two locks: opening the image, by all threads at once, would otherwise wait for a tile of the network.
        self._opening, self._network = threading.Lock(), threading.Lock()

    def do(self, task: BlockTask, progress: Progress) -> None:
        """Run a stage of a block, unless its outcome is there already."""
        if (self.folder / task.table).exists():  # another worker, or an earlier run, has done it
            return
        save_arrays(self.folder / task.table, self._step(task, progress))

    def outcome(self, task: BlockTask) -> dict[str, NDArray[Any]]:
        """Read the outcome of a stage of a block."""
        return load_arrays(self.folder / task.table)

    def _step(self, task: BlockTask, progress: Progress) -> Arrays:
        match task.stage:
            case "maps":
                return self._predict(self.grid.block(task.number), progress)
            case "basins":
                return self._divide(self.grid.block(task.number))
            case "tally":
                block = self.grid.block(task.number)
                return tally(self.grid, block, self._keys(block), self._shown(block)).arrays()
            case "label" | "fill":
                return self._label(task, self.grid.block(task.number))
            case "voxels":
                return self._to_voxels(self.plan.label_grid.block(task.number))
            case "level":
                return self._shrink(task)
            case "measure":
                return self._measure(self.plan.label_grid.block(task.number))

    def _predict(self, block: Block, progress: Progress) -> Arrays:
        plan, volume = self.plan, self.plan.volume
        if volume is None:
            reader = plan.reader(self.source, block.part)
            region = cast("Region", block.core)
            maps = predict_plane(reader, plan.scale, self.runner, progress, region=region, lock=self._network).maps
        else:
            readers = [plan.reader(self.source, plane) for plane in volume.stacks[block.part]]
            ratio, diameter, unit = volume.spacing.ratio, volume.diameter, volume.unit
            found = predict_volume(
                readers, ratio, diameter, unit, self.runner, progress, box=block.core, lock=self._network
            )
            maps = np.stack([found.foreground, found.border])
        self._maps_array[self._in_maps(block, block.core)] = maps
        return {}  # written as an empty table: that it is there says that the maps are

    def _divide(self, block: Block) -> Arrays:
        maps = self._maps(block, box_to_read(self.grid, block, self.decoding))
        keys, open_basins = divide_block(self.grid, block, maps, self.decoding)
        self._keys_array[self._scratch(block, block.core)] = keys
        return open_basins.arrays()

    def _label(self, task: BlockTask, block: Block) -> Arrays:
        numbers = Numbers.from_arrays(load_arrays(self.folder / NUMBERS))
        ids, scores = numbered(self.grid, block, self._keys(block), self._shown(block), numbers, self.decoding)
        if task.stage == "fill":
            # Numbered anew, not read back: the pieces are those that `open_pieces` numbered before any was filled.
            ids = fill_pieces(ids, load_arrays(self.folder / FILLINGS / f"{block.number}.npz")["ids"])
        if self.plan.volume is None:
            self._labels(0)[self._place_of(block.part, block.core)] = ids
        else:
            self._cubes[self._scratch(block, block.core)] = ids
        return {**open_pieces(self.grid, block, ids).arrays(), SCORES: scores}

    def _to_voxels(self, block: Block) -> Arrays:
        """Sample the grid of cubes at the middles of the image's voxels."""
        working = self.grid.shape
        places = [
            cubes_at(size, cubes)[part]
            for size, cubes, part in zip(self.plan.label_grid.shape, working, slices(block.core), strict=True)
        ]
        # Only the cubes that are needed, whatever lies between them.
        self._labels(0)[self._place_of(block.part, block.core)] = self._cubes.oindex[(block.part, *places)]
        return {}

    def _shrink(self, task: BlockTask) -> Arrays:
        """Every second pixel along each axis that is halved: the nearest one."""
        plan, levels = self.plan, self.plan.levels
        smaller, larger = self._labels(task.round), self._labels(task.round - 1)
        grid = plan.level_grid(task.round)
        block = grid.block(task.number)
        finer, axes = levels[task.round - 1].steps, len(grid.shape)
        steps = [now // before for now, before in zip(levels[task.round].steps, finer, strict=True)][-axes:]
        read: Place = tuple(
            slice(step * part.start, step * part.stop, step)
            for step, part in zip(steps, slices(block.core), strict=True)
        )
        smaller[self._place(block.part, block.core)] = larger[(*plan.leading(block.part), *read)]
        return {}

    def labels_of(self, part: int) -> Callable[[Box], NDArray[Any]]:
        """Return what reads boxes, of the region that is segmented, of the labels of a plane or volume."""
        labels = self._labels(0)
        return lambda box: np.asarray(labels[self._place_of(part, box)])

    def _measure(self, block: Block) -> Arrays:
        read = self.labels_of(block.part)
        if self.plan.volume is not None:
            return sum_block(self.plan, block, self.source, read)
        numbers = Numbers.from_arrays(load_arrays(self.folder / NUMBERS))
        scores = self.outcome(BlockTask("label", block.number))[SCORES]
        return measure_block(self.plan, block, self.source, numbers, scores, read)

    def _place_of(self, part: int, box: Box) -> Place:
        """Where a box of the region that is segmented lies in the labels, which are as large as the image."""
        return self._place(part, moved(box, self.plan.labelled[::2]))

    def _place(self, part: int, box: Box) -> Place:
        """Where a box of the whole plane or volume lies in a level of the labels."""
        return (*self.plan.leading(part), *slices(box))

    def _scratch(self, block: Block, box: Box) -> Place:
        """Where a box lies in the arrays of this folder, whose chunks are those of the blocks."""
        return (block.part, *slices(moved(box, self.grid.first)))

    def _in_maps(self, block: Block, box: Box) -> Place:
        """The same in the maps, which have an axis of their own."""
        part, *where = self._scratch(block, box)
        return (part, slice(None), *where)

    def _maps(self, block: Block, box: Box) -> QuantisedMaps:
        return np.asarray(self._maps_array[self._in_maps(block, box)], np.uint8)

    def _shown(self, block: Block) -> QuantisedMaps:
        """What evidence of the nuclei in a core is gathered of."""
        return self.decoding.shown(self._maps(block, block.core), block.core)

    def _keys(self, block: Block) -> Keys:
        return np.array(self._keys_array[self._scratch(block, block.core)], np.int64)

    def _labels(self, level: int) -> zarr.Array[Any]:
        return zarr.open_array(self.folder / LABELS / str(level), mode="r+")

    @cached_property
    def _maps_array(self) -> zarr.Array[Any]:
        return zarr.open_array(self.folder / MAPS, mode="r+")

    @cached_property
    def _keys_array(self) -> zarr.Array[Any]:
        return zarr.open_array(self.folder / KEYS, mode="r+")

    @cached_property
    def _cubes(self) -> zarr.Array[Any]:
        return zarr.open_array(self.folder / CUBES, mode="r+")

    @property
    def source(self) -> ImageSource:
        """The image."""
        with self._opening:
            if self._source is None:
                file = read_image(Path(self.plan.file), self.plan.series)
                self._source = replace(file.source(self.plan.axes), channel_names=self.plan.channel_names)
            return self._source

    @property
    def runner(self) -> NetworkRunner:
        """The network, loaded once."""
        with self._opening:
            if self._runner is None:
                settings = self.plan.settings
                # In the plan's number format, whatever would be fastest on this computer.
                device = choose_device(settings.device).using(self.plan.precision)
                self._runner = NetworkRunner(read_model(self.folder / MODEL), device, settings.tile, settings.flips)
            return self._runner


@lru_cache(maxsize=1)
def _opened(place: WorkPlace) -> BlockWork:
    """Open the image and the network once for all of a worker's blocks."""
    return BlockWork(place)


def do_block_task(place: WorkPlace, task: BlockTask, progress: Progress) -> None:
    """Run a stage of a block in a worker's process, which opens image and network itself."""
    _opened(place).do(task, progress)

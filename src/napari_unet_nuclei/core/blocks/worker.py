"""Run the stages of one block, on any computer: all that it reads and all that it leaves lies in one folder.

A piece of work counts as done when its table is there, which is written last; doing it again gives the same. So a run
that was killed goes on where it stopped, and a worker that is lost costs one piece of work.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_unet_nuclei.core.blocks.basins import divide_block, region_to_read
from napari_unet_nuclei.core.blocks.grid import Block, BlockGrid, Keys
from napari_unet_nuclei.core.blocks.holes import fill_pieces, open_pieces
from napari_unet_nuclei.core.blocks.join import Numbers, numbered, tally
from napari_unet_nuclei.core.blocks.plan import BlockPlan, read_plan
from napari_unet_nuclei.core.blocks.stages import (
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
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.file import read_model
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import predict_plane
from napari_unet_nuclei.core.types import QuantisedMaps, Region


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
        self._source, self._runner = source, runner
        # Two locks: opening the image, by all threads at once, would otherwise wait for a tile of the network.
        self._opening, self._network = threading.Lock(), threading.Lock()

    def do(self, task: BlockTask, progress: Progress) -> None:
        """Run a stage of a block, unless its outcome is there already."""
        if (self.folder / task.table).exists():  # another worker, or an earlier run, has done it
            return
        save_arrays(self.folder / task.table, self._step(task, self.grid.block(task.number), progress))

    def outcome(self, task: BlockTask) -> dict[str, NDArray[Any]]:
        """Read the outcome of a stage of a block."""
        return load_arrays(self.folder / task.table)

    def _step(self, task: BlockTask, block: Block, progress: Progress) -> Arrays:
        match task.stage:
            case "maps":
                return self._predict(block, progress)
            case "basins":
                return self._divide(block)
            case "tally":
                return tally(self.grid, block, self._keys(block), self._maps(block, block.core)).arrays()
            case "label" | "fill":
                return self._label(task, block)
            case "level":
                return self._shrink(task)
            case "measure":
                return self._measure(block)

    def _predict(self, block: Block, progress: Progress) -> Arrays:
        reader = self.plan.reader(self.source, block.plane)
        found = predict_plane(reader, self.plan.scale, self.runner, progress, region=block.core, lock=self._network)
        self._maps_array[(block.plane, slice(None), *self._scratch(block.core))] = found.maps
        return {}  # written as an empty table: that it is there says that the maps are

    def _divide(self, block: Block) -> Arrays:
        thresholds = self.plan.thresholds
        maps = self._maps(block, region_to_read(self.grid, block, thresholds))
        keys, open_basins = divide_block(self.grid, block, maps, thresholds)
        self._keys_array[(block.plane, *self._scratch(block.core))] = keys
        return open_basins.arrays()

    def _label(self, task: BlockTask, block: Block) -> Arrays:
        numbers = Numbers.from_arrays(load_arrays(self.folder / NUMBERS))
        maps = self._maps(block, block.core)
        ids, scores = numbered(self.grid, block, self._keys(block), maps, numbers, self.plan.thresholds)
        if task.stage == "fill":
            # Numbered anew, not read back: the pieces are those that `open_pieces` numbered before any was filled.
            ids = fill_pieces(ids, load_arrays(self.folder / FILLINGS / f"{block.number}.npz")["ids"])
        self._labels(0)[self._place_of(block, block.core)] = ids
        return {**open_pieces(self.grid, block, ids).arrays(), SCORES: scores}

    def _shrink(self, task: BlockTask) -> Arrays:
        """Every second pixel of every second row: the nearest one."""
        smaller, larger = self._labels(task.round), self._labels(task.round - 1)
        height, width = smaller.shape[-2:]
        block = self.plan.level_grid((height, width)).block(task.number)
        y0, y1, x0, x1 = block.core
        read = np.asarray(larger[self._place(block, (2 * y0, 2 * y1, 2 * x0, 2 * x1))])
        smaller[self._place(block, block.core)] = read[::2, ::2]
        return {}

    def _measure(self, block: Block) -> Arrays:
        labels, numbers = self._labels(0), Numbers.from_arrays(load_arrays(self.folder / NUMBERS))

        def read(region: Region) -> NDArray[Any]:
            return np.asarray(labels[self._place_of(block, region)])

        scores = self.outcome(BlockTask("label", block.number))[SCORES]
        return measure_block(self.plan, block, self.source, numbers, scores, read)

    def _place_of(self, block: Block, region: Region) -> tuple[int | slice, ...]:
        """Where a rectangle of the region that is segmented lies in the labels, which are as large as the image."""
        (y0, y1, x0, x1), (top, _, left, _) = region, self.plan.region
        return self._place(block, (top + y0, top + y1, left + x0, left + x1))

    def _place(self, block: Block, region: Region) -> tuple[int | slice, ...]:
        """Where a rectangle of the whole plane lies in a level of the labels."""
        y0, y1, x0, x1 = region
        return (*self.plan.places[block.plane], slice(y0, y1), slice(x0, x1))

    def _scratch(self, region: Region) -> tuple[slice, slice]:
        """Where a rectangle of the plane lies in the arrays of this folder, whose chunks are those of the blocks."""
        y, x = self.grid.offset
        y0, y1, x0, x1 = region
        return slice(y + y0, y + y1), slice(x + x0, x + x1)

    def _maps(self, block: Block, region: Region) -> QuantisedMaps:
        return np.asarray(self._maps_array[(block.plane, slice(None), *self._scratch(region))], np.uint8)

    def _keys(self, block: Block) -> Keys:
        return np.array(self._keys_array[(block.plane, *self._scratch(block.core))], np.int64)

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

"""Run the stages of a block-wise segmentation in order, and join between them what crosses the edges of blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.blocks.basins import OpenBasins, join_basins
from napari_unet_nuclei.core.blocks.holes import OpenPieces, crossing_holes
from napari_unet_nuclei.core.blocks.join import Tally, number_nuclei
from napari_unet_nuclei.core.blocks.stages import (
    FILLINGS,
    KEYS,
    LABELS,
    MAPS,
    NUMBERS,
    BlockTask,
    Stage,
    save_arrays,
)
from napari_unet_nuclei.core.blocks.table import write_block_tables
from napari_unet_nuclei.core.blocks.worker import BlockWork, do_block_task
from napari_unet_nuclei.core.executors.executors import Executor
from napari_unet_nuclei.core.image.io.ome_zarr_labels import create_array, pyramid_shapes
from napari_unet_nuclei.core.model.card import DECODED_HEADS
from napari_unet_nuclei.core.progress import Advanced, Progress, Share

OutcomeType = TypeVar("OutcomeType")

# Where each part of the work ends, as a share of all of it.
_PREDICTED, _FOUND, _LABELLED = 0.8, 0.92, 0.98

_KEPT_OUTCOMES = 256
"""Tables that are held in memory; others are read again."""


class _Outcomes(Mapping[int, OutcomeType]):
    """Outcomes of a stage by number of the block, read on access."""

    def __init__(self, blocks: int, read: Callable[[int], OutcomeType]) -> None:
        self._blocks = blocks
        # A slide has thousands of blocks, whose tables are looked at several times, most often one after the other.
        self._read = lru_cache(_KEPT_OUTCOMES)(read)

    def __getitem__(self, number: int) -> OutcomeType:
        return self._read(number)

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._blocks))

    def __len__(self) -> int:
        return self._blocks


class BlockRun:
    """Runs all stages of an image, each over its blocks; the work's folder is seen by all workers."""

    def __init__(self, work: BlockWork, executor: Executor) -> None:
        self._work = work
        self._executor = executor
        self._blocks = tuple(range(len(work.grid)))

    def run(self, progress: Progress) -> int:
        """Segment the image; returns the number of nuclei, whose labels lie in the work's folder then."""
        work, thresholds = self._work, self._work.plan.thresholds
        self._create_scratch()
        self._all("maps", self._blocks, "block", Share(progress, 0.0, _PREDICTED))
        # Which nuclei reach into which blocks is known when all basins are; which of them are kept, and their numbers,
        # when all areas are; only then can ids be written.
        self._all("basins", self._blocks, "finding nuclei in block", Share(progress, _PREDICTED, _FOUND))
        aliases = join_basins(self._outcomes("basins", OpenBasins.from_arrays).values(), thresholds.split)
        share = Share(progress, _FOUND, _LABELLED)
        self._all("tally", self._blocks, "counting in block", Share(share, 0.0, 0.3))
        numbers = number_nuclei(work.grid, self._outcomes("tally", Tally.from_arrays), aliases, thresholds)
        # On disk, where workers in other processes find it.
        save_arrays(work.folder / NUMBERS, numbers.arrays())
        self._create_labels(numbers.count)
        self._all("label", self._blocks, "writing block", Share(share, 0.3, 1.0))
        self._fill(share)
        self._shrink(Share(progress, _LABELLED, 1.0))
        return numbers.count

    def measure(self, path: Path, progress: Progress) -> float | None:
        """Write the table of the nuclei; returns their median area in px², None where there are none."""
        self._all("measure", self._blocks, "measuring block", progress)
        return write_block_tables(path, (self._work.outcome(BlockTask("measure", number)) for number in self._blocks))

    def _all(self, stage: Stage, numbers: Iterable[int], title: str, progress: Progress, turn: int = 0) -> None:
        """Run a stage for those of some blocks that are not done yet."""
        tasks = [BlockTask(stage, number, turn) for number in numbers]
        # What an earlier run has done counts in the progress bar as well.
        left = [task for task in tasks if not (self._work.folder / task.table).exists()]
        if left:
            share = Share(progress, 1 - len(left) / len(tasks), 1.0)
            # Other processes open image and network themselves; here they are open.
            do = partial(do_block_task, self._work.place) if self._executor.elsewhere else self._work.do
            self._executor.map(do, left, title, share)
        progress.report(Advanced(1.0, title))

    def _outcomes(self, stage: Stage, make: Callable[[dict[str, NDArray[Any]]], OutcomeType]) -> _Outcomes[OutcomeType]:
        return _Outcomes(len(self._blocks), lambda number: make(self._work.outcome(BlockTask(stage, number))))

    def _fill(self, progress: Progress) -> None:
        """Fill holes that the edge of a block runs through."""
        background = self._outcomes("label", OpenPieces.from_arrays)
        seams = ((first.number, second.number, where) for first, second, where in self._work.grid.seams())
        fillings = crossing_holes(background, seams)
        for number, ids in fillings.items():
            save_arrays(self._work.folder / FILLINGS / f"{number}.npz", {"ids": ids})
        self._all("fill", fillings, "filling holes in block", Share(progress, 1.0, 1.0))

    def _shrink(self, progress: Progress) -> None:
        """Write the levels of the pyramid, each from the one before."""
        plan = self._work.plan
        shapes = pyramid_shapes(plan.label_shape)
        for level, shape in enumerate(shapes[1:], start=1):
            # Of a region's labels, which are as large as the image, only the blocks that the region reaches.
            y0, y1, x0, x1 = (edge / 2**level for edge in plan.region)
            inside = [
                block.number
                for block in plan.level_grid((shape[-2], shape[-1]))
                if block.core[0] < y1 and block.core[1] > y0 and block.core[2] < x1 and block.core[3] > x0
            ]
            share = Share(progress, (level - 1) / len(shapes), level / len(shapes))
            self._all("level", inside, f"pyramid level {level}, block", share, level)

    def _create_scratch(self) -> None:
        plan, grid = self._work.plan, self._work.grid
        # With the offset of the first blocks, so that blocks keep to the chunks here as they do in the labels.
        height, width = (size + first for size, first in zip(grid.shape, grid.offset, strict=True))
        chunk = plan.chunk
        maps = (grid.planes, len(DECODED_HEADS), height, width)
        create_array(self._work.folder / MAPS, maps, np.uint8, (1, len(DECODED_HEADS), chunk, chunk))
        create_array(self._work.folder / KEYS, (grid.planes, height, width), np.int64, (1, chunk, chunk))

    def _create_labels(self, count: int) -> None:
        """Create the arrays of all levels, uint32 only where ids exceed int32."""
        plan = self._work.plan
        dtype = np.int32 if count <= np.iinfo(np.int32).max else np.uint32
        chunks = (*(1 for _ in plan.label_axes[:-2]), plan.chunk, plan.chunk)
        for level, shape in enumerate(pyramid_shapes(plan.label_shape)):
            create_array(self._work.folder / LABELS / str(level), shape, dtype, chunks, plan.label_axes.lower())

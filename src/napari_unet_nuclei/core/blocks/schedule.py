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
from napari_unet_nuclei.core.blocks.join import Numbers, Tally, number_nuclei
from napari_unet_nuclei.core.blocks.stages import (
    CUBES,
    FILLINGS,
    KEYS,
    LABELS,
    MAPS,
    NUMBERS,
    SCORES,
    BlockTask,
    Stage,
    load_arrays,
    save_arrays,
)
from napari_unet_nuclei.core.blocks.table import write_block_tables
from napari_unet_nuclei.core.blocks.volume import MAPS as VOLUME_MAPS
from napari_unet_nuclei.core.blocks.volume_table import write_volume_table
from napari_unet_nuclei.core.blocks.worker import BlockWork, do_block_task
from napari_unet_nuclei.core.executors.executors import Executor
from napari_unet_nuclei.core.image.io.ome_zarr_labels import create_array
from napari_unet_nuclei.core.model.architecture import DECODED_HEADS
from napari_unet_nuclei.core.progress import Advanced, Progress, Share

OutcomeType = TypeVar("OutcomeType")

# Where each part of the work ends, as a share of all of it.
_PREDICTED, _FOUND, _LABELLED = 0.8, 0.92, 0.98

_KEPT_OUTCOMES, _KEPT_OF_VOLUMES = 256, 16
"""Tables that are held in memory; others are read again. Those of volumes hold faces, not edges."""


class _Outcomes(Mapping[int, OutcomeType]):
    """Outcomes of a stage by number of the block, read on access."""

    def __init__(self, blocks: int, read: Callable[[int], OutcomeType], kept: int) -> None:
        self._blocks = blocks
        # A slide has thousands of blocks, whose tables are looked at several times, most often one after the other.
        self._read = lru_cache(kept)(read)

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
        self._blocks, self._label_blocks = (tuple(range(len(one))) for one in (work.grid, work.plan.label_grid))

    def run(self, progress: Progress) -> int:
        """Segment the image; returns the number of nuclei, whose labels lie in the work's folder then."""
        work, decoding = self._work, self._work.decoding
        self._create_scratch()
        self._all("maps", self._blocks, "block", Share(progress, 0.0, _PREDICTED))
        # Which nuclei reach into which blocks is known when all basins are; which of them are kept, and their numbers,
        # when all areas are; only then can ids be written.
        self._all("basins", self._blocks, "finding nuclei in block", Share(progress, _PREDICTED, _FOUND))
        aliases = join_basins(work.grid, self._outcomes("basins", OpenBasins.from_arrays), decoding.split)
        share = Share(progress, _FOUND, _LABELLED)
        self._all("tally", self._blocks, "counting in block", Share(share, 0.0, 0.3))
        numbers = number_nuclei(work.grid, self._outcomes("tally", Tally.from_arrays), aliases, decoding)
        # On disk, where workers in other processes find it.
        save_arrays(work.folder / NUMBERS, numbers.arrays())
        self._create_labels(numbers.count)
        if work.plan.volume is None:
            self._all("label", self._blocks, "writing block", Share(share, 0.3, 1.0))
            self._fill(share)
        else:
            self._all("label", self._blocks, "numbering block", Share(share, 0.3, 0.7))
            self._fill(Share(share, 0.0, 0.7))
            self._all("voxels", self._label_blocks, "writing block", Share(share, 0.7, 1.0))
        self._shrink(Share(progress, _LABELLED, 1.0))
        return numbers.count

    def measure(self, path: Path, progress: Progress) -> float | None:
        """Write the table of the nuclei; returns their median area in px², None where there are none, or volumes."""
        work = self._work
        self._all("measure", self._label_blocks, "measuring block", progress)
        parts = (work.outcome(BlockTask("measure", number)) for number in self._label_blocks)
        if work.plan.volume is None:
            return write_block_tables(path, parts)
        numbers = Numbers.from_arrays(load_arrays(work.folder / NUMBERS))
        # Of nuclei within one block in the order of the blocks, then of those that blocks share: by their ids.
        alone = (work.outcome(BlockTask("label", number))[SCORES] for number in self._blocks)
        write_volume_table(path, work.plan, work.source, parts, np.concatenate([*alone, numbers.scores]))
        return None

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
        kept = _KEPT_OUTCOMES if self._work.plan.volume is None else _KEPT_OF_VOLUMES
        return _Outcomes(len(self._blocks), lambda number: make(self._work.outcome(BlockTask(stage, number))), kept)

    def _fill(self, progress: Progress) -> None:
        """Fill holes that the edge of a block runs through."""
        background = self._outcomes("label", OpenPieces.from_arrays)
        seams = ((first.number, second.number, axis) for first, second, axis in self._work.grid.seams())
        fillings = crossing_holes(background, seams)
        for number, ids in fillings.items():
            save_arrays(self._work.folder / FILLINGS / f"{number}.npz", {"ids": ids})
        self._all("fill", fillings, "filling holes in block", Share(progress, 1.0, 1.0))

    def _shrink(self, progress: Progress) -> None:
        """Write the levels of the pyramid, each from the one before."""
        plan = self._work.plan
        levels = plan.levels
        for number, level in enumerate(levels[1:], start=1):
            # Of a region's labels, which are as large as the image, only the blocks that the region reaches.
            edges = zip(plan.labelled[::2], plan.labelled[1::2], level.steps[-len(plan.labelled) // 2 :], strict=True)
            part = [(first / step, end / step) for first, end, step in edges]
            inside = [
                block.number
                for block in plan.level_grid(number)
                if all(
                    start < end and stop > first
                    for start, stop, (first, end) in zip(block.core[::2], block.core[1::2], part, strict=True)
                )
            ]
            share = Share(progress, (number - 1) / len(levels), number / len(levels))
            self._all("level", inside, f"pyramid level {number}, block", share, number)

    def _create_scratch(self) -> None:
        plan, grid, folder = self._work.plan, self._work.grid, self._work.folder
        # With the offset of the first blocks, so that blocks keep to the chunks here as they do in the labels.
        sizes = tuple(size + first for size, first in zip(grid.shape, grid.first, strict=True))
        maps = len(DECODED_HEADS) if plan.volume is None else VOLUME_MAPS
        create_array(folder / MAPS, (grid.parts, maps, *sizes), np.uint8, (1, maps, *plan.map_chunk))
        create_array(folder / KEYS, (grid.parts, *sizes), np.int64, (1, *plan.map_chunk))

    def _create_labels(self, count: int) -> None:
        """Create the arrays of all levels, uint32 only where ids exceed int32."""
        plan, grid = self._work.plan, self._work.grid
        dtype = np.int32 if count <= np.iinfo(np.int32).max else np.uint32
        if plan.volume is not None:
            create_array(self._work.folder / CUBES, (grid.parts, *grid.shape), dtype, (1, *plan.map_chunk))
        chunks = (*(1 for _ in plan.label_axes[: -len(plan.label_chunk)]), *plan.label_chunk)
        for number, level in enumerate(plan.levels):
            create_array(self._work.folder / LABELS / str(number), level.shape, dtype, chunks, plan.label_axes.lower())

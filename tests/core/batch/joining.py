"""Decodes maps block by block in memory, as a blockwise run does on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from napari_unet_nuclei.core.batch.blocks import COLOURS, Block, BlockGrid
from napari_unet_nuclei.core.batch.flood import (
    UNRESOLVED,
    flood_block,
    flood_rest,
    name_pieces,
    region_to_read,
    seeds_left,
)
from napari_unet_nuclei.core.batch.holes import along, crossing_holes, fill_pieces, open_pieces
from napari_unet_nuclei.core.batch.join import number_nuclei, numbered, tally, touching, united
from napari_unet_nuclei.core.labels.decode import DecodeThresholds


def decode_in_blocks(
    maps: np.ndarray, thresholds: DecodeThresholds, side: int, halo: int, offset: tuple[int, int] = (0, 0)
) -> np.ndarray:
    """Labels (Y, X) of maps (3, Y, X)."""
    joining = _Joining(maps, thresholds, BlockGrid(1, maps.shape[1:], side, halo, offset))
    joining.flood()
    return joining.label()


class _Joining:
    def __init__(self, maps: np.ndarray, thresholds: DecodeThresholds, grid: BlockGrid) -> None:
        self.maps, self.thresholds, self.grid = maps, thresholds, grid
        self.keys = np.zeros(grid.shape, np.int64)
        self.pairs = [np.zeros((0, 2), np.int64)]

    def core(self, block: Block) -> np.ndarray:
        y0, y1, x0, x1 = block.core
        return self.keys[y0:y1, x0:x1]

    def foreground(self, block: Block) -> np.ndarray:
        y0, y1, x0, x1 = block.core
        return self.maps[0, y0:y1, x0:x1]

    def run(self, step: Callable, block: Block, own: bool = True) -> np.ndarray:
        y0, y1, x0, x1 = region_to_read(self.grid, block, self.thresholds)
        top, bottom, left, right = block.outer
        given = self.keys[top:bottom, left:right].copy()
        if not own:
            given[block.tile.crop] = 0
        return step(self.grid, block, self.maps[:, y0:y1, x0:x1], self.thresholds, given)

    def open_blocks(self) -> list[Block]:
        return [block for block in self.grid if (self.core(block) == UNRESOLVED).any()]

    def by_colour(self, step: Callable, blocks: Iterable[Block], own: bool) -> None:
        blocks = list(blocks)
        for colour in range(COLOURS):
            for block in blocks:
                if block.colour == colour:
                    self.core(block)[...] = self.run(step, block, own)

    def flood(self) -> None:
        self.by_colour(flood_block, self.grid, own=False)
        self.sweep()
        self.name({block.number: self.run(seeds_left, block) for block in self.open_blocks()})
        self.sweep()
        self.name({block.number: self.core(block) == UNRESOLVED for block in self.open_blocks()})
        assert not self.open_blocks()

    def sweep(self) -> None:
        left = -1
        while (still := int((self.keys == UNRESOLVED).sum())) not in (0, left):
            left = still
            self.by_colour(flood_rest, self.open_blocks(), own=True)

    def name(self, masks: dict[int, np.ndarray]) -> None:
        named = {number: name_pieces(self.grid, self.grid.block(number), mask) for number, mask in masks.items()}
        for number, names in named.items():
            core = self.core(self.grid.block(number))
            core[names > 0] = names[names > 0]
        for first, second, where in self.grid.seams():
            if first.number in named and second.number in named:
                sides = ("bottom", "top") if where == "below" else ("right", "left")
                lines = (along(named[n], side) for n, side in zip((first.number, second.number), sides, strict=True))
                self.pairs.append(touching(*lines))

    def label(self) -> np.ndarray:
        tallies = {
            block.number: tally(self.grid, block, self.core(block), self.foreground(block)) for block in self.grid
        }
        numbers = number_nuclei(tallies, united(np.concatenate(self.pairs)), self.thresholds)
        labels = np.zeros(self.grid.shape, np.int64)
        background = {}
        for block in self.grid:
            y0, y1, x0, x1 = block.core
            labels[y0:y1, x0:x1] = numbered(
                self.grid, block, self.core(block), self.foreground(block), numbers, self.thresholds
            )
            background[block.number] = open_pieces(self.grid, block, labels[y0:y1, x0:x1])
        seams = [(first.number, second.number, where) for first, second, where in self.grid.seams()]
        for number, fillings in crossing_holes(background, seams).items():
            y0, y1, x0, x1 = self.grid.block(number).core
            labels[y0:y1, x0:x1] = fill_pieces(labels[y0:y1, x0:x1], fillings)
        assert labels.max(initial=0) == numbers.count
        return labels

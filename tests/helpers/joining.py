"""Decodes maps block by block in memory, as a blockwise run does on disk."""

from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.blocks.basins import divide_block, join_basins, region_to_read
from napari_unet_nuclei.core.blocks.grid import Block, BlockGrid
from napari_unet_nuclei.core.blocks.holes import crossing_holes, fill_pieces, open_pieces
from napari_unet_nuclei.core.blocks.join import Aliases, number_nuclei, numbered, tally
from napari_unet_nuclei.core.labels.decode import Decoded, DecodeThresholds


def decode_in_blocks(
    maps: np.ndarray, thresholds: DecodeThresholds, side: int, offset: tuple[int, int] = (0, 0)
) -> Decoded:
    """Labels (Y, X) of maps (3, Y, X), and the scores of the nuclei."""
    grid = BlockGrid(1, maps.shape[1:], side, offset)
    keys = np.zeros(grid.shape, np.int64)
    left_open = []
    for block in grid:
        y0, y1, x0, x1 = region_to_read(grid, block, thresholds)
        core(keys, block)[...], one = divide_block(grid, block, maps[:, y0:y1, x0:x1], thresholds)
        left_open.append(one)
    return _label(grid, keys, maps, join_basins(left_open, thresholds.split), thresholds)


def core(array: np.ndarray, block: Block) -> np.ndarray:
    """The part of an array (..., Y, X) that a block decides."""
    y0, y1, x0, x1 = block.core
    return array[..., y0:y1, x0:x1]


def _label(
    grid: BlockGrid, keys: np.ndarray, maps: np.ndarray, aliases: Aliases, thresholds: DecodeThresholds
) -> Decoded:
    tallies = {block.number: tally(grid, block, core(keys, block), core(maps, block)) for block in grid}
    numbers = number_nuclei(grid, tallies, aliases, thresholds)
    labels = np.zeros(grid.shape, np.int64)
    background, scores = {}, []
    for block in grid:
        ids, own = numbered(grid, block, core(keys, block), core(maps, block), numbers, thresholds)
        core(labels, block)[...] = ids
        scores.append(own)
        background[block.number] = open_pieces(grid, block, ids)
    seams = [(first.number, second.number, where) for first, second, where in grid.seams()]
    for number, fillings in crossing_holes(background, seams).items():
        piece = core(labels, grid.block(number))
        piece[...] = fill_pieces(piece, fillings)
    assert labels.max(initial=0) == numbers.count
    return Decoded(labels, np.concatenate([*scores, numbers.scores]))

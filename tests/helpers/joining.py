"""Decodes maps block by block in memory, as a blockwise run does on disk."""

from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.blocks.basins import box_to_read, divide_block, join_basins
from napari_unet_nuclei.core.blocks.decoding import Decoding, PlaneDecoding
from napari_unet_nuclei.core.blocks.grid import Block, BlockGrid
from napari_unet_nuclei.core.blocks.holes import crossing_holes, fill_pieces, open_pieces
from napari_unet_nuclei.core.blocks.join import Aliases, number_nuclei, numbered, tally
from napari_unet_nuclei.core.labels.decode import Decoded, DecodeThresholds
from napari_unet_nuclei.core.labels.regions import slices


def decode_in_blocks(
    maps: np.ndarray, thresholds: DecodeThresholds, side: int, offset: tuple[int, int] = (0, 0)
) -> Decoded:
    """Labels (Y, X) of maps (3, Y, X), and the scores of the nuclei."""
    return decode_grid(BlockGrid(1, maps.shape[1:], (side, side), offset), maps, PlaneDecoding(thresholds))


def decode_grid(grid: BlockGrid, maps: np.ndarray, decoding: Decoding) -> Decoded:
    """Labels of the maps of one plane or volume, and the scores of the nuclei."""
    keys = np.zeros(grid.shape, np.int64)
    left_open = {}
    for block in grid:
        read = slices(box_to_read(grid, block, decoding))
        core(keys, block)[...], left_open[block.number] = divide_block(grid, block, maps[:, *read], decoding)
    return _label(grid, keys, maps, join_basins(grid, left_open, decoding.split), decoding)


def core(array: np.ndarray, block: Block) -> np.ndarray:
    """The part of an array (..., Y, X) that a block decides."""
    return array[(..., *slices(block.core))]


def _label(grid: BlockGrid, keys: np.ndarray, maps: np.ndarray, aliases: Aliases, decoding: Decoding) -> Decoded:
    shown = {block.number: decoding.shown(core(maps, block), block.core) for block in grid}
    tallies = {block.number: tally(grid, block, core(keys, block), shown[block.number]) for block in grid}
    numbers = number_nuclei(grid, tallies, aliases, decoding)
    labels = np.zeros(grid.shape, np.int64)
    background, scores = {}, []
    for block in grid:
        ids, own = numbered(grid, block, core(keys, block), shown[block.number], numbers, decoding)
        core(labels, block)[...] = ids
        scores.append(own)
        background[block.number] = open_pieces(grid, block, ids)
    seams = [(first.number, second.number, axis) for first, second, axis in grid.seams()]
    for number, fillings in crossing_holes(background, seams).items():
        piece = core(labels, grid.block(number))
        piece[...] = fill_pieces(piece, fillings)
    assert labels.max(initial=0) == numbers.count
    return Decoded(labels, np.concatenate([*scores, numbers.scores]))


def same_up_to_numbers(first: np.ndarray, second: np.ndarray) -> bool:
    pairs = np.unique(np.stack([first.ravel(), second.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


def whole_numbers(labels: np.ndarray) -> bool:
    return np.array_equal(np.unique(np.append(labels, 0)), np.arange(labels.max(initial=0) + 1))

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.blocks.grid import BlockGrid
from napari_unet_nuclei.core.blocks.holes import OpenPieces, crossing_holes, fill_pieces, open_pieces
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps
from napari_unet_nuclei.core.labels.holes import fill_holes
from tests.helpers.joining import core, decode_in_blocks


def filled_in_blocks(labels: np.ndarray, side: int) -> np.ndarray:
    grid = BlockGrid(1, labels.shape, (side,) * labels.ndim)
    result = labels.astype(np.int64)
    pieces = {}
    for block in grid:
        part = core(result, block)
        part[...] = fill_holes(core(labels, block))
        # As from the files that blocks leave.
        pieces[block.number] = OpenPieces.from_arrays(open_pieces(grid, block, part).arrays())
    seams = [(first.number, second.number, axis) for first, second, axis in grid.seams()]
    for number, fillings in crossing_holes(pieces, seams).items():
        part = core(result, grid.block(number))
        part[...] = fill_pieces(part, fillings)
    return result


def ring(size: int, inner: slice) -> np.ndarray:
    labels = np.zeros((size, size), np.int32)
    labels[1:-1, 1:-1] = 7
    labels[inner, inner] = 0
    return labels


@pytest.mark.parametrize("side", [3, 4, 5, 6, 7, 12])
def test_a_hole_is_filled_wherever_blocks_end(side):
    labels = ring(12, slice(3, 9))
    assert np.array_equal(filled_in_blocks(labels, side), fill_holes(labels))
    assert filled_in_blocks(labels, side)[5, 5] == 7


@pytest.mark.parametrize("side", [3, 4, 5, 6, 7, 12])
def test_a_gap_that_touches_a_second_nucleus_stays(side):
    labels = ring(12, slice(3, 9))
    labels[3, 3] = 2
    assert np.array_equal(filled_in_blocks(labels, side), labels)


@pytest.mark.parametrize("side", [3, 4, 5, 6, 7, 12])
def test_a_notch_at_the_edge_of_the_plane_stays(side):
    labels = ring(12, slice(3, 9))
    labels[5, :4] = 0
    assert np.array_equal(filled_in_blocks(labels, side), labels)


@pytest.mark.parametrize(("shape", "side"), [((12, 15), 5), ((12, 15), 8), ((12, 15), 13), ((5, 7, 6), 5)])
def test_any_labels_are_filled_as_in_the_whole(shape, side):
    rng = np.random.default_rng(side)
    labels = rng.choice(np.arange(3, dtype=np.int32), shape, p=[0.15, 0.75, 0.1])
    for axis in range(len(shape)):
        labels = np.repeat(labels, 3, axis=axis)
    whole = fill_holes(labels)
    assert not np.array_equal(whole, labels), "there was nothing to fill"
    assert np.array_equal(filled_in_blocks(labels, side), whole)


@pytest.mark.parametrize("side", [3, 4, 5, 12])
def test_a_hollow_is_filled_in_three_dimensions_and_a_tunnel_stays_open(side):
    hollow = np.zeros((12, 12, 12), np.int32)
    hollow[1:-1, 1:-1, 1:-1] = 7
    hollow[3:9, 3:9, 3:9] = 0
    filled = filled_in_blocks(hollow, side)
    assert np.array_equal(filled, fill_holes(hollow))
    assert filled[6, 6, 6] == 7
    hollow[:6, 5, 5] = 0
    assert np.array_equal(filled_in_blocks(hollow, side), hollow)


@pytest.mark.parametrize("min_size", [1, 30])
def test_a_small_nucleus_in_a_hole_that_blocks_share_is_handled_as_in_the_whole_plane(min_size):
    maps = np.zeros((3, 40, 40), np.uint8)
    maps[0, 4:36, 4:36] = 255
    maps[0, 12:28, 12:28] = 0
    maps[0, 18:22, 18:22] = 255
    thresholds = DecodeThresholds(0.5, 0.5, min_size)
    whole = decode_maps(maps, thresholds)
    assert whole.max() == (2 if min_size == 1 else 1)
    assert np.array_equal(decode_in_blocks(maps, thresholds, 16).labels > 0, whole > 0)

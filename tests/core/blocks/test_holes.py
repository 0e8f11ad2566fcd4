from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.blocks.grid import BlockGrid
from napari_unet_nuclei.core.blocks.holes import crossing_holes, fill_pieces, open_pieces
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps, fill_holes
from tests.helpers.joining import decode_in_blocks


def filled_in_blocks(labels: np.ndarray, side: int) -> np.ndarray:
    grid = BlockGrid(1, labels.shape, side)
    result = labels.astype(np.int64)
    pieces = {}
    for block in grid:
        y0, y1, x0, x1 = block.core
        result[y0:y1, x0:x1] = fill_holes(labels[y0:y1, x0:x1])
        pieces[block.number] = open_pieces(grid, block, result[y0:y1, x0:x1])
    seams = [(first.number, second.number, where) for first, second, where in grid.seams()]
    for number, fillings in crossing_holes(pieces, seams).items():
        y0, y1, x0, x1 = grid.block(number).core
        result[y0:y1, x0:x1] = fill_pieces(result[y0:y1, x0:x1], fillings)
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


@pytest.mark.parametrize("side", [5, 8, 13])
def test_any_labels_are_filled_as_in_the_whole_plane(side):
    rng = np.random.default_rng(side)
    labels = np.repeat(np.repeat(rng.integers(0, 3, (12, 15), np.int32), 3, axis=0), 3, axis=1)
    assert np.array_equal(filled_in_blocks(labels, side), fill_holes(labels))


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

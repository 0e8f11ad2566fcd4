from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.blocks.basins import box_to_read, divide_block, join_basins
from napari_unet_nuclei.core.blocks.decoding import PlaneDecoding
from napari_unet_nuclei.core.blocks.grid import BlockGrid
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps
from napari_unet_nuclei.core.labels.regions import slices
from tests.helpers.joining import decode_in_blocks

PLAIN = DecodeThresholds(0.5, 0.4, 1)


def bar(shape: tuple[int, int], middles: list[tuple[slice, slice]]) -> np.ndarray:
    """Maps of one long component with some middles."""
    maps = np.zeros((3, *shape), np.uint8)
    maps[0, 4:-4, 4:-4] = 255
    for middle in middles:
        maps[2][middle] = 255
    return maps


def test_a_component_longer_than_several_blocks_is_one_nucleus():
    maps = bar((20, 300), [])
    assert np.array_equal(decode_in_blocks(maps, PLAIN, side=32).labels, decode_maps(maps, PLAIN))


def test_a_middle_longer_than_several_blocks_makes_one_nucleus_beside_others():
    maps = bar((40, 300), [(slice(8, 14), slice(10, 280)), (slice(26, 32), slice(10, 280))])
    labels = decode_in_blocks(maps, PLAIN, side=32).labels
    assert labels.max() == decode_maps(maps, PLAIN).max() == 2
    assert set(labels[10, 10:280]) != set(labels[28, 10:280])
    assert len(set(labels[10, 10:280])) == len(set(labels[28, 10:280])) == 1


def test_the_only_middle_names_even_what_lies_far_from_it():
    maps = bar((20, 300), [(slice(8, 12), slice(270, 280))])
    assert np.array_equal(decode_in_blocks(maps, PLAIN, side=32).labels, decode_maps(maps, PLAIN))


def test_a_speck_on_the_edge_of_a_block_splits_nothing():
    maps = bar((20, 128), [(slice(8, 12), slice(20, 26)), (slice(10, 11), slice(63, 65))])
    assert decode_in_blocks(maps, PLAIN, side=64).labels.max() == decode_maps(maps, PLAIN).max() == 1


def test_nuclei_within_a_block_are_decided_there():
    """Else a slide would be one graph in memory."""
    grid, plain = BlockGrid(1, (20, 300), (150, 150)), PlaneDecoding(PLAIN)
    maps = np.zeros((3, *grid.shape), np.uint8)
    for x in (10, 40, 70, 145, 200):
        maps[0, 5:15, x : x + 10] = maps[2, 8:12, x + 3 : x + 7] = 255
    (keys, left_open), beside = (
        divide_block(grid, block, maps[:, *slices(box_to_read(grid, block, plain))], plain) for block in grid
    )
    assert len(np.unique(keys)) == 5
    assert len(left_open.summits) == 1
    aliases = join_basins(grid, {0: left_open, 1: beside[1]}, 0.4)
    assert len(np.unique(aliases.meant)) == 1


@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_smoothing_knows_nothing_of_the_edge_of_a_view(scale):
    """The component ends a pixel before both blocks' views do, and what lies beyond shines into it."""
    rng = np.random.default_rng(0)
    maps = (rng.random((3, 40, 100)) * 255).astype(np.uint8)
    maps[0], maps[1] = 0, 0
    maps[0, 2:38, 31:69] = 255
    maps[2, :, :30], maps[2, :, 70:] = 255, 0
    thresholds = DecodeThresholds(0.5, 0.05, 1, scale)
    labels, whole = decode_in_blocks(maps, thresholds, side=50).labels, decode_maps(maps, thresholds)
    pairs = np.unique(np.stack([labels.ravel(), whole.ravel()]), axis=1)
    assert pairs.shape[1] == whole.max() + 1 == labels.max() + 1

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.batch.blocks import BlockGrid
from napari_unet_nuclei.core.batch.flood import UNRESOLVED, flood_block, region_to_read
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps
from tests.core.batch.joining import decode_in_blocks

PLAIN = DecodeThresholds(0.5, 0.5, 1)


def bar(shape: tuple[int, int], seeds: list[tuple[slice, slice]]) -> np.ndarray:
    """Maps of one long component with some seeds."""
    maps = np.zeros((3, *shape), np.uint8)
    maps[0, 4:-4, 4:-4] = 255
    for seed in seeds:
        maps[2][seed] = 255
    return maps


def test_a_component_longer_than_several_blocks_is_one_nucleus():
    maps = bar((20, 300), [])
    assert np.array_equal(decode_in_blocks(maps, PLAIN, side=32, halo=8), decode_maps(maps, PLAIN))


def test_a_seed_longer_than_several_blocks_makes_one_nucleus_beside_others():
    maps = bar((40, 300), [(slice(8, 14), slice(10, 280)), (slice(26, 32), slice(10, 280))])
    labels = decode_in_blocks(maps, PLAIN, side=32, halo=8)
    assert labels.max() == decode_maps(maps, PLAIN).max() == 2
    assert set(labels[10, 5:290]) != set(labels[28, 5:290])
    assert len(set(labels[10, 5:290])) == len(set(labels[28, 5:290])) == 1


def test_the_only_seed_names_even_what_lies_far_from_it():
    maps = bar((20, 300), [(slice(8, 12), slice(270, 280))])
    assert np.array_equal(decode_in_blocks(maps, PLAIN, side=32, halo=8), decode_maps(maps, PLAIN))


def test_a_speck_on_the_edge_of_a_block_splits_nothing():
    maps = bar((20, 128), [(slice(8, 12), slice(20, 26)), (slice(10, 11), slice(63, 65))])
    assert decode_in_blocks(maps, PLAIN, side=64, halo=16).max() == decode_maps(maps, PLAIN).max() == 1


def test_what_lies_beyond_the_view_is_left_open():
    grid = BlockGrid(1, (20, 300), side=32, halo=8)
    maps = bar(grid.shape, [(slice(8, 12), slice(270, 280))])
    block = grid.block(3)
    y0, y1, x0, x1 = region_to_read(grid, block, PLAIN)
    keys = flood_block(grid, block, maps[:, y0:y1, x0:x1], PLAIN, np.zeros((20, 48), np.int64))
    assert set(np.unique(keys)) == {0, UNRESOLVED}


def test_what_a_neighbour_decided_goes_on_over_the_edge():
    grid = BlockGrid(1, (20, 300), side=32, halo=8)
    maps = bar(grid.shape, [])
    block = grid.block(3)
    given = np.zeros((20, 48), np.int64)
    given[4:16, :8] = 77
    y0, y1, x0, x1 = region_to_read(grid, block, PLAIN)
    keys = flood_block(grid, block, maps[:, y0:y1, x0:x1], PLAIN, given)
    assert set(np.unique(keys)) == {0, 77}


@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_smoothing_knows_nothing_of_the_edge_of_a_view(scale):
    """The component ends a pixel before both blocks' views do, and what lies beyond shines into it."""
    rng = np.random.default_rng(0)
    maps = (rng.random((3, 40, 100)) * 255).astype(np.uint8)
    maps[0], maps[1] = 0, 0
    maps[0, 2:38, 31:69] = 255
    maps[2, :, :30], maps[2, :, 70:] = 255, 0
    thresholds = DecodeThresholds(0.5, 0.5, 1, scale)
    labels, whole = decode_in_blocks(maps, thresholds, side=50, halo=20), decode_maps(maps, thresholds)
    pairs = np.unique(np.stack([labels.ravel(), whole.ravel()]), axis=1)
    assert pairs.shape[1] == whole.max() + 1 == labels.max() + 1

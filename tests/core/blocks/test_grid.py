from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.blocks.grid import BlockGrid
from napari_unet_nuclei.core.labels.regions import slices


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (65, 130), (200, 10), (3, 70, 130)])
@pytest.mark.parametrize("first", [0, 63])
def test_cores_partition_every_part(shape, first):
    offset = (0,) * (len(shape) - 1) + (first,)
    grid = BlockGrid(2, shape, (64,) * len(shape), offset)
    covered = np.zeros((2, *shape), int)
    for block in grid:
        covered[block.part, *slices(block.core)] += 1
        assert [(start + first) // 64 for start, first in zip(block.core[::2], offset, strict=True)] == [
            (stop - 1 + first) // 64 for stop, first in zip(block.core[1::2], offset, strict=True)
        ], "a core crosses the chunks"
    assert (covered == 1).all()
    assert [block.number for block in grid] == list(range(len(grid)))


def test_seams_lie_between_neighbours_of_one_part():
    grid = BlockGrid(2, (20, 30), (10, 10))
    seams = [(a.number, b.number, axis) for a, b, axis in grid.seams()]
    assert len(seams) == len(set(seams)) == 2 * 7
    assert (0, 1, 1) in seams
    assert (0, 3, 0) in seams
    assert not any(second == 6 for _, second, _ in seams), "the second plane's first block"


def test_a_block_within_a_volume_has_six_neighbours():
    grid = BlockGrid(2, (30, 30, 40), (10, 10, 10))
    beside = {block.number: {other.number for other in grid.beside(block)} for block in grid}
    both = {frozenset((a.number, b.number)) for a, b, _ in grid.seams()}
    assert {frozenset((one, other)) for one, others in beside.items() for other in others} == both
    middle = grid.block(36 + 12 + 4 + 1)
    assert (middle.place, len(beside[middle.number])) == ((1, 1, 1), 6)
    assert list(grid.sides_within(grid.block(0))) == [(0, -1), (1, -1), (2, -1)]


@pytest.mark.parametrize("shape", [(70, 50), (3, 17, 50)])
def test_keys_name_pixels(shape):
    grid = BlockGrid(3, shape, (64,) * len(shape))
    corners = [np.array([0, size - 1, size // 2]) for size in shape]
    for part in range(3):
        keys = grid.keys_of(part, *corners)
        assert (keys > 0).all()
        assert [place.tolist() for place in grid.pixels_of(keys)] == [one.tolist() for one in corners]
        assert grid.parts_of(keys).tolist() == [part] * 3
    everything = [grid.keys_of(part, *np.indices(shape)) for part in range(3)]
    assert np.unique(everything).size == 3 * np.prod(shape)
    block = grid.block(len(grid) - 1)
    inside = grid.keys_in(2, block.core, np.arange(5))
    assert grid.inside(block, inside).all()
    assert not grid.inside(block, inside - np.prod(shape)).any()

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.blocks.grid import BlockGrid


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (65, 130), (200, 10)])
@pytest.mark.parametrize("offset", [(0, 0), (63, 1)])
def test_cores_partition_every_plane(shape, offset):
    grid = BlockGrid(2, shape, side=64, offset=offset)
    covered = np.zeros((2, *shape), int)
    for block in grid:
        y0, y1, x0, x1 = block.core
        covered[block.plane, y0:y1, x0:x1] += 1
        assert [(start + first) // 64 for start, first in zip((y0, x0), offset, strict=True)] == [
            (stop - 1 + first) // 64 for stop, first in zip((y1, x1), offset, strict=True)
        ], "a core crosses the chunks"
    assert (covered == 1).all()
    assert [block.number for block in grid] == list(range(len(grid)))


def test_seams_lie_between_neighbours_of_one_plane():
    seams = [(a.number, b.number, where) for a, b, where in BlockGrid(2, (20, 30), side=10).seams()]
    assert len(seams) == len(set(seams)) == 2 * 7
    assert (0, 1, "right") in seams
    assert (0, 3, "below") in seams
    assert not any(second == 6 for _, second, _ in seams), "the second plane's first block"


def test_keys_name_pixels():
    grid = BlockGrid(3, (70, 50), side=64)
    y, x = np.array([0, 69, 3]), np.array([0, 49, 7])
    for plane in range(3):
        keys = grid.keys_of(plane, y, x)
        assert (keys > 0).all()
        assert [place.tolist() for place in grid.pixels_of(keys)] == [y.tolist(), x.tolist()]
    everything = [grid.keys_of(plane, *np.mgrid[:70, :50]) for plane in range(3)]
    assert np.unique(everything).size == 3 * 70 * 50

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.image.tiling import Tiling, plan_tiles, round_up


def test_a_plane_that_fits_is_one_tile_without_a_halo():
    (tile,) = plan_tiles((96, 64), Tiling(largest=128, halo=32, stride=16))
    assert tile.inner == tile.outer == (0, 96, 0, 64)


def test_the_crop_finds_the_inner_part_again():
    plane = np.arange(160 * 96).reshape(160, 96)
    for tile in plan_tiles(plane.shape, Tiling(largest=48, halo=16, stride=16)):
        (y0, y1, x0, x1), (oy0, oy1, ox0, ox1) = tile.inner, tile.outer
        assert np.array_equal(plane[oy0:oy1, ox0:ox1][tile.crop], plane[y0:y1, x0:x1])


@pytest.mark.parametrize("shape", [(0, 64), (64, 0), (0, 0)])
def test_a_plane_without_pixels_has_no_tiles(shape):
    assert plan_tiles(shape, Tiling(64, 16, 16)) == ()


def test_tiles_smaller_than_the_stride_become_one_stride_wide():
    tiles = plan_tiles((48, 16), Tiling(largest=5, halo=16, stride=16))
    assert [tile.inner for tile in tiles] == [(0, 16, 0, 16), (16, 32, 0, 16), (32, 48, 0, 16)]


def test_the_halo_adds_little_to_sixteen_megapixels():
    tiles = plan_tiles((4096, 4096), Tiling(largest=1536, halo=112, stride=16))
    read = sum((y1 - y0) * (x1 - x0) for y0, y1, x0, x1 in (tile.outer for tile in tiles))
    assert read <= 1.3 * 4096**2


def test_misaligned_planes_and_halos_are_our_own_mistake():
    with pytest.raises(AssertionError):
        plan_tiles((50, 64), Tiling(64, 16, 16))
    with pytest.raises(AssertionError):
        plan_tiles((64, 64), Tiling(64, 10, 16))


@pytest.mark.parametrize(("value", "multiple", "rounded"), [(0, 16, 0), (1, 16, 16), (16, 16, 16), (17, 16, 32)])
def test_rounding_up(value, multiple, rounded):
    assert round_up(value, multiple) == rounded

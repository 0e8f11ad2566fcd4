"""Tiles leave no trace: not in how a plane is cut, not in the network's output, not in the labels."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.normalise import IntensityRange
from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.image.tiling import Tiling, plan_tiles, round_up
from napari_unet_nuclei.core.labels.metrics.overlaps import match
from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import predict_plane
from napari_unet_nuclei.core.segment.run import segment
from tests.helpers.effort import some_examples
from tests.helpers.samples import fluorescent_nuclei
from tests.helpers.tiny import FLOAT32, GREY, tiny_model

STRIDES = st.sampled_from([1, 2, 8, 16, 32])


@given(st.tuples(st.integers(0, 40), st.integers(0, 40)), STRIDES, st.integers(1, 700), st.integers(0, 5))
def test_inner_tiles_partition_any_plane(cells, stride, largest, halo_cells):
    height, width = (count * stride for count in cells)
    tiling = Tiling(largest, halo_cells * stride, stride)
    covered = np.zeros((height // stride, width // stride), int)
    for tile in plan_tiles((height, width), tiling):
        y0, y1, x0, x1 = tile.inner
        outer_y0, outer_y1, outer_x0, outer_x1 = tile.outer
        assert y0 < y1
        assert x0 < x1
        assert not any(edge % stride for edge in (*tile.inner, *tile.outer))
        assert max(y1 - y0, x1 - x0) <= max(largest, stride)
        assert (outer_y0, outer_x0) == (max(y0 - tiling.halo, 0), max(x0 - tiling.halo, 0))
        assert (outer_y1, outer_x1) == (min(y1 + tiling.halo, height), min(x1 + tiling.halo, width))
        covered[y0 // stride : y1 // stride, x0 // stride : x1 // stride] += 1
    assert (covered == 1).all()


@given(st.integers(1, 5000), STRIDES, st.integers(1, 2000))
def test_tiles_of_a_row_are_about_equal(size, stride, largest):
    tiles = plan_tiles((stride, round_up(size, stride)), Tiling(largest, stride, stride))
    widths = [tile.inner[3] - tile.inner[2] for tile in tiles]
    assert max(widths[:-1], default=widths[0]) - min(widths[:-1], default=widths[0]) == 0
    assert widths[-1] <= widths[0]


ARCHITECTURES = [
    Architecture(base_width=3, depth=2),
    Architecture(base_width=3, depth=2, growth=2.6),
    Architecture(base_width=3, depth=2, stem="full", upsampling="transposed", normalisation="none"),
]


@cache
def runner_of(number: int, tile: int) -> NetworkRunner:
    return NetworkRunner(tiny_model(architecture=ARCHITECTURES[number]), FLOAT32, tile)


def network_output(number: int, image: np.ndarray, tile: int) -> np.ndarray:
    """Every head's output for an image whose sides are multiples of the stride, put together from tiles."""
    runner = runner_of(number, tile)
    architecture = ARCHITECTURES[number]
    halo = round_up(architecture.receptive_radius, architecture.stride)
    whole = np.full((4, *image.shape), np.nan, np.float32)
    for one in plan_tiles(image.shape, Tiling(tile, halo, architecture.stride)):
        (y0, y1, x0, x1), (oy0, oy1, ox0, ox1) = one.inner, one.outer
        output = runner.run(np.ascontiguousarray(image[None, oy0:oy1, ox0:ox1]), Silent())
        whole[:, y0:y1, x0:x1] = output[:, *one.crop]
    return whole


@some_examples(0.3)
@given(
    st.sampled_from(range(len(ARCHITECTURES))),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.integers(8, 120),
    st.integers(0, 2**16),
)
@example(0, (14, 13), 8, 0)
def test_the_networks_output_is_the_same_whatever_the_tile_size(number, cells, tile, seed):
    stride = ARCHITECTURES[number].stride
    image = np.random.default_rng(seed).normal(0.4, 0.6, [count * stride for count in cells]).astype(np.float32)
    one_piece = network_output(number, image, 10_000)
    assert np.abs(network_output(number, image, tile) - one_piece).max() < 1e-4


@some_examples(0.3)
@given(
    st.tuples(st.integers(1, 120), st.integers(1, 120)),
    st.integers(16, 120),
    st.sampled_from([0.3, 0.77, 1.0, 1.6, 3.0]),
    st.integers(0, 2**16),
)
@example((80, 3), 16, 3.0, 0)
@example((119, 101), 16, 0.1, 0)
@example((27, 31), 24, 8.0, 0)
def test_maps_at_image_resolution_are_the_same_whatever_the_tile_size(shape, tile, scale, seed):
    pixels = np.random.default_rng(seed).random(shape, np.float32)
    reader = PlaneReader(ImageSource(pixels, "YX"), (), (0, shape[0], 0, shape[1]), GREY, (IntensityRange(0.0, 1.0),))
    one_piece = predict_plane(reader, scale, runner_of(0, 10_000), Silent()).maps.astype(int)
    tiled = predict_plane(reader, scale, runner_of(0, tile), Silent()).maps.astype(int)
    assert np.abs(tiled - one_piece).max() <= 1, "more than rounding to 8 bits"


@some_examples(0.12)
@given(st.integers(0, 1000), st.sampled_from([64, 100, 150]), st.sampled_from([16.0, 22.0, 34.0]))
def test_labels_match_one_to_one_whatever_the_tile_size(seed, tile, diameter):
    image = fluorescent_nuclei(seed=seed, shape=(230, 260), diameter=diameter, count=30).image
    given_size = {"device": "cpu", "diameter": diameter}
    one_piece = segment(image, tile=4096, **given_size)
    tiled = segment(image, tile=tile, **given_size)
    assert one_piece.count > 3
    assert match(one_piece.labels, tiled.labels, (0.9,)).average_precision[0] == 1

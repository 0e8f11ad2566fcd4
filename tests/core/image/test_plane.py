from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.kind import possible_looks
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader, Signal
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.samples.drawing import camera, draw_nuclei

PERCENTILES = (1.0, 99.8)
GREY = PlaneLook("fluorescence", (Signal("intensity", (0,)),), "the only channel")


def nuclei(seed: int = 0, shape: tuple[int, int] = (128, 160)) -> np.ndarray:
    """Light of some nuclei, 0 to 1."""
    return draw_nuclei(shape, 20, 15, np.random.default_rng(seed))[0]


def read_whole(array: np.ndarray, look: PlaneLook = GREY, axes: str = "YX") -> tuple[PlaneReader, np.ndarray]:
    plane = PlaneSample.whole(ImageSource(array, axes))
    reader = plane.open(look, PERCENTILES)
    return reader, reader.read(plane.region)


def test_grey_transmitted_light_is_read_as_optical_density():
    light = np.full((90, 90), 200.0, np.float32)
    light[30:60, 30:60] = 20.0
    reader, read = read_whole(light, PlaneLook("brightfield", (Signal("density", (0,)),), "", white=255.0))
    low, high = reader.ranges[0].low, reader.ranges[0].high
    density = read[0] * (high - low) + low
    assert density[45, 45] - density[5, 5] == pytest.approx(1.0, abs=1e-3)  # ten times less light
    assert read[0, 45, 45] > read[0, 5, 5]


def test_pixels_that_are_no_numbers_are_read_as_background_and_are_no_picture():
    array = camera(nuclei(), np.random.default_rng(0)).astype(np.float32)
    whole_reader, wanted = read_whole(array)
    holed = array.copy()
    holes = np.zeros(array.shape, bool)
    holes[::9, ::7] = True
    holed[holes] = np.resize([np.nan, np.inf, -np.inf], holes.sum())
    reader, found = read_whole(holed)
    assert whole_reader.complete
    assert not reader.complete
    assert (found[0][holes] == 0).all()
    assert np.array_equal(reader.pictured((0, *array.shape[:1], 0, array.shape[1])), ~holes)
    assert np.abs(found - wanted)[0][~holes].max() < 0.05


def test_an_image_of_nothing_but_nan_is_background():
    reader, found = read_whole(np.full((20, 30), np.nan, np.float32))
    assert not reader.complete
    assert (found == 0).all()


def test_fill_leads_neither_range_nor_noise_astray():
    array = camera(nuclei(), np.random.default_rng(0)) + np.uint16(100)
    _, wanted = read_whole(array)
    filled = array.copy()
    filled[:2] = 0
    filled[-30:, :70] = 0
    reader, found = read_whole(filled)
    kept = filled > 0
    assert reader.fill == (0.0,)
    assert (found[0][~kept] == 0).all()
    assert np.abs(found - wanted)[0][kept].max() < 0.1


def test_rectangles_are_relative_to_the_region():
    array = np.arange(1, 20 * 30 + 1, dtype=np.uint16).reshape(20, 30)
    reader = PlaneSample(ImageSource(array, "YX"), (), (5, 15, 10, 25)).open(GREY, PERCENTILES)
    assert reader.shape == (10, 15)
    part = reader.read((2, 4, 3, 8))
    whole = reader.ranges[0].normalise(array.astype(np.float32))
    assert part.shape == (1, 2, 5)
    assert np.allclose(part[0], whole[7:9, 13:18])


@pytest.mark.parametrize(
    "shape", [(1, 900_000), (3, 700_000), (10, 300_000), (5, 104_858), (900_000, 1), (700_000, 3), (1025, 1023)]
)
def test_large_planes_of_any_shape_are_sampled(shape):
    rows = np.arange(shape[0], dtype=np.float32)[:, None]
    source = ImageSource(np.broadcast_to(rows, shape), "YX")
    [sample] = PlaneSample.whole(source).of((0,)).pixels
    assert sample.shape[1] == shape[1]
    assert 0 < sample.shape[0] <= shape[0]
    assert np.median(sample) == pytest.approx(np.median(rows), abs=max(2, 0.02 * shape[0]))


def test_a_large_plane_is_not_read_whole():
    class Counting:
        shape, dtype, ndim = (8192, 8192), np.dtype(np.uint8), 2
        pixels = 0

        def __getitem__(self, key):
            lengths = [len(range(*part.indices(size))) for part, size in zip(key, self.shape, strict=True)]
            block = np.zeros(lengths, np.uint8)
            self.pixels += block.size
            return block

    array = Counting()
    plane = PlaneSample.whole(ImageSource(array, "YX"))
    [look] = possible_looks(plane)
    read = array.pixels
    assert 0 < read < 0.05 * 8192**2
    plane.open(look, PERCENTILES)
    assert array.pixels == read  # one sample serves kind, fill and intensities

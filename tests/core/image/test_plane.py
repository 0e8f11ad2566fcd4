from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image import plane
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.plane import has_bright_background, look_at, open_plane, sample_pixels
from napari_unet_nuclei.core.image.synthetic import camera, draw_nuclei, stained_tissue

PERCENTILES = (1.0, 99.8)


def nuclei(seed: int = 0, shape: tuple[int, int] = (128, 160)) -> np.ndarray:
    """Light of some nuclei, 0 to 1."""
    return draw_nuclei(shape, 20, 15, np.random.default_rng(seed))[0]


def look(array: np.ndarray, axes: str, **choice) -> plane.PlaneLook:
    source = ImageSource(array, axes)
    return look_at(
        source, (0,) * len(source.leading_axes), (0, *source.plane_shape[:1], 0, source.plane_shape[1]), **choice
    )


def picture(red: float, green: float, blue: float, alpha: bool = False, dtype: type = np.uint8) -> np.ndarray:
    """Nuclei on black, shown in a colour."""
    light = nuclei()
    colours = np.stack([light * red, light * green, light * blue] + [np.ones_like(light)] * alpha, axis=-1)
    return (colours * 220).astype(dtype)


def test_the_blue_channel_of_a_dark_picture_is_used_and_named():
    # Cytoplasm in green is brighter than the nuclei in blue.
    array = picture(0.1, 0.0, 0.5)
    array[..., 1] = 200 * nuclei(seed=5) ** 0.3
    found = look(array, "YXS")
    assert (found.channels, found.channel_name, found.inverted) == ((2,), "blue channel", False)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_where_blue_is_empty_the_strongest_colour_is_used(dtype):
    assert look(picture(0.2, 1.0, 0.05, dtype=dtype), "YXS").channel_name == "green channel"


def test_alpha_is_no_channel():
    found = look(picture(0.0, 0.0, 1.0, alpha=True), "YXS")
    assert found.channel_name == "blue channel"


@pytest.mark.parametrize("alpha", [False, True])
def test_a_grey_picture_is_the_mean_of_its_colours(alpha):
    assert look(picture(1, 1, 1, alpha), "YXS").channels == (-1,)


def test_stained_tissue_is_bright_and_the_mean_of_its_colours():
    found = look(stained_tissue(shape=(200, 200), count=50).image, "YXS")
    assert (found.channels, found.inverted, found.kind) == ((-1,), True, "stained")


def test_pixels_that_are_no_numbers_do_not_choose_the_colour():
    array = picture(0.1, 1.0, 0.0, dtype=np.float32)
    array[3, 3, 0] = np.nan
    array[5, 5, 2] = np.inf
    assert look(array, "YXS").channel_name == "green channel"


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 4), (1, 1, 3), (0, 0, 3)])
def test_pictures_with_hardly_a_pixel_are_looked_at(shape):
    assert not look(np.zeros(shape, np.uint8), "YXS").inverted


def test_channels_are_chosen_by_the_user_alone():
    array = np.stack([nuclei(), nuclei(1)])
    with pytest.raises(ImageShapeError, match="2 channels"):
        look(array, "CYX")
    assert look(array, "CYX", channel=1).channel_name == "channel 1"
    with pytest.raises(ImageShapeError, match="no channel 2"):
        look(array, "CYX", channel=2)


def test_a_channel_that_is_alone_needs_no_choice():
    assert look(nuclei()[None], "CYX").channels == (0,)


def test_a_chosen_colour_is_kept():
    assert look(picture(0, 0, 1), "YXS", channel=0).channel_name == "red channel"


def test_a_bright_background_is_recognised_and_can_be_overruled():
    dark = camera(nuclei(), np.random.default_rng(0))
    bright = dark.max() - dark
    assert not look(dark, "YX").inverted
    assert look(bright, "YX").inverted
    assert look(dark, "YX", invert="yes").inverted
    assert not look(bright, "YX", invert="no").inverted


def test_a_field_full_of_nuclei_is_no_bright_background():
    light, labels = draw_nuclei((200, 200), 22, 90, np.random.default_rng(0), clumped=0.9)
    assert (labels > 0).mean() > 0.5
    assert not has_bright_background(camera(light, np.random.default_rng(0)).astype(np.float32))


@pytest.mark.parametrize(
    "sample",
    [
        np.zeros((0, 0)),
        np.full((9, 9), np.nan),
        np.full((9, 9), 200.0),
        np.random.default_rng(0).normal(100, 5, (99, 99)),
    ],
)
def test_nothing_and_noise_have_no_bright_background(sample):
    assert not has_bright_background(sample)


def read_whole(
    array: np.ndarray, axes: str = "YX", invert: plane.Invert = "auto"
) -> tuple[plane.PlaneReader, np.ndarray]:
    source = ImageSource(array, axes)
    height, width = source.plane_shape
    region = (0, height, 0, width)
    reader = open_plane(source, (), region, look_at(source, (), region, invert=invert), PERCENTILES)
    return reader, reader.read(region)


def test_dark_nuclei_on_bright_are_read_as_bright_nuclei_on_dark():
    dark = camera(nuclei(), np.random.default_rng(0)).astype(np.float32)
    _, wanted = read_whole(dark)
    reader, found = read_whole(10_000 - dark)
    assert reader.inverted
    assert np.abs(found - wanted).max() < 1e-3


def test_pixels_that_are_no_numbers_are_read_as_background():
    array = camera(nuclei(), np.random.default_rng(0)).astype(np.float32)
    whole_reader, wanted = read_whole(array)
    holed = array.copy()
    holes = np.zeros(array.shape, bool)
    holes[::9, ::7] = True
    holed[holes] = np.resize([np.nan, np.inf, -np.inf], holes.sum())
    reader, found = read_whole(holed)
    assert whole_reader.finite
    assert not reader.finite
    assert (found[0][holes] == 0).all()
    assert np.abs(found - wanted)[0][~holes].max() < 0.05


def test_an_image_of_nothing_but_nan_is_background():
    reader, found = read_whole(np.full((20, 30), np.nan, np.float32))
    assert not reader.finite
    assert (found == 0).all()


def test_rectangles_are_relative_to_the_region():
    array = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
    source = ImageSource(array, "YX")
    region = (5, 15, 10, 25)
    reader = open_plane(source, (), region, look_at(source, (), region), PERCENTILES)
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
    sample = sample_pixels(source, (), 0, (0, shape[0], 0, shape[1]))
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
    look(array, "YX")
    assert array.pixels < 0.05 * 8192**2


def test_a_network_of_three_inputs_reads_every_colour_in_its_own_range():
    tissue = stained_tissue().image
    source = ImageSource(tissue, "YXS")
    region = (0, *tissue.shape[:1], 0, tissue.shape[1])
    found = look_at(source, (), region, inputs=3)
    assert (found.channels, found.channel_name, found.kind) == ((0, 1, 2), "all colours", "stained")
    read = open_plane(source, (), region, found, PERCENTILES).read((8, 40, 0, 80))
    alone = [open_plane(source, (), region, look_at(source, (), region, c), PERCENTILES) for c in range(3)]
    assert read.shape == (3, 32, 80)
    np.testing.assert_array_equal(read, np.concatenate([reader.read((8, 40, 0, 80)) for reader in alone]))


def test_a_grey_picture_is_repeated_for_a_network_of_three_inputs():
    source = ImageSource(nuclei(), "YX")
    region = (0, 128, 0, 160)
    read = open_plane(source, (), region, look_at(source, (), region, inputs=3), PERCENTILES).read(region)
    assert read.shape == (3, 128, 160)
    assert np.ptp(read, axis=0).max() == 0


def test_channels_that_do_not_fit_the_network_are_named():
    with pytest.raises(ImageShapeError, match="has 2 channels, and the model takes 3"):
        look(np.stack([nuclei(), nuclei()]), "CYX", inputs=3)

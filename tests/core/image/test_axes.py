from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource, guess_axes


@pytest.mark.parametrize(
    ("shape", "dtype", "axes"),
    [
        ((5, 6), np.uint16, "YX"),
        ((5, 6, 3), np.uint8, "YXS"),
        ((5, 6, 4), np.uint8, "YXS"),
        ((5, 6, 3), np.uint16, "ZYX"),
        ((5, 6, 2), np.uint8, "ZYX"),
        ((50, 60, 2), np.uint8, "YXC"),
        ((50, 60, 3), np.uint16, "YXS"),
        ((50, 60, 3), np.float32, "YXC"),
        ((7, 50, 60, 3), np.uint8, "ZYXS"),
        ((3, 50, 60), np.uint8, "ZYX"),
        ((2, 3, 5, 6), np.uint8, "TZYX"),
        ((2, 3, 2, 5, 6), np.uint8, "TZCYX"),
    ],
)
def test_axes_are_guessed_from_shape_and_dtype(shape, dtype, axes):
    assert guess_axes(shape, dtype) == axes


@pytest.mark.parametrize("shape", [(), (7,), (1, 2, 3, 4, 5, 6)])
def test_shapes_that_no_guess_covers_ask_for_the_axes(shape):
    with pytest.raises(ImageShapeError, match="axes="):
        guess_axes(shape)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 6), "YXZ"),
        ((5, 6), "YY"),
        ((5, 6), "ZX"),
        ((2, 2, 5, 6), "TTYX"),
        ((5, 6), "yx"),
        ((2, 5, 6, 5), "CYXS"),
        ((5, 6), ""),
        ((5, 6, 1), "YXW"),
    ],
)
def test_axes_that_do_not_fit_are_refused(shape, axes):
    with pytest.raises(ImageShapeError):
        ImageSource(np.zeros(shape), axes)


@pytest.mark.parametrize("dtype", [complex, object, "U3", "datetime64[s]"])
def test_pixels_that_are_no_real_numbers_are_refused(dtype):
    with pytest.raises(ImageShapeError, match="real numbers"):
        ImageSource(np.zeros((4, 4), dtype), "YX")


def test_every_pixel_carries_its_place():
    array = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    source = ImageSource(array, "TCZYX")
    assert source.leading_axes == "TZ"
    assert source.leading_shape == (2, 4)
    assert source.plane_shape == (5, 6)
    assert source.channels == 3
    assert np.array_equal(source.read((1, 2), 0), array[1, 0, 2])
    assert np.array_equal(source.read((0, 3), 2, (1, 4, 2, 6)), array[0, 2, 3, 1:4, 2:6])


def test_axes_may_stand_in_any_order():
    array = np.arange(3 * 4 * 5 * 2).reshape(3, 4, 5, 2)
    source = ImageSource(array, "XZYC")
    assert source.plane_shape == (5, 3)
    assert np.array_equal(source.read((2,), 1), array[:, 2, :, 1].T)
    assert np.array_equal(source.read((2,), 1, (1, 3, 0, 2)), array[0:2, 2, 1:3, 1].T)


def test_unknown_axes_may_occur_more_than_once():
    source = ImageSource(np.zeros((2, 3, 4, 5)), "QQYX")
    assert source.leading_shape == (2, 3)
    assert len(list(source.plane_indices())) == 6


def test_planes_are_chosen_by_index_or_all():
    source = ImageSource(np.zeros((2, 3, 4, 5)), "TZYX")
    assert list(source.plane_indices((1,))) == [(1, 0), (1, 1), (1, 2)]
    assert list(source.plane_indices((None, 2))) == [(0, 2), (1, 2)]
    assert list(source.plane_indices((5, None))) == []


@pytest.mark.parametrize(
    ("shape", "axes", "channels", "names"),
    [
        ((4, 5, 3), "YXS", 3, ["red channel", "green channel", "blue channel"]),
        ((4, 5, 4), "YXS", 3, ["red channel", "green channel", "blue channel"]),
        ((2, 4, 5), "CYX", 2, ["channel 0", "channel 1"]),
        ((4, 5), "YX", 1, ["the only channel"]),
        ((4, 5, 1), "YXS", 1, ["the only channel"]),
    ],
)
def test_channels_are_counted_without_alpha_and_named(shape, axes, channels, names):
    source = ImageSource(np.zeros(shape), axes)
    assert source.channels == channels
    assert [source.channel_name(channel) for channel in range(channels)] == names


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (bool, True),
        (np.uint16, 65535),
        (np.int32, -(2**31) + 1),
        (np.uint32, 2**32 - 1),
        (np.float16, 0.5),
        (np.float64, 1 + 1e-12),
        (">u2", 513),
        (">f8", -1e300),
    ],
)
def test_no_grey_value_is_lost_in_reading(dtype, value):
    pixels = ImageSource(np.full((2, 2), value, dtype), "YX").read((), 0)
    assert pixels.dtype in (np.float32, np.float64)
    assert pixels.dtype.isnative
    assert (pixels == value).all()


def test_reading_never_changes_the_image():
    array = np.zeros((4, 4), np.float32)
    array.setflags(write=False)
    assert ImageSource(array, "YX").read((), 0).shape == (4, 4)


def test_transparent_pixels_are_no_picture_and_opacity_is_no_channel():
    picture = np.full((4, 5, 4), 200, np.uint8)
    picture[0, 0, 3] = 0
    source = ImageSource(picture, "YXS")
    assert (source.channels, source.is_colour, source.has_opacity) == (3, True, True)
    assert np.isnan(source.read((), 1)).nonzero() == ([0], [0])
    grey = ImageSource(picture[..., 2:], "YXS")
    assert (grey.channels, grey.is_colour) == (1, False)
    assert np.isnan(grey.read((), 0)).sum() == 1
    assert not np.isnan(ImageSource(picture[..., :3], "YXS").read((), 0)).any()


def test_channels_that_are_pictures_in_a_colour_are_read_by_their_brightest_sample():
    coloured = np.zeros((2, 4, 5, 3), np.uint8)
    coloured[0, ..., 2], coloured[1, ..., :2] = 9, 7
    source = ImageSource(coloured, "CYXS")
    assert (source.channels, source.is_colour, source.leading_axes) == (2, False, "")
    assert [source.read((), channel).max() for channel in (0, 1)] == [9, 7]


def test_ids_are_read_in_the_type_of_the_array():
    ids = np.array([[0, 2**62, 2**62 + 1]], np.uint64)
    assert np.array_equal(ImageSource(ids, "YX").stored(()), ids)
    assert np.array_equal(ImageSource(ids, "XY").stored(()), ids.T)

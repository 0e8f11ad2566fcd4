from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.draw import disk
from skimage.transform import rotate

from napari_unet_nuclei.core.image.fill import find_fill, near_fill
from napari_unet_nuclei.core.samples.drawing import camera, draw_nuclei
from tests.helpers.samples import stained_tissue

LIGHT = draw_nuclei((200, 240), 24, 40, np.random.default_rng(3))[0]


def cells(dtype: type = np.uint16, offset: float = 100.0, noise: int = 0) -> np.ndarray:
    """Nuclei with a camera's offset and noise."""
    values = offset + 900 * LIGHT + np.random.default_rng(noise).normal(0, 6, LIGHT.shape)
    limits = (0, 1e9) if np.dtype(dtype).kind == "f" else (0, np.iinfo(dtype).max)
    return np.clip(values, *limits).astype(dtype)


def found(pixels: np.ndarray) -> tuple[float, ...]:
    colours = np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels[None]
    return find_fill(colours.astype(np.float32), pixels.dtype)


def rotated(pixels: np.ndarray, value: float) -> np.ndarray:
    """Cut two corners off, as a rotation does."""
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    result = pixels.copy()
    result[(y + x < 60) | (y + x > 360)] = value
    return result


def with_rows(pixels: np.ndarray, value: float, rows: slice) -> np.ndarray:
    result = pixels.copy()
    result[rows] = value
    return result


@pytest.mark.parametrize("offset", [100, 400])
@pytest.mark.parametrize(
    "cut",
    [
        lambda pixels: with_rows(pixels, 0, slice(2)),
        lambda pixels: with_rows(pixels, 0, slice(80, 84)),
        lambda pixels: with_rows(pixels, 0, slice(90, None)),
        lambda pixels: rotated(pixels, 0),
    ],
    ids=["two rows", "dead rows", "more than half", "corners"],
)
def test_black_of_registration_rotation_and_dead_rows_is_fill(cut, offset):
    assert found(cut(cells(offset=offset))) == (0.0,)


def test_white_of_registration_is_fill():
    assert found(rotated(cells(np.uint16), 65535)) == (65535.0,)


def test_a_white_bar_in_fluorescence_is_fill():
    picture = np.stack([cells(offset=2) // 5, np.zeros_like(LIGHT), np.zeros_like(LIGHT)], axis=-1).astype(np.uint8)
    picture[180:186, 150:230] = 255
    assert 255.0 in found(picture)


def test_black_corners_of_stained_tissue_are_fill():
    assert found(rotated(stained_tissue(shape=(200, 240), count=60).image, 0)) == (0.0,)


@pytest.mark.parametrize(
    "pixels",
    [
        cells(),
        cells(offset=0),  # half of the background's noise is cut off at 0
        np.clip(cells(offset=0).astype(int) - 12, 0, None).astype(np.uint16),  # most of the background is
        (255 * LIGHT).astype(np.uint8),  # drawn on nothing
        np.where(LIGHT > 0.3, cells(), 0).astype(np.uint16),  # background set to 0
        np.clip(400 * LIGHT, 0, 255).astype(np.uint8),  # overexposed
        np.clip(900 * LIGHT, 0, 255).astype(np.uint8),  # by far
        LIGHT > 0.5,
        np.where(LIGHT > 0.5, 255, 0).astype(np.uint8),
        stained_tissue(shape=(200, 240), count=60).image,
        np.zeros((40, 50), np.uint8),
        np.full((40, 50), 255, np.uint8),
    ],
    ids=[
        "with an offset",
        "clipped noise",
        "clipped background",
        "no noise",
        "masked",
        "overexposed",
        "overexposed by far",
        "bool",
        "mask",
        "tissue",
        "black",
        "white",
    ],
)
def test_pictures_have_no_fill(pixels):
    assert found(pixels) == ()


def test_overexposed_nuclei_at_the_rim_are_no_fill():
    light = draw_nuclei((200, 200), 60, 12, np.random.default_rng(5))[0]
    light[:, :30] = light[:, 30:60]
    assert found(np.clip(camera(2 * light, np.random.default_rng(0)), 0, 4095).astype(np.uint16)) == ()


def test_planes_without_pixels_have_no_fill():
    assert find_fill(np.zeros((1, 0, 5), np.float32), np.dtype("uint8")) == ()


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("angle", [1, 8, 45])
@pytest.mark.parametrize(
    "picture",
    [cells(), cells(offset=3000), stained_tissue(shape=(200, 240), count=60).image],
    ids=["cells", "far above black", "tissue"],
)
def test_black_that_interpolation_has_blended_with_the_picture_is_fill(picture, angle, order):
    turned = rotate(picture.astype(float), angle, order=order, preserve_range=True)
    assert found(np.clip(np.rint(turned), 0, None).astype(picture.dtype)) == (0.0,)


def test_what_touches_fill_is_near_it():
    pixels = np.full((1, 5, 6), 50.0)
    pixels[0, :2] = 0
    np.testing.assert_array_equal(near_fill(pixels, (0.0,)).all(axis=1), [True, True, True, False, False])
    assert not near_fill(pixels, ()).any()


@pytest.mark.parametrize("white", [255.0, 65535.0, 1.0])
def test_white_in_pictures_of_floats_is_that_of_their_scale(white):
    picture = (cells() * (0.9 * white / 1200)).astype(np.float32)
    picture[:12] = white
    assert found(picture) == (white,)


@pytest.mark.parametrize("blur", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("turned", [False, True])
def test_overexposed_nuclei_are_no_fill_however_sharp_they_are(blur, count, turned):
    inside = draw_nuclei((128, 160), 24, count, np.random.default_rng(count))[1] > 0
    inside[[0, -1]] = inside[:, [0, -1]] = False
    noise = np.random.default_rng(0).normal(0, 3, inside.shape)
    values = np.clip(500 * gaussian_filter(inside * 1.0, blur) + 20 + noise, 0, 255)
    assert found((255 - values if turned else values).astype(np.uint8)) == ()


def test_overexposed_nuclei_are_no_fill_beside_a_white_footer():
    inside = draw_nuclei((128, 160), 24, 2, np.random.default_rng(2))[1] > 0
    picture = np.clip(500 * gaussian_filter(inside * 1.0, 1.2) + 20, 0, 255).astype(np.uint8)
    picture[110:] = 255
    assert found(picture) == ()


@pytest.mark.parametrize("count", [1, 3])
def test_a_background_that_was_set_to_black_is_no_fill(count):
    inside = np.zeros((128, 160), bool)
    for place in range(count):
        inside[disk((60, 30 + 45 * place), 11)] = True
    assert found(np.where(inside, 900, 0).astype(np.uint16)) == ()


def test_a_bar_is_fill_beside_blurred_letters():
    picture = cells(np.uint8, offset=20) // 2
    strokes = np.zeros(LIGHT.shape)
    strokes[10:30, 10:90:12] = strokes[10:30, 11:91:12] = 1
    picture = np.maximum(picture, (320 * gaussian_filter(strokes, 0.7)).clip(0, 255).astype(np.uint8))
    picture[180:188, 130:230] = 255
    assert found(picture) == (255.0,)

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.image.fill import find_fill
from napari_unet_nuclei.core.image.synthetic import camera, draw_nuclei, stained_tissue

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

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.image.normalise import NOISE_MULTIPLE, estimate_noise, intensity_range


@pytest.mark.parametrize("sigma", [0.7, 1.0, 5.0, 300.0])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_noise_is_estimated_from_pixels_whatever_lies_under_it(sigma, dtype):
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 4000, 256)[:, None] + np.linspace(0, 2000, 256)
    pixels = (slope + 2000 + rng.normal(0, sigma, slope.shape)).astype(dtype).astype(np.float64)
    assert estimate_noise(pixels) == pytest.approx(np.hypot(sigma, 0.29 if dtype == np.uint16 else 0), rel=0.12)


def test_outlines_are_no_noise():
    pixels = np.zeros((256, 256))
    pixels[64:192, 64:192] = 1000
    assert estimate_noise(pixels) == 0


@pytest.mark.parametrize("shape", [(0, 0), (5, 0), (5, 1), (1, 2)])
def test_planes_too_narrow_for_differences_have_no_noise(shape):
    assert estimate_noise(np.ones(shape)) == 0


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((0, 5)),
        np.zeros((5, 5)),
        np.full((5, 5), -7.0),
        np.full((5, 5), 1e30),
        np.full((5, 5), 65535, np.float32),
        np.ones((1, 1)),
    ],
)
def test_planes_without_contrast_stay_at_zero(pixels):
    found = intensity_range(pixels)
    assert found.high > found.low
    assert (np.abs(found.normalise(pixels)) < 1e-3).all()


def test_a_single_bright_pixel_on_an_even_plane_spans_the_range():
    pixels = np.full((100, 100), 10.0)
    pixels[50, 50] = 20.0
    normalised = intensity_range(pixels).normalise(pixels)
    assert normalised.max() == pytest.approx(1.0)
    assert normalised.min() == 0.0


def test_percentiles_of_the_plane_become_zero_and_one():
    pixels = np.linspace(0, 1000, 10_201).reshape(101, 101)
    found = intensity_range(pixels, (1.0, 99.8))
    assert found.low == pytest.approx(10, abs=0.2)
    assert found.high == pytest.approx(998, abs=0.2)


def test_noise_never_fills_the_range():
    pixels = np.random.default_rng(1).normal(500, 20, (256, 256))
    normalised = intensity_range(pixels).normalise(pixels)
    assert normalised.std() == pytest.approx(1 / NOISE_MULTIPLE, rel=0.05)


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9])
def test_a_large_offset_costs_no_grey_value_that_the_image_holds(offset):
    pixels = np.linspace(0, 255, 10_000).reshape(100, 100)
    wanted = intensity_range(pixels).normalise(pixels)
    moved = pixels + offset
    assert np.abs(intensity_range(moved).normalise(moved) - wanted).max() < 1e-4


@pytest.mark.parametrize(("scale", "kind"), [(1e300, np.float64), (1e-300, np.float64), (1e-40, np.float32)])
def test_numbers_of_any_size_are_read_alike(scale, kind):
    pixels = np.linspace(0.1, 1, 10_000).reshape(100, 100)
    wanted = intensity_range(pixels).normalise(pixels)
    scaled = (pixels * scale).astype(kind)
    assert np.abs(intensity_range(scaled).normalise(scaled) - wanted).max() < 1e-3

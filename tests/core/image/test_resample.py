from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_unet_nuclei.core.image.resample import AxisResampling, resample


def resize(pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    rows, columns = (AxisResampling(old, new).matrix(0, new)[0] for old, new in zip(pixels.shape, shape, strict=True))
    return resample(pixels, rows, columns)


@pytest.mark.parametrize("shape", [(24, 31), (48, 62), (7, 5), (1, 1), (100, 3)])
def test_whole_planes_are_resized_as_image_libraries_do(shape):
    pixels = np.random.default_rng(0).random((24, 31), np.float32)
    wanted = F.interpolate(torch.from_numpy(pixels)[None, None], shape, mode="bilinear", antialias=True)[0, 0].numpy()
    assert np.abs(resize(pixels, shape) - wanted).max() < 1e-5


def test_the_same_size_changes_nothing():
    pixels = np.random.default_rng(0).random((9, 8), np.float32)
    assert np.array_equal(resize(pixels, (9, 8)), pixels)


@pytest.mark.parametrize(("old", "new"), [(10, 3), (3, 10), (1, 9), (9, 1), (1000, 999)])
def test_weights_of_every_pixel_sum_to_one(old, new):
    matrix, first = AxisResampling(old, new).matrix(0, new)
    assert first == 0
    assert matrix.shape == (new, old)
    assert np.allclose(matrix.sum(axis=1), 1, atol=1e-6)
    assert matrix.dtype == np.float32


def test_only_the_needed_pixels_are_asked_for():
    axis = AxisResampling(old=10_000, new=1_000)
    start, stop = axis.inputs(500, 510)
    assert 4980 <= start <= 5000
    assert 5100 <= stop <= 5120

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2hed

from napari_unet_nuclei.core.image.stain import (
    DAB,
    HAEMATOXYLIN,
    STAIN_VECTORS,
    full_scale,
    optical_density,
    stain_density,
)
from tests.helpers.samples import stained_tissue


def picture_of(amounts: tuple[float, float, float]) -> np.ndarray:
    """Light, of 0 to 1, that passes some haematoxylin, eosin and DAB, (3, 1, 1)."""
    return 10.0 ** -(np.array(amounts) @ STAIN_VECTORS)[:, None, None]


@pytest.mark.parametrize("amounts", [(0.5, 0.0, 0.0), (0.3, 0.6, 0.0), (0.2, 0.1, 0.7), (0.0, 0.8, 0.0)])
def test_stains_are_told_apart(amounts):
    densities = optical_density(picture_of(amounts), 1.0)
    assert stain_density(densities, HAEMATOXYLIN).item() == pytest.approx(amounts[0], abs=1e-5)
    assert stain_density(densities, DAB).item() == pytest.approx(amounts[2], abs=1e-5)


def test_haematoxylin_is_that_of_scikit_image():
    picture = stained_tissue(shape=(64, 64), count=6).image
    densities = optical_density(np.moveaxis(picture, -1, 0), 255)
    expected = rgb2hed(picture)[..., 0] * 6  # in units of log10(1e-6) there
    kept = (picture > 0).all(axis=-1)
    assert np.abs(stain_density(densities, HAEMATOXYLIN) - expected)[kept].max() < 1e-4


def test_black_is_dense_and_not_infinitely_so():
    assert 2 < optical_density(np.array([0.0]), 65535).item() < 3


def test_what_is_no_number_stays_none():
    assert np.isnan(stain_density(optical_density(np.full((3, 2, 2), np.nan), 255), HAEMATOXYLIN)).all()


@pytest.mark.parametrize(
    ("dtype", "brightest", "white"),
    [
        ("uint8", 30, 255),
        ("uint16", 200, 255),
        ("uint16", 1020, 1023),
        ("uint16", 40_000, 65_535),
        ("int32", 4000, 4095),
        ("float32", 0.8, 1),
        ("float64", 250, 255),
        ("uint32", 10**6, 10**6),
    ],
)
def test_white_follows_from_type_and_brightest_pixel(dtype, brightest, white):
    assert full_scale(np.dtype(dtype), brightest) == white

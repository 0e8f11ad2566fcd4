from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_unet_nuclei.core.samples.drawing import Nucleus, camera, draw, draw_nuclei, uneven_light


@pytest.mark.parametrize(("diameter", "count", "side"), [(6, 100, 200), (22, 40, 256), (200, 6, 900)])
def test_nuclei_have_the_diameter_that_was_asked_for(diameter: float, count: int, side: int) -> None:
    _, labels = draw_nuclei((side, side), diameter, count, np.random.default_rng(0), clumped=0.3)
    inner = labels.copy()
    inner[:, [0, -1]] = inner[[0, -1]] = 0
    whole = [n for n in range(1, labels.max() + 1) if (inner == n).sum() == (labels == n).sum()]
    areas = ndimage.sum_labels(labels > 0, labels, whole)
    assert np.median(2 * np.sqrt(areas / np.pi)) == pytest.approx(diameter, rel=0.12)


def test_labels_are_numbered_without_gaps_and_every_nucleus_shines() -> None:
    clean, labels = draw_nuclei((256, 256), 20, 60, np.random.default_rng(1))
    assert labels.dtype == np.int32
    assert np.array_equal(np.unique(labels), np.arange(61))
    assert clean.min() == 0
    assert clean.max() <= 1
    assert (ndimage.mean(clean, labels, np.arange(1, 61)) > 0.15).all()


def test_unclumped_nuclei_never_touch_and_clumped_ones_do() -> None:
    def components(clumped: float) -> tuple[int, int]:
        _, labels = draw_nuclei((400, 400), 20, 60, np.random.default_rng(2), clumped=clumped)
        return ndimage.label(labels > 0, np.ones((3, 3)))[1], labels.max()

    apart, of_apart = components(0.0)
    joined, of_joined = components(0.8)
    assert apart == of_apart
    assert joined < 0.6 * of_joined


def test_a_full_field_gets_fewer_nuclei_and_tiny_images_work() -> None:
    _, labels = draw_nuclei((40, 40), 30, 50, np.random.default_rng(3))
    assert 1 <= labels.max() < 10
    clean, labels = draw_nuclei((1, 1), 30, 2, np.random.default_rng(3))
    assert clean.shape == labels.shape == (1, 1)


def test_an_absent_nucleus_keeps_its_id() -> None:
    _, labels = draw([Nucleus(10, 10, 5), Nucleus(20, 20, 0), Nucleus(30, 30, 5), Nucleus(-99, 0, 5)], (40, 40))
    assert np.unique(labels).tolist() == [0, 1, 3]


def test_camera_statistics_are_those_of_photons_and_read_noise() -> None:
    light = np.full((300, 300), 0.5)
    grey = camera(light, np.random.default_rng(0), photons=200, read_noise=4, gain=3, offset=50, dtype=np.float32)
    assert grey.dtype == np.float32
    assert grey.mean() == pytest.approx(100 * 3 + 50, rel=0.01)
    assert grey.std() == pytest.approx(3 * np.sqrt(100 + 4**2), rel=0.02)


def test_camera_saturates_instead_of_wrapping() -> None:
    grey = camera(np.array([[0.0, 5.0]]), np.random.default_rng(0), photons=1000, offset=-50, dtype=np.uint8)
    assert grey.tolist() == [[0, 255]]


def test_uneven_light_falls_off_from_one() -> None:
    light = uneven_light((120, 200), np.random.default_rng(0), strength=0.4)
    assert light.shape == (120, 200)
    assert light.max() == pytest.approx(1, abs=0.01)
    assert 0.6 <= light.min() < 0.85

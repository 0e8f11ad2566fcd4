from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_unet_nuclei.core.labels import strips
from napari_unet_nuclei.core.labels.heights import heights_of, smoothing_reach


@pytest.mark.parametrize(("shape", "scale"), [((60, 45), 1.0), ((3, 70), 2.5), ((50, 1), 0.3)])
def test_heights_are_the_smoothed_distance_less_the_border(monkeypatch, shape, scale):
    monkeypatch.setattr(strips, "STRIP_PIXELS", 500)
    maps = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    expected = (ndimage.gaussian_filter(maps[2].astype(np.float64), scale) - maps[1]) / 255
    assert np.abs(heights_of(maps, scale) - expected).max() < 1e-6


def test_heights_do_not_reach_further_than_is_said():
    maps = np.zeros((3, 1, 41), np.uint8)
    maps[2, 0, 20] = 255
    assert np.flatnonzero(heights_of(maps, 2.0)[0])[0] == 20 - smoothing_reach(2.0)

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.plane import PlaneLook, Signal
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.image.steps import (
    Clip,
    ClipRange,
    FittedSteps,
    Linear,
    Range,
    Sigmoid,
    Standard,
    Steps,
    Threshold,
    Whole,
)

IMAGE = np.random.default_rng(0).gamma(2, 300, (2, 30, 40)).astype(np.float32)


def taken(steps, image=IMAGE) -> np.ndarray:
    return np.stack([one.normalise(channel) for one, channel in zip(Steps(steps).fit(image), image, strict=True)])


@pytest.mark.parametrize("together", [False, True])
def test_percentiles_become_0_and_1(together):
    axes = None if together else (1, 2)
    low, high = np.percentile(IMAGE, (1, 99.8), axis=axes, keepdims=True)
    found = taken((Range(low=1, high=99.8, eps=1e-3, together=together),))
    np.testing.assert_allclose(found, (IMAGE - low) / (high - low + 1e-3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("together", [False, True])
def test_the_mean_becomes_0_and_the_deviation_1(together):
    axes = None if together else (1, 2)
    mean, std = IMAGE.mean(axis=axes, keepdims=True), IMAGE.std(axis=axes, keepdims=True)
    np.testing.assert_allclose(taken((Standard(together=together),)), (IMAGE - mean) / std, rtol=1e-3, atol=1e-4)


def test_each_step_is_fitted_to_what_the_ones_before_it_leave():
    found = taken((Linear(subtracted=(10.0, 20.0), divisor=(2.0,)), Clip(low=(0,), high=(100,)), Standard(), Sigmoid()))
    left = np.clip((IMAGE - np.array([10, 20])[:, None, None]) / 2, 0, 100)
    scaled = (left - left.mean(axis=(1, 2), keepdims=True)) / left.std(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-scaled)), rtol=1e-3)


def test_thresholds_percentile_limits_and_whole_numbers():
    assert set(np.unique(taken((Threshold(values=(300.0,)),)))) == {0, 1}
    for together, measured in ((True, IMAGE), (False, IMAGE[1])):
        limited = taken((ClipRange(low=5, high=95, together=together),))[1]
        assert limited.min() == pytest.approx(np.percentile(measured, 5, method="inverted_cdf"))
    np.testing.assert_array_equal(taken((Whole(dtype="uint8"),)), np.minimum(np.trunc(IMAGE), 255))


def test_pixels_without_a_picture_are_not_measured_and_stay_unknown():
    image = IMAGE.copy()
    image[:, :5] = np.nan
    found = taken((Standard(), Threshold(values=(0.0,))), image)
    assert np.isnan(found[:, :5]).all()
    np.testing.assert_array_equal(found[:, 5:], taken((Standard(), Threshold(values=(0.0,))), IMAGE[:, 5:]))
    assert not np.isfinite(taken((Range(),), np.full((1, 3, 3), np.nan, np.float32))).any()


def test_a_plane_is_read_through_the_steps():
    look = PlaneLook("fluorescence", (Signal("intensity", (0,)), Signal("intensity", (1,))), "all channels")
    plane = PlaneSample.whole(ImageSource(IMAGE, "CYX"))
    reader = plane.open(look, Steps((Linear(subtracted=(0.0,), divisor=(10.0, 100.0)),)))
    np.testing.assert_allclose(reader.read((2, 9, 3, 30)), IMAGE[:, 2:9, 3:30] / [[[10]], [[100]]], rtol=1e-6)


def test_fitted_steps_survive_a_file():
    fitted = Steps((Range(high=99), Clip(low=(0,)))).fit(IMAGE)[1]
    assert FittedSteps.model_validate_json(fitted.model_dump_json()) == fitted

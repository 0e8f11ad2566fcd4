from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.kind import possible_looks
from napari_unet_nuclei.core.image.normalise import NOISE_MULTIPLE, estimate_noise, intensity_range
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.samples.drawing import camera, draw_nuclei


@cache
def nuclei(seed: int, count: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    light, _ = draw_nuclei((70, 90), 16, count, rng)
    return camera(light, rng, dtype=np.float64)


GAINS = st.floats(1e-6, 1e6)
OFFSETS = st.floats(-1e4, 1e4)


@given(st.integers(0, 4), st.integers(0, 6), GAINS, OFFSETS)
def test_gain_and_offset_do_not_matter(seed, count, gain, offset):
    pixels = nuclei(seed, count)
    changed = gain * (pixels + offset)
    normalised = intensity_range(pixels).normalise(pixels)
    assert np.abs(intensity_range(changed).normalise(changed) - normalised).max() < 1e-4


@given(st.integers(0, 9), GAINS, OFFSETS)
def test_which_way_up_an_image_is_depends_on_neither_gain_nor_offset(seed, gain, offset):
    for sign in (1, -1):
        pixels = sign * gain * (nuclei(seed) + offset)
        source = ImageSource(pixels, "YX")
        kind = possible_looks(PlaneSample.whole(source))[0].kind
        assert kind == ("brightfield" if sign < 0 else "fluorescence")


@given(st.integers(0, 9))
def test_a_negative_whose_values_are_no_light_reads_like_the_image(seed):
    readings = []
    for pixels in (nuclei(seed), -nuclei(seed)):
        plane = PlaneSample.whole(ImageSource(pixels, "YX"))
        readings.append(plane.open(possible_looks(plane)[0], (1.0, 99.8)).read(plane.region))
    assert np.abs(readings[0] - readings[1]).max() < 1e-3


@given(st.integers(0, 2**31), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_noise_alone_stays_faint(seed, sigma, offset):
    pixels = np.random.default_rng(seed).normal(offset, sigma, (96, 96))
    assert intensity_range(pixels).normalise(pixels).std() < 1.3 / NOISE_MULTIPLE


@given(st.integers(0, 2**31), st.floats(1e-3, 1e3))
def test_the_noise_estimate_grows_with_the_gain(seed, gain):
    pixels = np.random.default_rng(seed).normal(0, 1, (40, 40))
    assert np.isclose(estimate_noise(gain * pixels), gain * estimate_noise(pixels), rtol=1e-6)


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=60), st.integers(1, 6))
def test_any_finite_plane_has_a_range(values, width):
    pixels = np.resize(np.array(values, np.float32), (max(len(values) // width, 1), width))
    found = intensity_range(pixels)
    assert found.high > found.low
    assert np.isfinite(found.normalise(pixels)).all()

"""A plane that was prepared for all foreground thresholds gives, for each, what decoding it from scratch gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from scipy import ndimage

from napari_unet_nuclei.core.labels.decode import DecodeThresholds, PlaneDecoder, decode_plane, quantise


def some_maps(seed: int, shape: tuple[int, ...], smoothing: float, steps: int) -> np.ndarray:
    """Maps of landscapes, rough or smooth, in steps or gradual, with plains of 0 and 1."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.random((3, *shape)), (0, smoothing, smoothing))
    noise = (noise - noise.min()) / max(np.ptp(noise), 1e-9)
    noise = np.clip(noise * rng.uniform(1, 3) - rng.uniform(0, 1), 0, 1)
    return quantise((np.round(noise * steps) / steps if steps else noise).astype(np.float32))


@given(
    st.integers(0, 2**31),
    array_shapes(min_dims=2, max_dims=2, max_side=50),
    st.sampled_from([0.0, 0.7, 2.0]),
    st.sampled_from([0, 1, 4]),
    st.lists(st.sampled_from([0.005, 0.01, 0.2, 0.3, 0.45, 0.5, 0.7, 0.9, 0.99, 0.995]), min_size=1, max_size=4),
)
def test_every_threshold_of_a_prepared_plane_gives_what_decoding_from_scratch_gives(
    seed, shape, smoothing, steps, foregrounds
):
    maps = some_maps(seed, shape, smoothing, steps)
    decoder = PlaneDecoder(maps, 1.0)
    decoder.prepare()
    for foreground in foregrounds:
        thresholds = DecodeThresholds(foreground, 0.1, 4, 1.0, 0.3)
        found, expected = decoder.decode(thresholds), decode_plane(maps, thresholds)
        assert np.array_equal(found.labels, expected.labels)
        assert np.array_equal(found.scores, expected.scores)
        labels, evidence = decoder.all_nuclei(foreground, 0.2)
        plain, plainly = PlaneDecoder(maps, 1.0).all_nuclei(foreground, 0.2)
        assert np.array_equal(labels, plain)
        assert np.array_equal(evidence.totals, plainly.totals)
        assert np.array_equal(evidence.peaks, plainly.peaks)

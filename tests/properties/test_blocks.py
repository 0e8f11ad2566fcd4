"""Blocks leave no trace: nuclei and scores are those of the whole plane, wherever its blocks end."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet_nuclei.core.labels.decode import Decoded, DecodeThresholds, decode_plane, quantise
from napari_unet_nuclei.core.labels.encode import encode_labels
from napari_unet_nuclei.core.labels.score import FEATURES, Scoring
from napari_unet_nuclei.core.samples.drawing import draw_nuclei
from tests.helpers.effort import some_examples
from tests.helpers.joining import decode_in_blocks, same_up_to_numbers, whole_numbers

SEEDS = st.integers(0, 2**31)
COUNT = len(FEATURES)
SCORING = Scoring(FEATURES, (0.1,) * COUNT, (0.7,) * COUNT, tuple(np.linspace(-1, 1, COUNT)), 0.3)


def assert_same_nuclei(blocks: Decoded, whole: Decoded) -> None:
    assert whole_numbers(blocks.labels)
    assert same_up_to_numbers(blocks.labels, whole.labels)
    assert len(blocks.scores) == len(whole.scores) == blocks.labels.max(initial=0)
    pairs = np.unique(np.stack([blocks.labels.ravel(), whole.labels.ravel()]), axis=1)
    ours, theirs = pairs[:, pairs[0] > 0]
    assert np.array_equal(blocks.scores[ours - 1], whole.scores[theirs - 1])


def nuclei_maps(seed: int, shape: tuple[int, int], noise: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    _, labels = draw_nuclei(shape, 14, shape[0] * shape[1] // 500, rng, clumped=0.7)
    maps = encode_labels(labels, 22.0)
    stacked = np.stack([maps.foreground, maps.border, maps.distance])
    return quantise(np.clip(stacked + rng.normal(0, noise, stacked.shape), 0, 1).astype(np.float32))


@given(
    SEEDS,
    st.integers(20, 140),
    st.integers(70, 160),
    st.floats(0, 0.25),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.3, 0.6, 0.9]),
    st.sampled_from([None, SCORING]),
    st.integers(0, 19),
)
def test_nuclei_are_those_of_the_whole_plane(seed, side, width, noise, min_size, score, scoring, offset):
    maps = nuclei_maps(seed, (110, width), noise)
    thresholds = DecodeThresholds(0.5, 0.3, min_size, 0.64, score, scoring)
    offset = min(offset, side - 1)
    blocks = decode_in_blocks(maps, thresholds, side, (offset, side - 1 - offset))
    assert_same_nuclei(blocks, decode_plane(maps, thresholds))


def tissue_maps(seed: int, size: int, noise: float) -> np.ndarray:
    """Nuclei of about 12 px wall to wall: one clump as wide as the plane."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[6:size:12, 6:size:12]
    points = np.stack([rows, columns], axis=-1).reshape(-1, 2) + rng.uniform(-3, 3, (rows.size, 2))
    y, x = np.mgrid[:size, :size]
    distances = np.sort(np.hypot(y[..., None] - points[:, 0], x[..., None] - points[:, 1]), axis=-1)
    inner = np.clip((distances[..., 1] - distances[..., 0]) / 10, 0, 1)
    maps = np.stack([np.ones_like(inner), 1 - inner, inner]) + rng.normal(0, noise, (3, size, size))
    return quantise(np.clip(maps, 0, 1).astype(np.float32))


@some_examples(0.5)
@given(SEEDS, st.integers(11, 100), st.floats(0, 0.2))
def test_a_clump_wider_than_any_block_is_cut_nowhere(seed, side, noise):
    maps = tissue_maps(seed, 150, noise)
    thresholds = DecodeThresholds(0.3, 0.3, 4)
    whole = decode_plane(maps, thresholds)
    assert len(whole.scores) > 50
    assert_same_nuclei(decode_in_blocks(maps, thresholds, side), whole)


@given(
    SEEDS,
    st.integers(12, 90),
    st.sampled_from([1.0, 2.0, 3.0]),
    st.floats(0.3, 0.6),
    st.floats(0.01, 0.5),
    st.integers(1, 30),
)
def test_maps_of_noise_and_plateaus_too(seed, side, smoothness, foreground, split, min_size):
    """Basins, clumps and holes of any shape, most of them far larger than a block, and many pixels of equal height."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.random((3, 100, 120)), (0, smoothness, smoothness))
    noise -= noise.min((1, 2), keepdims=True)
    noise[2] = np.round(4 * noise[2] / noise[2].max()) / 4
    maps = quantise((noise / noise.max((1, 2), keepdims=True)).astype(np.float32))
    thresholds = DecodeThresholds(foreground, split, min_size)
    assert_same_nuclei(decode_in_blocks(maps, thresholds, side), decode_plane(maps, thresholds))

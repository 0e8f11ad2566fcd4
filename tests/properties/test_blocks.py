"""Blocks leave no trace: labels are those of the whole plane, wherever its blocks end."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet_nuclei.core.image.synthetic import draw_nuclei
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps, label_components, quantise
from napari_unet_nuclei.core.labels.encode import encode_labels
from napari_unet_nuclei.core.labels.metrics import match
from tests.core.batch.joining import decode_in_blocks

SEEDS = st.integers(0, 2**31)


def same_up_to_numbers(first: np.ndarray, second: np.ndarray) -> bool:
    pairs = np.unique(np.stack([first.ravel(), second.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


def whole_numbers(labels: np.ndarray) -> bool:
    return np.array_equal(np.unique(np.append(labels, 0)), np.arange(labels.max(initial=0) + 1))


def widest_clump(mask: np.ndarray) -> int:
    boxes = ndimage.find_objects(label_components(mask)[0])
    return max((side.stop - side.start for box in boxes for side in box), default=0)


def nuclei_maps(seed: int, shape: tuple[int, int], noise: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    _, labels = draw_nuclei(shape, 14, shape[0] * shape[1] // 500, rng, clumped=0.7)
    maps = encode_labels(labels, 22.0)
    stacked = np.stack([maps.foreground, maps.border, maps.distance])
    return quantise(np.clip(stacked + rng.normal(0, noise, stacked.shape), 0, 1).astype(np.float32))


@settings(max_examples=30)
@given(
    SEEDS,
    st.integers(20, 140),
    st.integers(70, 160),
    st.floats(0, 0.25),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.6, 0.9, 0.97]),
    st.integers(0, 19),
)
def test_clumps_narrower_than_the_halo_are_labelled_as_in_the_whole_plane(
    seed, side, width, noise, min_size, certainty, offset
):
    maps = nuclei_maps(seed, (110, width), noise)
    thresholds = DecodeThresholds(0.5, 0.4, min_size, 0.64, certainty)
    halo = widest_clump(maps[0] > 255 * thresholds.foreground) + 1
    labels = decode_in_blocks(maps, thresholds, max(side, halo), halo, (offset, 19 - offset))
    assert whole_numbers(labels)
    assert same_up_to_numbers(labels, decode_maps(maps, thresholds))


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


@settings(max_examples=12)
@given(SEEDS, st.integers(48, 100), st.floats(0, 0.2))
def test_a_clump_wider_than_any_block_is_cut_nowhere(seed, side, noise):
    maps = tissue_maps(seed, 150, noise)
    thresholds = DecodeThresholds(0.3, 0.3, 4)
    whole = decode_maps(maps, thresholds)
    labels = decode_in_blocks(maps, thresholds, side, 48)
    assert whole.max() > 50
    assert whole_numbers(labels)
    assert labels.max() == whole.max()
    assert np.array_equal(labels > 0, whole > 0)
    assert match(whole, labels.astype(np.int32), (0.9,)).average_precision[0] >= 0.999
    for edge in range(side, 150, side):
        for ours, theirs in ((labels, whole), (labels.T, whole.T)):
            cut, there = (np.count_nonzero(one[edge - 1] != one[edge]) for one in (ours, theirs))
            assert cut <= there + 3, "more outlines run along the edge of a block than in the whole plane"


@settings(max_examples=20)
@given(SEEDS, st.integers(16, 90), st.sampled_from([1.0, 2.0, 3.0]), st.floats(0.3, 0.6), st.integers(1, 30))
def test_maps_of_noise_lose_no_nucleus_and_double_none(seed, side, smoothness, foreground, min_size):
    """Seeds, clumps and holes of any shape, most of them far larger than the halo."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.random((3, 100, 120)), (0, smoothness, smoothness))
    noise -= noise.min((1, 2), keepdims=True)
    maps = quantise((noise / noise.max((1, 2), keepdims=True)).astype(np.float32))
    mask = maps[0] > 255 * foreground
    all_of_them, without_small = (DecodeThresholds(foreground, 0.1, least) for least in (1, min_size))
    labels = decode_in_blocks(maps, all_of_them, side, 16)
    assert whole_numbers(labels)
    assert labels.max() == decode_maps(maps, all_of_them).max()
    assert (labels > 0)[mask].all()
    areas = np.bincount(np.where(mask, decode_in_blocks(maps, without_small, side, 16), 0).ravel())
    assert areas[1:].min(initial=min_size) >= min_size

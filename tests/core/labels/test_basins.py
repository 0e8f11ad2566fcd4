from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_unet_nuclei.core.labels.basins import divided, find_basins, two_summits


def steps_uphill(heights: np.ndarray, mask: np.ndarray, start: tuple[int, ...]) -> tuple[int, ...]:
    """Follow one pixel to its summit, slowly and plainly."""
    here = start
    while True:
        near = [here]
        for axis in range(mask.ndim):
            for step in (-1, 1):
                there = tuple(value + step * (number == axis) for number, value in enumerate(here))
                if all(0 <= one < size for one, size in zip(there, mask.shape, strict=True)) and mask[there]:
                    near.append(there)
        best = min(near, key=lambda place: (-heights[place], np.ravel_multi_index(place, mask.shape)))
        if best == here:
            return here
        here = best


def joined_one_by_one(heights: np.ndarray, labels: np.ndarray, split: float) -> np.ndarray:
    """Join basins, highest saddle first, only where the notch is shallow; slowly and plainly."""
    top = {int(one): float(heights[labels == one].max()) for one in np.unique(labels[labels > 0])}
    order = sorted(top, key=lambda one: np.flatnonzero(labels.ravel() == one)[0])
    leader = {one: one for one in order}
    saddles: dict[tuple[int, int], float] = {}
    for axis in range(labels.ndim):
        a, b = (np.moveaxis(labels, axis, 0)[part] for part in (slice(1, None), slice(None, -1)))
        h = np.minimum(*(np.moveaxis(heights, axis, 0)[part] for part in (slice(1, None), slice(None, -1))))
        for one, other, level in zip(a.ravel(), b.ravel(), h.ravel(), strict=True):
            if one and other and one != other:
                pair = (min(one, other), max(one, other))
                saddles[pair] = max(saddles.get(pair, -np.inf), float(level))

    def find(one: int) -> int:
        return one if leader[one] == one else find(leader[one])

    for (one, other), level in sorted(saddles.items(), key=lambda item: (-item[1], item[0])):
        first, second = find(one), find(other)
        if first != second and min(top[first], top[second]) - level < split:
            high, low = (first, second) if (top[first], -first) > (top[second], -second) else (second, first)
            leader[low] = high
    return np.array([0, *(find(one) for one in range(1, labels.max() + 1))])[labels]


def landscape(seed: int, shape: tuple[int, ...], levels: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    heights = ndimage.gaussian_filter(rng.random(shape), 1.2)
    heights = np.round(heights * levels * 4) / levels if levels else heights
    return heights.astype(np.float32), ndimage.gaussian_filter(rng.random(shape), 1.0) > 0.47


CASES = [(seed, shape, levels) for seed in range(3) for shape in ((17, 23), (7, 8, 9), (40,)) for levels in (0, 5)]


@pytest.mark.parametrize(("seed", "shape", "levels"), CASES)
def test_every_pixel_belongs_to_the_summit_that_it_climbs_to(monkeypatch, seed, shape, levels):
    monkeypatch.setattr("napari_unet_nuclei.core.labels.strips.STRIP_PIXELS", 100)
    heights, mask = landscape(seed, shape, levels)
    basins = find_basins(heights, mask)
    for pixel, basin in zip(basins.pixels, basins.basin, strict=True):
        summit = steps_uphill(heights, mask, np.unravel_index(pixel, shape))
        assert np.ravel_multi_index(summit, shape) == basins.summits[basin]
    assert (np.diff(basins.summits) > 0).all()


@pytest.mark.parametrize(("seed", "shape", "levels"), CASES)
@pytest.mark.parametrize("split", [0.02, 0.1, 0.4])
def test_one_forest_answers_every_depth_as_joining_one_by_one_does(seed, shape, levels, split):
    heights, mask = landscape(seed, shape, levels)
    basins = find_basins(heights, mask)
    labels = basins.labelled(np.arange(1, len(basins.summits) + 1))
    expected = joined_one_by_one(heights, labels, split)
    assert np.array_equal(basins.labelled(basins.forest.roots(split) + 1), expected)
    for one in np.unique(expected[expected > 0]):
        assert ndimage.label(expected == one)[1] == 1


def test_nothing_and_a_single_pixel_have_basins_too():
    nothing = find_basins(np.zeros((4, 0), np.float32), np.zeros((4, 0), bool))
    assert len(nothing.summits) == len(nothing.forest.roots(0.5)) == 0
    one = find_basins(np.zeros((1, 1), np.float32), np.ones((1, 1), bool))
    assert one.labelled(np.array([7])).tolist() == [[7]]


def test_a_mask_is_shared_out_among_seeds_along_the_valley():
    heights = np.array([[1, 3, 5, 2, 4, 6, 1]], np.float32)
    seeds = np.array([[1, 0, 0, 0, 0, 0, 2]], np.int32)
    assert divided(heights, np.ones((1, 7), bool), seeds).tolist() == [[1, 1, 1, 1, 2, 2, 2]]
    gap = heights > 2
    assert divided(heights, gap, np.array([[0, 0, 0, 0, 9, 9, 0]], np.int32)).tolist() == [[0, 0, 0, 0, 9, 9, 0]]
    assert divided(heights, gap).tolist() == [[0, 1, 1, 0, 2, 2, 0]]


def test_the_two_clearest_summits_are_those_with_the_deepest_notch():
    heights = np.array([[0, 5, 4, 6, 1, 4, 2, 3, 0]], np.float32)
    mask = np.ones(heights.shape, bool)
    assert two_summits(heights, mask, 0.5).tolist() == [[0, 0, 0, 1, 0, 2, 0, 0, 0]]
    assert two_summits(heights, mask, 3.5) is None

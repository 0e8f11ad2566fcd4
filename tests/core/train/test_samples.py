from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_nuclei.core.samples.drawing import draw_nuclei
from napari_unet_nuclei.core.train.samples import Sample, blank_crop, cut_crop, draw_scale, sampling_weights


def sample(
    shape: tuple[int, int] = (60, 90), diameter: float = 12, group: str = "a", reviewed: np.ndarray | None = None
) -> Sample:
    """An image whose intensity is its label, so that a shift between the two would show."""
    _, labels = draw_nuclei(shape, diameter, 20, np.random.default_rng(0), clumped=0.3)
    return Sample("s", (labels / labels.max(initial=1)).astype(np.float32)[None], labels, group, reviewed=reviewed)


def test_diameters_are_indexed_by_id():
    labels = np.array([[0, 2, 2, 2, 2]], np.int32)
    one = Sample("s", np.zeros((1, 1, 5), np.float32), labels, "a")
    assert one.diameters[1] == 0
    assert one.median_diameter == pytest.approx(np.sqrt(16 / np.pi))
    assert Sample("e", np.zeros((1, 4, 4), np.float32), np.zeros((4, 4), np.int32), "a").median_diameter == 0


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.0, 1.7, 4.0])
@pytest.mark.parametrize("side", [32, 64])
def test_crops_have_their_side_whatever_the_scale_and_labels_lie_on_their_nuclei(scale, side):
    original = sample()
    rng = np.random.default_rng(1)
    for _ in range(5):
        crop = cut_crop(original, side, scale, rng)
        assert crop.image.shape == (1, side, side)
        assert crop.image.dtype == np.float32
        assert crop.labels.shape == crop.reviewed.shape == (side, side)
        assert crop.labels.dtype == np.int32
        assert set(np.unique(crop.labels)) <= set(np.unique(original.labels))
        intensity = crop.labels / original.labels.max()
        assert np.median(np.abs(crop.image[0] - intensity)[crop.reviewed]) < 0.05
        assert (crop.labels[~crop.reviewed] == 0).all()


def test_sizes_are_those_of_whole_nuclei_in_crop_pixels():
    original = sample()
    crop = cut_crop(original, 32, 0.5, np.random.default_rng(0))
    assert np.allclose(crop.diameters, original.diameters * 0.5)


def test_what_lies_beyond_the_image_is_not_reviewed():
    crop = cut_crop(sample((20, 90)), 64, 1.0, np.random.default_rng(0))
    assert crop.reviewed[:20].all()
    assert not crop.reviewed[20:].any()
    assert np.isfinite(crop.image).all()


def test_the_revisible_region_follows_the_crop():
    reviewed = np.zeros((60, 90), bool)
    reviewed[:, :45] = True
    original = sample(reviewed=reviewed)
    marked = Sample("s", reviewed[None].astype(np.float32), original.labels, "a", reviewed=reviewed)
    for seed in range(5):
        crop = cut_crop(marked, 32, 1.0, np.random.default_rng(seed))
        assert np.array_equal(crop.reviewed, crop.image[0] > 0.5)


def test_images_of_one_field_do_not_rule():
    weights = sampling_weights([sample(group="a")] * 4 + [sample(group="b")])
    assert weights.sum() == pytest.approx(1)
    assert weights[:4].sum() == pytest.approx(2 * weights[4])


def test_scales_bring_most_nuclei_near_the_models_size_and_some_far_away():
    rng = np.random.default_rng(0)
    one = sample(diameter=12)
    sizes = np.array([draw_scale(one, 22.0, rng) for _ in range(2000)]) * one.median_diameter
    near = (sizes > 22 / 1.71) & (sizes < 22 * 1.71)
    assert near.mean() > 0.6
    assert sizes.min() < 9
    assert sizes.max() > 80
    assert sizes.max() <= 141
    empty = Sample("e", np.zeros((1, 4, 4), np.float32), np.zeros((4, 4), np.int32), "a")
    scales = [draw_scale(empty, 22.0, rng) for _ in range(200)]
    assert 0.4 <= min(scales) < max(scales) <= 2.5


def test_blank_crops_hold_noise_and_no_nuclei():
    for seed in range(20):
        crop = blank_crop(1, 48, np.random.default_rng(seed))
        assert crop.image.shape == (1, 48, 48)
        assert crop.image.dtype == np.float32
        assert np.isfinite(crop.image).all()
        assert not crop.labels.any()
        assert crop.reviewed.all()


def test_one_seed_gives_one_crop():
    first, second = (cut_crop(sample(), 32, 0.8, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.labels, second.labels)


def test_the_median_diameter_is_that_of_reviewed_nuclei():
    labels = np.zeros((40, 40), np.int32)
    labels[2:6, 2:6] = 1
    labels[10:30, 10:30] = 2
    reviewed = np.zeros(labels.shape, bool)
    image = np.zeros((1, 40, 40), np.float32)
    assert Sample("a", image, labels, "a", reviewed=reviewed).median_diameter == 0
    reviewed[:8, :8] = True
    assert Sample("a", image, labels, "a", reviewed=reviewed).median_diameter == pytest.approx(4.51, abs=0.01)


def test_important_samples_are_learnt_from_more_often():
    samples = [Sample(n, np.zeros((1, 2, 2), np.float32), np.zeros((2, 2), np.int32), n) for n in "ab"]
    weights = sampling_weights([samples[0], replace(samples[1], importance=3.0)])
    assert weights.tolist() == [0.25, 0.75]

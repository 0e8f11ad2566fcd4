from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, match, overlap_ious, per_image, pooled

TRUTH = np.array([[1, 1, 1, 1, 0, 2, 2, 0, 3]])


def test_thresholds_run_from_half_to_nearly_one():
    assert IOU_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def test_found_spurious_and_missed_are_counted_at_each_threshold():
    predicted = np.array([[5, 5, 5, 0, 0, 7, 7, 9, 0]])  # IoU 3/4, 1, one invented, one missed
    counts = match(TRUTH, predicted, (0.5, 0.75, 0.9))
    assert counts.found.tolist() == [2, 1, 1]
    assert counts.spurious.tolist() == [1, 2, 2]
    assert counts.missed.tolist() == [1, 2, 2]
    assert np.allclose(counts.average_precision, [2 / 4, 1 / 5, 1 / 5])


def test_exactly_the_threshold_is_no_match():
    assert match(np.array([[1, 1]]), np.array([[1, 0]]), (0.5,)).found.tolist() == [0]


def test_ids_need_not_be_consecutive():
    assert (match(TRUTH * 1000, TRUTH * 7).average_precision == 1).all()


@pytest.mark.parametrize("shape", [(4, 5), (1, 1), (0, 0), (0, 3)])
def test_nothing_to_find_and_nothing_found_is_perfect(shape):
    empty = np.zeros(shape, np.int32)
    assert (match(empty, empty).average_precision == 1).all()


def test_nothing_found_and_nothing_to_find_count_against_the_result():
    empty = np.zeros_like(TRUTH)
    assert (match(TRUTH, empty).average_precision == 0).all()
    assert (match(empty, TRUTH).average_precision == 0).all()


def test_split_and_merged_nuclei_match_at_most_once():
    merged = np.where(TRUTH > 0, 1, 0)
    assert match(TRUTH, merged, (0.5,)).found.tolist() == [1]
    assert match(merged, TRUTH, (0.5,)).found.tolist() == [1]


def test_overlaps_are_intersection_over_union():
    assert sorted(overlap_ious(np.array([[1, 1, 2, 2]]), np.array([[0, 3, 3, 3]]))) == pytest.approx([1 / 4, 2 / 3])


def test_pooling_weighs_nuclei_and_the_mean_over_images_weighs_images():
    many = match(np.arange(1, 10)[None], np.arange(1, 10)[None])
    none = match(np.ones((1, 1), int), np.zeros((1, 1), int))
    assert pooled([many, none]).average_precision[0] == pytest.approx(0.9)
    assert per_image([many, none])[0] == pytest.approx(0.5)


def test_below_half_a_matching_is_not_unique():
    with pytest.raises(AssertionError):
        match(TRUTH, TRUTH, (0.3,))

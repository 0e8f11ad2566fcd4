from __future__ import annotations

import cellseg_metrics
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.metrics.comparison import Comparison, compare_labels, mean_scores, pool
from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, find_overlaps, match
from napari_unet_nuclei.core.samples.drawing import draw_nuclei

EMPTY = np.zeros((1, 12), np.int32)
# Nucleus 1 is found but for a pixel, 2 is found whole, 3 is missed, and 9 is invented.
TRUTH = np.array([[1, 1, 1, 1, 0, 2, 2, 0, 3, 0, 0, 0]])
FOUND = np.array([[5, 5, 5, 0, 0, 7, 7, 0, 0, 0, 9, 9]])


def drawn_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True nuclei, and the same moved by a pixel, with some of them lost, some eroded and some invented."""
    rng = np.random.default_rng(seed)
    _, truth = draw_nuclei((96, 96), 14, 18, rng, clumped=0.4)
    found = np.roll(truth, (1, 0), (0, 1))
    found = np.where(np.isin(found, (2, 5)), 0, found)
    small = np.isin(found, (7, 8))
    found[small & (rng.random(found.shape) < 0.35)] = 0
    found[2:9, 2:9] = np.where(truth[2:9, 2:9] == 0, 1000, found[2:9, 2:9])
    return truth, found


def test_panoptic_quality_is_the_overlap_of_what_was_found_times_f1():
    scores = compare_labels(TRUTH, FOUND).scores
    assert scores.segmentation_quality == pytest.approx((3 / 4 + 1) / 2)
    assert scores.detection_quality == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert scores.panoptic_quality == pytest.approx(7 / 8 * 2 / 3)


def test_average_precision_and_f1_fall_with_the_threshold():
    scores = compare_labels(TRUTH, FOUND).scores
    assert scores.average_precision == pytest.approx([2 / 4] * 5 + [1 / 5] * 5)
    assert scores.f1 == pytest.approx([2 / 3] * 5 + [1 / 3] * 5)
    assert scores.mean_average_precision == pytest.approx(0.35)


def test_foreground_is_compared_pixel_by_pixel():
    scores = compare_labels(TRUTH, FOUND).scores
    assert scores.foreground_iou == pytest.approx(5 / 9)
    assert scores.foreground_dice == pytest.approx(10 / 14)


def test_the_aggregated_jaccard_index_counts_what_is_in_no_pair_against_the_result():
    # Pairs share 3 and 2 pixels of 4 and 2; nucleus 3 (1 pixel) and invention 9 (2 pixels) are in no pair.
    assert compare_labels(TRUTH, FOUND).scores.aggregated_jaccard == pytest.approx(5 / (6 + 1 + 2))


def test_the_aggregated_jaccard_index_pairs_by_iou_and_not_by_overlap():
    truth = np.array([[1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]])
    found = np.array([[2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]])
    # Prediction 3 shares more pixels (3 of 12), prediction 2 fits better (2 of 5).
    assert compare_labels(truth, found).scores.aggregated_jaccard == pytest.approx(2 / (5 + 10))


def test_of_pairs_with_the_same_iou_the_aggregated_jaccard_index_takes_the_larger():
    truth = np.array([[1] * 6 + [0] * 24])
    found = np.array([[2] + [3] * 29])
    # Prediction 2 shares 1 of 6 pixels, prediction 3 shares 5 of 30.
    assert compare_labels(truth, found).scores.aggregated_jaccard == pytest.approx(5 / (30 + 1))


def test_one_prediction_over_two_nuclei_is_paired_with_both():
    truth, found = np.array([[1, 1, 2, 2]]), np.array([[4, 4, 4, 4]])
    assert compare_labels(truth, found).scores.aggregated_jaccard == pytest.approx((2 + 2) / (4 + 4))


def test_too_many_and_too_few_nuclei_do_not_balance_each_other():
    more = compare_labels(TRUTH, np.arange(1, 13)[None])
    fewer = compare_labels(TRUTH, EMPTY)
    assert (more.miscounted, fewer.miscounted) == (9, 3)
    assert pool([more, fewer]).scores.count_error == pytest.approx(12 / 6)


@pytest.mark.parametrize("shape", [(3, 3), (0, 3)])
def test_nothing_where_nothing_is_agrees_fully(shape):
    scores = compare_labels(np.zeros(shape, np.int32), np.zeros(shape, np.int32)).scores
    perfect = ("panoptic_quality", "segmentation_quality", "aggregated_jaccard", "foreground_iou", "foreground_dice")
    assert [getattr(scores, name) for name in perfect] == [1.0] * 5
    assert (scores.f1.tolist(), scores.count_error) == ([1.0] * 10, 0.0)


@pytest.mark.parametrize(("truth", "found", "count_error"), [(TRUTH, EMPTY, 1.0), (EMPTY, FOUND, 3.0)])
def test_nothing_found_and_nothing_to_find_count_against_the_result(truth, found, count_error):
    scores = compare_labels(truth, found).scores
    bad = ("panoptic_quality", "segmentation_quality", "aggregated_jaccard", "foreground_iou", "foreground_dice")
    assert [getattr(scores, name) for name in bad] == [0.0] * 5
    assert scores.count_error == count_error


def test_pooling_weighs_nuclei_and_the_mean_weighs_images():
    good, bad = compare_labels(TRUTH, TRUTH), compare_labels(np.ones((1, 1), int), np.zeros((1, 1), int))
    pooled, mean = pool([good, bad]).scores, mean_scores([good.scores, bad.scores])
    assert (pooled.average_precision[0], mean.average_precision[0]) == (3 / 4, 1 / 2)
    assert (pooled.panoptic_quality, mean.panoptic_quality) == (pytest.approx(6 / 7), 1 / 2)
    assert (pooled.foreground_iou, mean.foreground_iou) == (7 / 8, 1 / 2)
    assert mean.average_precision.shape == (10,)


def test_ids_of_any_size_and_with_gaps_are_understood():
    large = np.where(FOUND > 0, FOUND.astype(np.int64) + 4_000_000_000, 0)
    assert compare_labels(TRUTH, large).scores.panoptic_quality == compare_labels(TRUTH, FOUND).scores.panoptic_quality
    assert find_overlaps(large, large).true_areas.tolist() == [3, 2, 2]


def test_labels_of_different_shapes_are_not_compared():
    with pytest.raises(ImageShapeError, match=r"\(1, 12\).*\(12, 1\)"):
        compare_labels(TRUTH, FOUND.T)


def test_the_counts_are_those_of_matching_alone():
    truth, found = drawn_pair(0)
    assert compare_labels(truth, found).matches.found.tolist() == match(truth, found).found.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_an_independent_implementation_agrees_on_drawn_nuclei(seed):
    agrees_with_package(*drawn_pair(seed))


small_labels = arrays(np.int32, (5, 6), elements=st.integers(0, 4))


@given(small_labels, small_labels)
def test_an_independent_implementation_agrees_on_any_labels(truth, found):
    if truth.any() and found.any():  # where one is empty the package gives 0, even where there is nothing to find
        agrees_with_package(truth, found)


def agrees_with_package(truth: np.ndarray, found: np.ndarray) -> None:
    compared = compare_labels(truth, found)
    scores = compared.scores
    for step, threshold in enumerate(IOU_THRESHOLDS):
        theirs = cellseg_metrics.panoptic_quality(truth, found, threshold)
        assert scores.f1[step] == pytest.approx(theirs["dq"], abs=1e-6)
        # Its average_precision is precision; ours follows from its F1.
        assert scores.average_precision[step] == pytest.approx(theirs["dq"] / (2 - theirs["dq"]), abs=1e-6)
    theirs = cellseg_metrics.panoptic_quality(truth, found)
    assert scores.panoptic_quality == pytest.approx(theirs["pq"], abs=1e-6)
    assert scores.segmentation_quality == pytest.approx(theirs["sq"], abs=1e-6)
    pixels = cellseg_metrics.get_stats((truth > 0).astype(np.uint8), (found > 0).astype(np.uint8))
    assert scores.foreground_iou == pytest.approx(cellseg_metrics.iou_score(*pixels), abs=1e-6)
    assert scores.foreground_dice == pytest.approx(cellseg_metrics.dice_coef(*pixels), abs=1e-6)
    if pairs_by_overlap_alone(truth, found):
        theirs = cellseg_metrics.aggregated_jaccard_index(truth, found)
        assert scores.aggregated_jaccard == pytest.approx(theirs, abs=1e-6)


def pairs_by_overlap_alone(truth: np.ndarray, found: np.ndarray) -> bool:
    """True where the largest overlap of every true nucleus is also its largest IoU, as the package takes it."""
    overlaps = find_overlaps(truth, found)
    for nucleus in np.unique(overlaps.true_index):
        own = overlaps.true_index == nucleus
        shared, ious = overlaps.shared[own], overlaps.ious[own]
        if np.count_nonzero(shared == shared.max()) > 1 or ious[shared.argmax()] < ious.max():
            return False
    return True


def test_a_sum_of_comparisons_is_a_comparison():
    one = compare_labels(TRUTH, FOUND)
    both = one + one
    assert isinstance(both, Comparison)
    assert both.scores.aggregated_jaccard == one.scores.aggregated_jaccard

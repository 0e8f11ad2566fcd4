from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.classes.coding import VOID, ClassCoding, count_classes, pool_classes
from napari_unet_nuclei.core.errors import ImageShapeError


def stored(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_scores_are_those_worked_out_by_hand():
    truth = np.array([[0, 0, 0, 0], [1, 1, 1, 2], [2, 2, VOID, VOID]])
    predicted = np.array([[0, 0, 0, 1], [1, 1, 2, 2], [2, 0, 0, 1]])
    counts = count_classes(truth, predicted)
    assert counts.table.tolist() == [[3, 1, 0, 0], [0, 2, 1, 0], [1, 0, 2, 0]]
    assert counts.iou.tolist() == [3 / 5, 2 / 4, 2 / 4]
    assert counts.mean_iou == pytest.approx(8 / 15)
    assert counts.pixel_accuracy == 7 / 10
    assert counts.pixels == 10


def test_a_pixel_that_was_given_no_class_is_missed_and_nothing_else():
    counts = count_classes(np.array([0, 0, 1, 1]), np.array([0, VOID, 1, 1]))
    assert counts.iou.tolist() == [1 / 2, 1]
    assert counts.pixel_accuracy == 3 / 4


def test_classes_that_occur_nowhere_do_not_count():
    counts = count_classes(np.array([0, 3]), np.array([0, 3]), classes=6)
    assert np.isnan(counts.iou).tolist() == [False, True, True, False, True, True]
    assert counts.mean_iou == 1


def test_an_invented_class_counts_as_wrong():
    assert count_classes(np.array([0, 0]), np.array([0, 5])).mean_iou == 1 / 4


def test_identical_images_score_one_and_empty_ones_too():
    labels = np.random.default_rng(0).integers(0, 5, (9, 7))
    assert count_classes(labels, labels).mean_iou == count_classes(labels, labels).pixel_accuracy == 1
    nothing = count_classes(np.full((3, 3), VOID), np.zeros((3, 3), int))
    assert (nothing.mean_iou, nothing.pixel_accuracy, nothing.pixels) == (1, 1, 0)


def test_pooling_images_is_counting_one_large_image():
    rng = np.random.default_rng(1)
    truth, predicted = rng.integers(VOID, 5, (2, 4, 30)), rng.integers(VOID, 3, (2, 4, 30))
    predicted[1, 0, 0] = 7  # so that the tables differ in size
    pooled = pool_classes(count_classes(*pair) for pair in zip(truth, predicted, strict=True))
    assert np.array_equal(pooled.table, count_classes(truth, predicted).table)


def test_images_of_different_shape_are_not_compared():
    with pytest.raises(ImageShapeError, match="cannot be compared"):
        count_classes(np.zeros((2, 3), int), np.zeros((3, 2), int))


def test_ids_stand_in_the_channel_that_is_named():
    red, green = stored([9, 9]), stored([1, 4])
    assert ClassCoding(channel=1).ids([red, green]).tolist() == [[1, 4]]
    assert ClassCoding().ids([green, green, green]).tolist() == [[1, 4]]
    with pytest.raises(ImageShapeError, match="say which"):
        ClassCoding().ids([red, green])
    with pytest.raises(ImageShapeError, match="no channel 2: there are 2"):
        ClassCoding(channel=2).ids([red, green])


def test_void_belongs_to_no_class_whatever_its_value():
    assert ClassCoding(void=11, classes=3).ids([stored([0, 11, 2])]).tolist() == [[0, VOID, 2]]
    assert ClassCoding(void=0).ids([stored([0, 1, 2])]).tolist() == [[VOID, 1, 2]]
    assert ClassCoding(void=4000).ids([stored([0, 4000])]).tolist() == [[0, VOID]]


@pytest.mark.parametrize("brightest", [1, 200, 255, 65535])
def test_masks_become_two_classes(brightest):
    values = stored([0] * 20 + [brightest] * 20 + [brightest * 0.1, brightest * 0.6, brightest * 0.9])
    assert ClassCoding(binary=True).ids([values])[0, -3:].tolist() == [0, 1, 1]


def test_black_masks_and_masks_with_void_are_masks():
    coding = ClassCoding(binary=True, void=128)
    assert coding.ids([stored([0, 0])]).tolist() == [[0, 0]]
    assert coding.ids([stored([0, 128, 255])]).tolist() == [[0, VOID, 1]]


def test_ids_are_not_taken_for_a_mask():
    with pytest.raises(ImageShapeError, match="no mask"):
        ClassCoding(binary=True).ids([np.arange(100.0).reshape(10, 10)])


@pytest.mark.parametrize(
    ("values", "classes", "told"),
    [
        ([0, 0.5], 0, "fractions"),
        ([0, -1], 0, "below 0"),
        ([0, 256], 0, "are 0 to 255"),
        ([0, 3], 3, "class id 3, and there are 3 classes: 0 to 2"),
    ],
)
def test_what_is_no_class_id_is_refused(values, classes, told):
    with pytest.raises(ImageShapeError, match=told):
        ClassCoding(classes=classes).ids([stored(values)])

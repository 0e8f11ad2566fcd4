from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.labels.metrics.mistakes import Mistakes, find_mistakes


def row(*lengths_and_ids: tuple[int, int]) -> np.ndarray:
    return np.concatenate([np.full(length, number) for length, number in lengths_and_ids])[None]


def test_the_same_labels_under_other_ids_are_all_found():
    assert find_mistakes(row((4, 1), (2, 0), (3, 9)), row((4, 7), (2, 0), (3, 2))) == Mistakes(2, 0, 0, 0, 0)


def test_one_nucleus_in_two_pieces_is_split():
    assert find_mistakes(row((10, 1)), row((6, 1), (4, 2))) == Mistakes(1, 0, 0, 0, 1)


def test_two_nuclei_in_one_piece_are_merged():
    assert find_mistakes(row((5, 1), (5, 2)), row((10, 1))) == Mistakes(0, 0, 0, 2, 0)


def test_a_nucleus_that_nothing_covers_is_missed_and_one_on_background_is_spurious():
    assert find_mistakes(row((5, 1), (5, 0)), row((5, 0), (5, 4))) == Mistakes(0, 1, 1, 0, 0)


def test_a_bad_outline_is_neither_found_nor_missed():
    assert find_mistakes(row((10, 1), (12, 0)), row((2, 0), (20, 1))) == Mistakes(0, 0, 1, 0, 0)


def test_images_without_nuclei_have_no_mistakes_and_numbers_add_up():
    empty = np.zeros((3, 3), int)
    assert find_mistakes(empty, empty) == Mistakes(0, 0, 0, 0, 0)
    assert Mistakes(1, 2, 3, 4, 5) + Mistakes(1, 1, 1, 1, 1) == Mistakes(2, 3, 4, 5, 6)

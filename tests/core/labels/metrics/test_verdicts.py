from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.labels.metrics.comparison import find_mistakes
from napari_unet_nuclei.core.labels.metrics.verdicts import verdicts


def row(*parts: tuple[int, int]) -> np.ndarray:
    """Labels of one row: (length, id) of every part."""
    return np.concatenate([np.full(length, label) for length, label in parts])[np.newaxis]


def test_every_true_nucleus_has_one_verdict_and_invented_ones_are_named():
    truth = row((10, 3), (2, 0), (6, 5), (6, 8), (2, 0), (10, 9), (2, 0), (8, 12), (8, 0), (10, 20))
    found = row((10, 1), (2, 0), (12, 2), (2, 0), (5, 4), (5, 6), (2, 0), (8, 0), (8, 7), (4, 0), (6, 11))
    verdict, invented = verdicts(truth, found)
    assert verdict == {3: "found", 5: "merged", 8: "merged", 9: "split", 12: "missed", 20: "found"}
    assert invented == [7]
    mistakes = find_mistakes(truth, found)
    assert (mistakes.merged, mistakes.split, mistakes.missed, mistakes.spurious) == (2, 1, 1, 1)


def test_an_outline_that_is_far_off_is_neither_found_nor_missed():
    assert verdicts(row((10, 1), (20, 0)), row((2, 0), (26, 4), (2, 0)))[0] == {1: "off"}
    assert verdicts(np.zeros((2, 2), int), np.zeros((2, 2), int)) == ({}, [])

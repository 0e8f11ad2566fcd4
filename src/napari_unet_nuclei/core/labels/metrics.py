"""Compare predicted nuclei with true ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import contingency_table

from napari_unet_nuclei.core.types import Labels

IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""0.5 to 0.95 in steps of 0.05."""


@dataclass(frozen=True)
class MatchCounts:
    """How many nuclei were found, invented and missed at each IoU threshold.

    Attributes
    ----------
    found, spurious, missed : ndarray, shape (len(thresholds),), int
        True positives, false positives and false negatives.
    thresholds : tuple of float
        A pair matches where its IoU is *above* the threshold.
    """

    found: NDArray[np.int64]
    spurious: NDArray[np.int64]
    missed: NDArray[np.int64]
    thresholds: tuple[float, ...] = IOU_THRESHOLDS

    @property
    def average_precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP + FN) at each threshold; 1 where there is nothing to find and nothing was found."""
        total = self.found + self.spurious + self.missed
        return np.where(total > 0, self.found / np.maximum(total, 1), 1.0)

    def __add__(self, other: MatchCounts) -> MatchCounts:
        """Pool the nuclei of two images."""
        return MatchCounts(
            self.found + other.found, self.spurious + other.spurious, self.missed + other.missed, self.thresholds
        )


def overlap_ious(truth: Labels, predicted: Labels) -> NDArray[np.float64]:
    """IoU of every overlapping pair of a true and a predicted nucleus, in no particular order."""
    if truth.size == 0:
        return np.zeros(0)
    table = contingency_table(truth, predicted).tocoo()
    true_area = np.bincount(truth.ravel())
    predicted_area = np.bincount(predicted.ravel())
    pair = (table.row > 0) & (table.col > 0)
    overlap = table.data[pair]
    union = true_area[table.row[pair]] + predicted_area[table.col[pair]] - overlap
    return np.asarray(overlap / union, np.float64)


def match(truth: Labels, predicted: Labels, thresholds: tuple[float, ...] = IOU_THRESHOLDS) -> MatchCounts:
    """Count matches between two label images of the same shape.

    From IoU 0.5 upwards a nucleus overlaps at most one other that much, so the one-to-one matching needs no search.

    Parameters
    ----------
    truth, predicted : ndarray, shape (Y, X), int
    thresholds : tuple of float
        IoU thresholds, none below 0.5.

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2]])
    >>> match(truth, np.array([[3, 3, 0, 0]]), (0.5,)).average_precision
    array([0.5])
    """
    assert min(thresholds) >= 0.5, "below IoU 0.5 a matching is not unique"
    ious = overlap_ious(truth, predicted)
    found = np.array([np.count_nonzero(ious > threshold) for threshold in thresholds])
    true_count, predicted_count = (np.count_nonzero(np.bincount(image.ravel())[1:]) for image in (truth, predicted))
    return MatchCounts(found, predicted_count - found, true_count - found, thresholds)


def pooled(counts: Iterable[MatchCounts]) -> MatchCounts:
    """Add the counts of several images (at least one), so that every nucleus weighs the same."""
    first, *rest = counts
    return sum(rest, first)


def per_image(counts: Iterable[MatchCounts]) -> NDArray[np.float64]:
    """Mean over images of the average precision at each threshold, so that every image weighs the same."""
    return np.asarray(np.mean([one.average_precision for one in counts], axis=0))

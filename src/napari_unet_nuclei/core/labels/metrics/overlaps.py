"""Match predicted nuclei to true ones: the basis of every score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.numbering import small_ids

IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""0.5 to 0.95 in steps of 0.05."""


@dataclass(frozen=True)
class Overlaps:
    """Which true and predicted nuclei overlap, and by how much."""

    true_areas: NDArray[np.int64]  # in px², of the nuclei that occur, in the order of their ids
    predicted_areas: NDArray[np.int64]  # likewise
    true_index: NDArray[np.int64]  # true nucleus of every overlapping pair, as index into the areas
    predicted_index: NDArray[np.int64]  # predicted nucleus of every pair, likewise
    shared: NDArray[np.int64]  # intersection of every pair in px², above 0

    @property
    def united(self) -> NDArray[np.int64]:
        """Union of every pair in px², shape (pairs,)."""
        return self.true_areas[self.true_index] + self.predicted_areas[self.predicted_index] - self.shared

    @property
    def ious(self) -> NDArray[np.float64]:
        """Intersection over union (IoU) of every pair, shape (pairs,), in (0, 1]."""
        return np.asarray(self.shared / self.united, np.float64)


@dataclass(frozen=True)
class MatchCounts:
    """True positives, false positives and false negatives at each IoU threshold.

    Attributes
    ----------
    found, spurious, missed : ndarray, shape (len(thresholds),), int
        In this order: true positives, false positives, false negatives.
    thresholds : tuple of float
        A pair matches if its IoU is *above* the threshold.
    """

    found: NDArray[np.int64]
    spurious: NDArray[np.int64]
    missed: NDArray[np.int64]
    thresholds: tuple[float, ...] = IOU_THRESHOLDS

    @property
    def average_precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP + FN) at each threshold; 1 if both images are empty.

        As in Caicedo et al. 2019, *Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl*,
        Nature Methods 16, 1247-1253. Elsewhere the same figure is called accuracy or threat score.
        """
        total = self.found + self.spurious + self.missed
        return np.where(total > 0, self.found / np.maximum(total, 1), 1.0)

    @property
    def f1(self) -> NDArray[np.float64]:
        """2 TP / (2 TP + FP + FN) at each threshold; 1 if both images are empty."""
        total = 2 * self.found + self.spurious + self.missed
        return np.where(total > 0, 2 * self.found / np.maximum(total, 1), 1.0)

    @property
    def true_count(self) -> int:
        """Number of true nuclei."""
        return int(self.found[0] + self.missed[0])

    @property
    def predicted_count(self) -> int:
        """Number of predicted nuclei."""
        return int(self.found[0] + self.spurious[0])

    def __add__(self, other: MatchCounts) -> MatchCounts:
        """Pool the nuclei of two images."""
        return MatchCounts(
            self.found + other.found, self.spurious + other.spurious, self.missed + other.missed, self.thresholds
        )


def find_overlaps(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> Overlaps:
    """Find all pairs of a true and a predicted nucleus that share pixels; ids may have gaps.

    Raise ImageShapeError if the shapes differ.

    Examples
    --------
    >>> overlaps = find_overlaps(np.array([[1, 1, 0, 7]]), np.array([[2, 2, 2, 0]]))
    >>> overlaps.true_areas, overlaps.shared, overlaps.united
    (array([2, 1]), array([2]), array([3]))
    """
    if truth.shape != predicted.shape:
        raise ImageShapeError(
            f"Labels of shape {truth.shape} cannot be compared with labels of shape {predicted.shape}."
        )
    lengths, truth, predicted = _runs(truth, predicted)
    true_areas, true_index = _areas(truth, lengths)
    predicted_areas, predicted_index = _areas(predicted, lengths)
    both = (true_index >= 0) & (predicted_index >= 0)
    # A sparse table of true by predicted ids, with one entry per run inside both.
    runs = coo_array(
        (lengths[both], (true_index[both], predicted_index[both])), shape=(len(true_areas), len(predicted_areas))
    )
    table = runs.tocsr().tocoo()  # conversion sums the runs of each pair
    return Overlaps(true_areas, predicted_areas, table.row.astype(np.int64), table.col.astype(np.int64), table.data)


def match(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], thresholds: tuple[float, ...] = IOU_THRESHOLDS
) -> MatchCounts:
    """Count matches between two label images of the same shape, at IoU thresholds of 0.5 or more.

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2]])
    >>> match(truth, np.array([[3, 3, 0, 0]]), (0.5,)).average_precision
    array([0.5])
    """
    return count_matches(find_overlaps(truth, predicted), thresholds)


def count_matches(overlaps: Overlaps, thresholds: tuple[float, ...] = IOU_THRESHOLDS) -> MatchCounts:
    """Count matches among overlapping pairs, at IoU thresholds of 0.5 or more.

    Above IoU 0.5 a nucleus can match at most one other, so the one-to-one assignment needs no search.
    """
    assert min(thresholds) >= 0.5, "below IoU 0.5 a matching is not unique"
    ious = overlaps.ious
    found = np.array([np.count_nonzero(ious > threshold) for threshold in thresholds])
    return MatchCounts(found, len(overlaps.predicted_areas) - found, len(overlaps.true_areas) - found, thresholds)


def pooled(counts: Iterable[MatchCounts]) -> MatchCounts:
    """Pool the counts of one or more images: every nucleus weighs the same."""
    first, *rest = counts
    return sum(rest, first)


def per_image(counts: Iterable[MatchCounts]) -> NDArray[np.float64]:
    """Mean over images of the average precision at each threshold: every image weighs the same."""
    return np.asarray(np.mean([one.average_precision for one in counts], axis=0))


def _runs(
    truth: NDArray[np.integer], predicted: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.integer], NDArray[np.integer]]:
    """Return the lengths of runs of pixels that are alike in both images, and the two ids of each run.

    Nuclei are some tens of pixels wide, so there are far fewer runs than pixels.
    """
    true_flat, predicted_flat = truth.ravel(), predicted.ravel()
    begins = np.ones(true_flat.size, bool)
    np.not_equal(true_flat[1:], true_flat[:-1], out=begins[1:])
    begins[1:] |= predicted_flat[1:] != predicted_flat[:-1]
    starts = np.flatnonzero(begins)
    return np.diff(starts, append=true_flat.size), true_flat[starts], predicted_flat[starts]


def _areas(labels: NDArray[np.integer], lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Areas of the nuclei that occur in runs, and the index of each run's nucleus among them; -1 for background."""
    # Files may hold huge ids: a table by id must not be larger than the image.
    ids = small_ids(labels)
    areas = np.bincount(ids, weights=lengths).astype(np.int64)
    present = areas > 0
    # As a slice, for an empty image has no entry.
    present[:1] = False
    position = np.where(present, np.cumsum(present) - 1, -1)
    return areas[present], position[ids]

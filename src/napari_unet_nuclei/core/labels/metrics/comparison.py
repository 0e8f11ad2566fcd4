"""Score predicted nuclei against true ones, for one image and for many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.metrics.overlaps import (
    IOU_THRESHOLDS,
    MatchCounts,
    Overlaps,
    count_matches,
    find_overlaps,
)


@dataclass(frozen=True)
class Scores:
    """How well predicted nuclei agree with true ones; where both are empty, they agree fully.

    Attributes
    ----------
    average_precision, f1 : ndarray, shape (10,), float
        TP / (TP + FP + FN) and 2 TP / (2 TP + FP + FN) at each of `IOU_THRESHOLDS`.
    panoptic_quality : float
        Segmentation quality × detection quality (Kirillov et al. 2019, *Panoptic segmentation*, CVPR, 9404-9413).
    segmentation_quality : float
        Mean IoU of the pairs that match at IoU 0.5; 0 where none does.
    detection_quality : float
        F1 at IoU 0.5.
    aggregated_jaccard : float
        Every true nucleus is paired with the predicted one of the largest IoU; shared pixels of all pairs, divided by
        their united pixels and those of all nuclei that are in no pair (Kumar et al. 2017, *A dataset and a technique
        for generalized nuclear segmentation for computational pathology*, IEEE Transactions on Medical Imaging 36(7),
        1550-1560). One predicted nucleus may be in several pairs.
    foreground_iou, foreground_dice : float
        Of the pixels inside any nucleus: shared ÷ united, and 2 shared ÷ (true + predicted).
    count_error : float
        By how many nuclei the predicted number is off, divided by the true one; too many in one image do not make up
        for too few in another. Where there is no true nucleus, the number of predicted ones.
    """

    average_precision: NDArray[np.float64]
    f1: NDArray[np.float64]
    panoptic_quality: float
    segmentation_quality: float
    detection_quality: float
    aggregated_jaccard: float
    foreground_iou: float
    foreground_dice: float
    count_error: float

    @property
    def mean_average_precision(self) -> float:
        """Mean of the average precision over the thresholds."""
        return float(self.average_precision.mean())


@dataclass(frozen=True)
class Comparison:
    """What one image, or several images added up, hold for all scores.

    Attributes
    ----------
    matches : MatchCounts
        At `IOU_THRESHOLDS`.
    matched_iou : float
        Sum of the IoU of all pairs that match at IoU 0.5.
    aggregated_shared, aggregated_united : int
        Numerator and denominator of the aggregated Jaccard index, in px².
    foreground_shared, foreground_united : int
        Area in px² inside nuclei in both, and in either.
    miscounted : int
        By how many nuclei the predicted number is off, summed over images.
    """

    matches: MatchCounts
    matched_iou: float
    aggregated_shared: int
    aggregated_united: int
    foreground_shared: int
    foreground_united: int
    miscounted: int

    def __add__(self, other: Comparison) -> Comparison:
        """Pool two images, so that every nucleus, or every pixel, weighs the same."""
        return Comparison(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def scores(self) -> Scores:
        """The scores that follow."""
        found = int(self.matches.found[0])
        f1 = self.matches.f1
        empty = self.matches.true_count == self.matches.predicted_count == 0
        segmentation = self.matched_iou / found if found else float(empty)
        foreground_total = self.foreground_shared + self.foreground_united
        return Scores(
            average_precision=self.matches.average_precision,
            f1=f1,
            panoptic_quality=segmentation * float(f1[0]),
            segmentation_quality=segmentation,
            detection_quality=float(f1[0]),
            aggregated_jaccard=_share(self.aggregated_shared, self.aggregated_united),
            foreground_iou=_share(self.foreground_shared, self.foreground_united),
            foreground_dice=_share(2 * self.foreground_shared, foreground_total),
            count_error=self.miscounted / max(self.matches.true_count, 1),
        )


def compare_labels(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> Comparison:
    """Compare two label images.

    Parameters
    ----------
    truth, predicted : ndarray, shape (Y, X), int
        0 is background; ids may have gaps, and need not agree.

    Raises
    ------
    ImageShapeError
        If the two differ in shape.

    Examples
    --------
    >>> scores = compare_labels(np.array([[1, 1, 0, 2]]), np.array([[1, 1, 0, 0]])).scores
    >>> float(scores.f1[0]), scores.segmentation_quality, scores.aggregated_jaccard, scores.count_error
    (0.6666666666666666, 1.0, 0.6666666666666666, 0.5)
    """
    overlaps = find_overlaps(truth, predicted)
    ious = overlaps.ious
    shared, united = _aggregated(overlaps)
    both = int(overlaps.shared.sum())
    true_count, predicted_count = len(overlaps.true_areas), len(overlaps.predicted_areas)
    return Comparison(
        matches=count_matches(overlaps),
        matched_iou=float(ious[ious > IOU_THRESHOLDS[0]].sum()),
        aggregated_shared=shared,
        aggregated_united=united,
        foreground_shared=both,
        foreground_united=int(overlaps.true_areas.sum() + overlaps.predicted_areas.sum()) - both,
        miscounted=abs(predicted_count - true_count),
    )


def pool(comparisons: Iterable[Comparison]) -> Comparison:
    """Add several images (at least one), so that every nucleus, or every pixel, weighs the same."""
    first, *rest = comparisons
    return sum(rest, first)


def mean_scores(images: Sequence[Scores]) -> Scores:
    """Average the scores of several images (at least one), so that every image weighs the same."""
    means: dict[str, Any] = {}
    for field in fields(Scores):
        mean = np.mean([getattr(one, field.name) for one in images], axis=0)
        means[field.name] = mean if mean.ndim else float(mean)
    return Scores(**means)


def _aggregated(overlaps: Overlaps) -> tuple[int, int]:
    """Numerator and denominator of the aggregated Jaccard index, in px²."""
    # Pairs by true nucleus, then by IoU, then by what they share: the last of each true nucleus is its best.
    order = np.lexsort((overlaps.shared, overlaps.ious, overlaps.true_index))
    is_best = np.append(np.diff(overlaps.true_index[order]) > 0, True)[: len(order)]
    best = order[is_best]
    paired_true, paired_predicted = overlaps.true_index[best], overlaps.predicted_index[best]
    alone = np.delete(overlaps.true_areas, paired_true).sum()
    alone += np.delete(overlaps.predicted_areas, paired_predicted).sum()
    return int(overlaps.shared[best].sum()), int(overlaps.united[best].sum() + alone)


def _share(part: int, whole: int) -> float:
    """The part's share of the whole; 1 where there is nothing."""
    return part / whole if whole else 1.0

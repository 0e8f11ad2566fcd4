"""Score predicted nuclei against true ones, for one image and for many, and count the mistakes by kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.arrays import as_label_array
from napari_unet_nuclei.core.labels.metrics.overlaps import (
    IOU_THRESHOLDS,
    MatchCounts,
    Overlaps,
    count_matches,
    find_overlaps,
)
from napari_unet_nuclei.core.labels.metrics.verdicts import Judged
from napari_unet_nuclei.core.labels.numbering import as_ids
from napari_unet_nuclei.core.types import AnyArray


@dataclass(frozen=True)
class Scores:
    """How well predicted nuclei agree with true ones; two empty images agree fully.

    Attributes
    ----------
    average_precision, f1 : ndarray, shape (10,), float
        TP / (TP + FP + FN) and 2 TP / (2 TP + FP + FN) at each of `IOU_THRESHOLDS`.
    panoptic_quality : float
        Segmentation quality × detection quality (Kirillov et al. 2019, *Panoptic segmentation*, CVPR, 9404-9413).
    segmentation_quality : float
        Mean IoU of the pairs that match at IoU 0.5; 0 if there are none.
    detection_quality : float
        F1 at IoU 0.5.
    aggregated_jaccard : float
        Every true nucleus is paired with the predicted one of the largest IoU; the intersections of all pairs, divided
        by their unions and the areas of all unpaired nuclei (Kumar et al. 2017, *A dataset and a technique
        for generalized nuclear segmentation for computational pathology*, IEEE Transactions on Medical Imaging 36(7),
        1550-1560). A predicted nucleus may be in several pairs.
    foreground_iou, foreground_dice : float
        Of pixels inside any nucleus: intersection ÷ union, and 2 intersection ÷ (true + predicted).
    count_error : float
        Absolute difference of the numbers of nuclei, summed over images, divided by the true number: too many in one
        image do not make up for too few in another. Without true nuclei, the number of predicted ones.
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
class LabelComparison:
    """Counts and areas of one image, or summed over several, from which all scores follow.

    Attributes
    ----------
    matches : MatchCounts
        At `IOU_THRESHOLDS`.
    matched_iou : float
        Sum of the IoUs of all pairs that match at IoU 0.5.
    aggregated_shared, aggregated_united : int
        Numerator and denominator of the aggregated Jaccard index, in px².
    foreground_shared, foreground_united : int
        Area in px² inside nuclei in both images, and in either.
    miscounted : int
        Absolute difference of the numbers of nuclei, summed over images.
    """

    matches: MatchCounts
    matched_iou: float
    aggregated_shared: int
    aggregated_united: int
    foreground_shared: int
    foreground_united: int
    miscounted: int

    def __add__(self, other: LabelComparison) -> LabelComparison:
        """Pool two images: every nucleus, or every pixel, weighs the same."""
        return LabelComparison(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def scores(self) -> Scores:
        """Scores of the pooled nuclei and pixels."""
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


@checked
def compare_labels(truth: AnyArray, predicted: AnyArray) -> LabelComparison:
    """Compare two label images.

    Parameters
    ----------
    truth, predicted : array-like, shape (Y, X) or (1, Y, X), int
        0 is background; ids may have gaps and need not correspond.

    Returns
    -------
    LabelComparison

    Raises
    ------
    ImageShapeError
        If the shapes differ.

    Examples
    --------
    >>> scores = compare_labels(np.array([[1, 1, 0, 2]]), np.array([[1, 1, 0, 0]])).scores
    >>> float(scores.f1[0]), scores.segmentation_quality, scores.aggregated_jaccard, scores.count_error
    (0.6666666666666666, 1.0, 0.6666666666666666, 0.5)
    """
    overlaps = find_overlaps(_plane(truth), _plane(predicted))
    ious = overlaps.ious
    shared, united = _aggregated(overlaps)
    both = int(overlaps.shared.sum())
    true_count, predicted_count = len(overlaps.true_areas), len(overlaps.predicted_areas)
    return LabelComparison(
        matches=count_matches(overlaps),
        # Above IoU 0.5 overlapping pairs are matches: no assignment is needed.
        matched_iou=float(ious[ious > IOU_THRESHOLDS[0]].sum()),
        aggregated_shared=shared,
        aggregated_united=united,
        foreground_shared=both,
        foreground_united=int(overlaps.true_areas.sum() + overlaps.predicted_areas.sum()) - both,
        miscounted=abs(predicted_count - true_count),
    )


def _plane(labels: AnyArray) -> NDArray[np.int64]:
    """Return labels as ids (Y, X), without axes of length 1 in front."""
    ids = as_ids(as_label_array(labels))
    while ids.ndim > 2 and len(ids) == 1:
        ids = ids[0]
    return ids


def pool(comparisons: Iterable[LabelComparison]) -> LabelComparison:
    """Pool one or more images: every nucleus, or every pixel, weighs the same."""
    first, *rest = comparisons
    return sum(rest, first)


def mean_scores(images: Sequence[Scores]) -> Scores:
    """Average the scores of one or more images: every image weighs the same."""
    means: dict[str, Any] = {}
    for field in fields(Scores):
        mean = np.mean([getattr(one, field.name) for one in images], axis=0)
        means[field.name] = mean if mean.ndim else float(mean)
    return Scores(**means)


def _aggregated(overlaps: Overlaps) -> tuple[int, int]:
    """Numerator and denominator of the aggregated Jaccard index, in px²."""
    # Sorted by true nucleus, IoU and intersection, the last pair of each true nucleus is its best.
    order = np.lexsort((overlaps.shared, overlaps.ious, overlaps.true_index))
    # Cut to length, because without any pair the appended True would be one too many.
    is_best = np.append(np.diff(overlaps.true_index[order]) > 0, True)[: len(order)]
    best = order[is_best]
    paired_true, paired_predicted = overlaps.true_index[best], overlaps.predicted_index[best]
    alone = np.delete(overlaps.true_areas, paired_true).sum()
    alone += np.delete(overlaps.predicted_areas, paired_predicted).sum()
    return int(overlaps.shared[best].sum()), int(overlaps.united[best].sum() + alone)


def _share(part: int, whole: int) -> float:
    """``part / whole``; 1 if the whole is empty, for two empty images agree."""
    return part / whole if whole else 1.0


@dataclass(frozen=True)
class Mistakes:
    """Numbers of nuclei by kind of mistake, at IoU 0.5."""

    found: int  # true nuclei matched by a predicted one
    missed: int  # true nuclei less than half covered by predicted ones
    spurious: int  # predicted nuclei less than half covered by true ones
    merged: int  # true nuclei that lie, by more than half, in a predicted one that also holds others
    split: int  # true nuclei that hold several predicted ones, each by more than half

    def __add__(self, other: Mistakes) -> Mistakes:
        """Add the numbers of two images."""
        return Mistakes(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))


def find_mistakes(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> Mistakes:
    """Count the mistakes in predicted labels (Y, X) by kind; ids may have gaps.

    Examples
    --------
    >>> find_mistakes(np.array([[1, 1, 2, 2, 0]]), np.array([[5, 5, 5, 5, 7]]))
    Mistakes(found=0, missed=0, spurious=1, merged=2, split=0)
    """
    judged = Judged.of(find_overlaps(truth, predicted))
    return Mistakes(
        found=int(judged.found.sum()),
        missed=int(judged.missed.sum()),
        spurious=int(judged.invented.sum()),
        merged=int(judged.merged.sum()),
        split=int(judged.split.sum()),
    )

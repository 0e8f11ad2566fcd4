"""Fit the decoding thresholds of a trained model to validation images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.decode import PlaneDecoder
from napari_unet_nuclei.core.labels.metrics.overlaps import (
    IOU_THRESHOLDS,
    MatchCounts,
    Overlaps,
    find_overlaps,
    per_image,
    pooled,
)
from napari_unet_nuclei.core.labels.score import Evidence, median_area, scores_of
from napari_unet_nuclei.core.model.card import ModelCard, Thresholds
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.segment.predict import Prediction, thresholds_at
from napari_unet_nuclei.core.train.breakdown import by_dataset
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import in_reviewed

FOREGROUNDS = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
SPLITS = (0.2, 0.3, 0.4, 0.5)
SCORES = (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)
CERTAINTIES = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.82, 0.84, 0.86, 0.87, 0.88, 0.89, 0.9)
"""Score thresholds of models without coefficients, whose score is the mean foreground probability."""

MIN_SIZES = (4.0, 8.0, 12.0, 16.0, 20.0)
"""Smallest areas in px² at the model's scale. All combinations of these grids are tried. The grids leave the sliders of
users room on both sides, and MIN_SIZES drops no nuclei of a fifth of the usual diameter to please one data set."""

FITTED = IOU_THRESHOLDS.index(0.75) + 1
"""Number of IoU thresholds, from 0.5 to 0.75, whose mean AP is made largest. Up to 0.9, as for epochs, outlines would
decide that people draw differently (see docs/models.md)."""

DECODINGS = tuple(product(FOREGROUNDS, SPLITS))
"""Pairs of foreground threshold and notch depth."""

THREADS = 2
"""Images decoded at once."""

_IOUS = np.array(IOU_THRESHOLDS)


@dataclass(frozen=True)
class DecodedImage:
    """One image decoded without dropping any nucleus, and compared with the truth in its reviewed region."""

    overlaps: Overlaps
    evidence: Evidence  # of all predicted nuclei of the image
    present: NDArray[np.int64]  # positions in ``evidence`` of the nuclei in the reviewed region
    shape: tuple[int, ...]
    scale: float  # model pixels per image pixel

    @property
    def right(self) -> NDArray[np.bool_]:
        """True for predicted nuclei that match a true one at IoU 0.5."""
        # Above IoU 0.5 no two nuclei can match the same one, so that no assignment needs solving.
        right = np.zeros(len(self.present), bool)
        right[self.overlaps.predicted_index[self.overlaps.ious > IOU_THRESHOLDS[0]]] = True
        return right

    def scores(self, card: ModelCard) -> NDArray[np.float64]:
        """Score the predicted nuclei with the smallest size and the coefficients of a card."""
        thresholds = thresholds_at(card, self.scale)
        # The median of all nuclei of the image, also those outside the reviewed region, as users get it.
        usual = median_area(self.evidence.areas, thresholds.min_size)
        return scores_of(self.evidence, self.shape, thresholds.scale, usual, thresholds.scoring)[self.present]

    @cached_property
    def matched(self) -> NDArray[np.float64]:
        """Whether each overlapping pair matches at each IoU threshold, 1 or 0, shape (pairs, thresholds)."""
        return (self.overlaps.ious[:, np.newaxis] > _IOUS).astype(np.float64)

    def counts(
        self, scores: NDArray[np.float64], card: ModelCard, least: float | NDArray[np.float64] = 0.0
    ) -> MatchCounts:
        """Count matches after dropping nuclei smaller than a card says, or of a lower score than ``least``.

        Equals decoding with these thresholds, except for filled holes. For several scores at once, they are the first
        axis of the counts.
        """
        large = self.evidence.areas[self.present] >= thresholds_at(card, self.scale).min_size
        kept = (scores >= np.asarray(least)[..., np.newaxis]) & large
        # Whole numbers, which a matrix product in floating point counts exactly, and many times as fast.
        found = (kept[..., self.overlaps.predicted_index] @ self.matched).astype(np.int64)
        spurious = np.count_nonzero(kept, axis=-1)[..., np.newaxis] - found
        return MatchCounts(found, spurious, len(self.overlaps.true_areas) - found)


def decode_all(sample: Sample, prediction: Prediction, decoder: PlaneDecoder, thresholds: Thresholds) -> DecodedImage:
    """Decode one image without dropping any nucleus, and compare it with the truth."""
    candidates, evidence = decoder.all_nuclei(thresholds.foreground, thresholds.split)
    truth, labels = in_reviewed(sample, candidates)
    # Ids count from 1 in the order of the evidence.
    present = np.unique(labels[labels > 0]).astype(np.int64) - 1
    shape = prediction.maps.shape[1:]
    return DecodedImage(find_overlaps(truth, labels), evidence, present, shape, prediction.scale)


def fit_thresholds(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    card: ModelCard,
    progress: Progress,
    decodings: Sequence[tuple[float, float]] = DECODINGS,
) -> Thresholds:
    """Find the thresholds with the best score by grid search; each data set counts equally.

    The network is not run again: ``predictions`` has its output for each sample. The thresholds of the card are tried
    too, so the result is at least as good on these samples, up to the effect of filled holes. ``decodings`` are pairs
    of foreground threshold and notch depth.
    """
    start = card.thresholds
    best, best_score = start, -np.inf
    # Sorted, so that the decoder finds the basins only once for each foreground threshold.
    tried = sorted({(start.foreground, start.split), *decodings})
    sizes = sorted({start.min_size, *MIN_SIZES})
    scores_tried = np.array(sorted({start.score, *(CERTAINTIES if card.score is None else SCORES)}))
    # Decoding is slow, dropping nuclei afterwards fast: each pair is decoded once, and all minimal sizes and scores
    # tried on the result.
    decoders = [PlaneDecoder(prediction.maps, 1 / prediction.scale) for prediction in predictions]
    for number, (foreground, split) in enumerate(tried):
        progress.report(Advanced(number / len(tried), "fitting the thresholds"))
        candidate = Thresholds(foreground=foreground, split=split, min_size=0.0)
        with ThreadPoolExecutor(THREADS) as pool:
            images = list(pool.map(partial(decode_all, thresholds=candidate), samples, predictions, decoders))
        for minimum in sizes:
            with_size = card.model_copy(update={"thresholds": candidate.model_copy(update={"min_size": minimum})})
            # The smallest size enters the median area, and so the scores.
            scores = [image.scores(with_size) for image in images]
            counts = [image.counts(one, with_size, scores_tried) for image, one in zip(images, scores, strict=True)]
            reached = mean_score(samples, counts)
            # Strictly: of equal thresholds the first, which is the lowest, drops fewest nuclei.
            if reached.max() > best_score:
                least, best_score = float(scores_tried[reached.argmax()]), float(reached.max())
                best = candidate.model_copy(update={"score": least, "min_size": minimum})
    return best


def mean_score(samples: Sequence[Sample], counts: Sequence[MatchCounts]) -> NDArray[np.float64]:
    """Average the score over data sets, so that none decides by its number of images."""
    parts = by_dataset(samples).values()
    return np.asarray(np.mean([_score([counts[number] for number in part]) for part in parts], axis=0))


def _score(counts: Sequence[MatchCounts]) -> NDArray[np.float64]:
    """Average the per-image score and the pooled one, so that neither sparse nor crowded images decide alone."""
    both = per_image(counts) + pooled(counts).average_precision
    return np.asarray(both[..., :FITTED].mean(axis=-1) / 2)

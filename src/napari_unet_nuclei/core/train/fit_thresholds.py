"""Choose the decoding thresholds of a trained model on validation images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby, product

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.decode import PlaneDecoder
from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, MatchCounts, Overlaps, find_overlaps, pooled
from napari_unet_nuclei.core.labels.score import Evidence, median_area, scores_of
from napari_unet_nuclei.core.model.card import ModelCard, Thresholds
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.segment.predict import Prediction, thresholds_at
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import SCORED, judged, score

FOREGROUNDS = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
SPLITS = (0.2, 0.3, 0.4, 0.5)
SCORES = (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)
CERTAINTIES = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.82, 0.84, 0.86, 0.87, 0.88, 0.89, 0.9)
"""Scores of models without coefficients, which are mean probabilities of the foreground."""

MIN_SIZES = (4.0, 8.0, 12.0, 16.0, 20.0)
"""Values that are tried, all with all; min_size in px² at the model's own scale. They leave a user's sliders room on
both sides, and do not drop nuclei of a fifth of the usual diameter to please one data set."""

DECODINGS = tuple(product(FOREGROUNDS, SPLITS))
"""Pairs of foreground threshold and depth of a notch."""

THREADS = 2

_IOUS = np.array(IOU_THRESHOLDS)


@dataclass(frozen=True)
class Judged:
    """One image decoded without leaving anything out, and compared with the truth.

    Attributes
    ----------
    overlaps : Overlaps
        Of true and predicted nuclei.
    evidence : Evidence
        Of all predicted nuclei of the image.
    present : ndarray, shape (predicted,), int
        Places in the evidence of the predicted nuclei that are judged.
    shape : tuple of int
        Of the image.
    scale : float
        Model pixels per image pixel.
    """

    overlaps: Overlaps
    evidence: Evidence
    present: NDArray[np.int64]
    shape: tuple[int, ...]
    scale: float

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which of the judged nuclei have an IoU above one half with a true one."""
        right = np.zeros(len(self.present), bool)
        right[self.overlaps.predicted_index[self.overlaps.ious > IOU_THRESHOLDS[0]]] = True
        return right

    def scores(self, card: ModelCard) -> NDArray[np.float64]:
        """Scores of the judged nuclei, with the smallest size and the coefficients of a card."""
        thresholds = thresholds_at(card, self.scale)
        usual = median_area(self.evidence.areas, thresholds.min_size)
        return scores_of(self.evidence, self.shape, thresholds.scale, usual, thresholds.scoring)[self.present]

    def counts(self, card: ModelCard) -> MatchCounts:
        """Count matches of the nuclei that a card leaves; the same as decoding with it, but for holes."""
        return self.counts_of(self.scores(card), card)

    def counts_of(self, scores: NDArray[np.float64], card: ModelCard) -> MatchCounts:
        """Count as `counts` does, given the scores that it would compute."""
        least = thresholds_at(card, self.scale).min_size
        kept = (scores >= card.thresholds.score) & (self.evidence.areas[self.present] >= least)
        ious = self.overlaps.ious[kept[self.overlaps.predicted_index]]
        found = (ious[:, np.newaxis] > _IOUS).sum(axis=0)
        return MatchCounts(found, np.count_nonzero(kept) - found, len(self.overlaps.true_areas) - found)


def judge_candidates(sample: Sample, prediction: Prediction, decoder: PlaneDecoder, thresholds: Thresholds) -> Judged:
    """Decode one image without leaving anything out, and compare it with the truth."""
    candidates = decoder.candidates(thresholds.foreground, thresholds.split)
    truth, labels = judged(sample, candidates.labels)
    present = np.unique(labels[labels > 0]).astype(np.int64) - 1
    shape = prediction.maps.shape[1:]
    return Judged(find_overlaps(truth, labels), candidates.evidence, present, shape, prediction.scale)


def fit_thresholds(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    card: ModelCard,
    progress: Progress,
    decodings: Sequence[tuple[float, float]] = DECODINGS,
) -> Thresholds:
    """Find the thresholds with the best score, among all combinations of the values that are tried.

    Parameters
    ----------
    samples : sequence of Sample
        Validation images. Each data set weighs alike, however many images it has.
    predictions : sequence of Prediction
        Network output for each of them; the network is not run again.
    card : ModelCard
        Its thresholds are tried as well, and its coefficients score the nuclei.
    progress : Progress
    decodings : sequence of (float, float)
        Foreground thresholds and depths of a notch to try.

    Returns
    -------
    Thresholds
        Never worse on these samples than those of the card, but for what holes in nuclei make of it.
    """
    start = card.thresholds
    best, best_score = start, -np.inf
    # Those of one foreground threshold follow each other, so that its basins are found once.
    tried = sorted({(start.foreground, start.split), *decodings})
    sizes = sorted({start.min_size, *MIN_SIZES})
    scores_tried = sorted({start.score, *(CERTAINTIES if card.score is None else SCORES)})
    decoders = [PlaneDecoder(prediction.maps, 1 / prediction.scale) for prediction in predictions]
    for number, (foreground, split) in enumerate(tried):
        progress.report(Advanced(number / len(tried), "fitting the thresholds"))
        candidate = Thresholds(foreground=foreground, split=split, min_size=0.0)
        with ThreadPoolExecutor(THREADS) as pool:
            judge = partial(judge_candidates, thresholds=candidate)
            images = list(pool.map(judge, samples, predictions, decoders))
        for minimum in sizes:
            with_size = card.model_copy(update={"thresholds": candidate.model_copy(update={"min_size": minimum})})
            scores = [image.scores(with_size) for image in images]
            for least in scores_tried:
                thresholds = candidate.model_copy(update={"score": least, "min_size": minimum})
                with_all = card.model_copy(update={"thresholds": thresholds})
                counts = [image.counts_of(one, with_all) for image, one in zip(images, scores, strict=True)]
                reached = mean_over_sets(samples, counts)
                if reached > best_score:
                    best, best_score = thresholds, reached
    return best


def mean_over_sets(samples: Sequence[Sample], counts: Sequence[MatchCounts]) -> float:
    """Mean over data sets of their score, so that none decides by its number of images."""
    by_set = sorted(zip((sample.dataset for sample in samples), counts, strict=True), key=lambda pair: pair[0])
    return float(np.mean([_score([one for _, one in part]) for _, part in groupby(by_set, lambda pair: pair[0])]))


def _score(counts: Sequence[MatchCounts]) -> float:
    """Mean of the per-image score and the pooled one: neither small nor crowded images decide alone."""
    return (score(counts) + float(pooled(counts).average_precision[: len(SCORED)].mean())) / 2

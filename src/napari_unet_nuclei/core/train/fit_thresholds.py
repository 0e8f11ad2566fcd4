"""Choose the decoding thresholds of a trained model on validation images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.metrics import IOU_THRESHOLDS, MatchCounts, Overlaps, find_overlaps, pooled
from napari_unet_nuclei.core.labels.numbering import whole_labels
from napari_unet_nuclei.core.model.card import Thresholds
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.segment.predict import Prediction
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import SCORED, decoded, judged, score

FOREGROUNDS = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
SEEDS = (0.1, 0.2, 0.3, 0.4, 0.5)
CERTAINTIES = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.82, 0.84, 0.86, 0.87, 0.88, 0.89, 0.9)
MIN_SIZES = (4.0, 8.0, 12.0, 16.0, 20.0)
"""Values that are tried, all with all; min_size in px² at the model's own scale. They leave a user's sliders room on
both sides, and do not drop nuclei of a fifth of the usual diameter to please one data set."""

DECODINGS = tuple(product(FOREGROUNDS, SEEDS))
"""Pairs of foreground and seed threshold."""

THREADS = 2


@dataclass(frozen=True)
class _Decoded:
    """One image decoded without leaving anything out.

    Attributes
    ----------
    overlaps : Overlaps
        Of true and predicted nuclei.
    areas : ndarray, shape (predicted,), float64
        px² at the model's own scale.
    certainty : ndarray, shape (predicted,), float64
        Mean foreground probability.
    """

    overlaps: Overlaps
    areas: NDArray[np.float64]
    certainty: NDArray[np.float64]

    def counts(self, certainty: float, min_size: float) -> MatchCounts:
        """Count matches of the nuclei that are left; the same as decoding with these thresholds, but for holes."""
        kept = (self.certainty >= certainty) & (self.areas >= min_size)
        ious = self.overlaps.ious[kept[self.overlaps.predicted_index]]
        found = np.array([np.count_nonzero(ious > threshold) for threshold in IOU_THRESHOLDS])
        return MatchCounts(found, np.count_nonzero(kept) - found, len(self.overlaps.true_areas) - found)


def fit_thresholds(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    start: Thresholds,
    progress: Progress,
    decodings: Sequence[tuple[float, float]] = DECODINGS,
) -> Thresholds:
    """Find the thresholds with the best score, among all combinations of the values that are tried.

    Parameters
    ----------
    samples : sequence of Sample
        Validation images.
    predictions : sequence of Prediction
        Network output for each of them; the network is not run again.
    start : Thresholds
        Tried as well.
    progress : Progress
    decodings : sequence of (float, float)
        Foreground and seed thresholds to try: for each of them all images are decoded again.

    Returns
    -------
    Thresholds
        Never worse on these samples than ``start``, but for what holes in nuclei make of it.
    """
    best, best_score = start, -np.inf
    tried = [(start.foreground, start.seed), *decodings]
    for number, (foreground, seed) in enumerate(tried):
        progress.report(Advanced(number / len(tried), "fitting the thresholds"))
        candidate = Thresholds(foreground=foreground, seed=seed, min_size=0.0, certainty=0.0)
        with ThreadPoolExecutor(THREADS) as pool:
            images = list(pool.map(partial(_decode, thresholds=candidate), samples, predictions))
        for certainty, min_size in _filters(start):
            reached = _score([image.counts(certainty, min_size) for image in images])
            if reached > best_score:
                best_score = reached
                best = candidate.model_copy(update={"certainty": certainty, "min_size": min_size})
    return best


def _filters(start: Thresholds) -> Iterator[tuple[float, float]]:
    yield start.certainty, start.min_size
    yield from product(CERTAINTIES, MIN_SIZES)


def _decode(sample: Sample, prediction: Prediction, thresholds: Thresholds) -> _Decoded:
    """Decode one image without leaving anything out, and compare it with the truth."""
    truth, labels = judged(sample, decoded(prediction, thresholds))
    labels = whole_labels(labels)
    areas = np.bincount(labels.ravel())[1:].astype(np.float64)
    certainty = np.bincount(labels.ravel(), prediction.maps[0].ravel())[1:] / (255 * areas)
    return _Decoded(find_overlaps(truth, labels), areas * prediction.scale**2, np.asarray(certainty, np.float64))


def _score(counts: Sequence[MatchCounts]) -> float:
    """Mean of the per-image score and the pooled one: neither small nor crowded images decide alone."""
    return (score(counts) + float(pooled(counts).average_precision[: len(SCORED)].mean())) / 2

"""Choose the decoding thresholds of a trained model on validation images."""

from __future__ import annotations

from collections.abc import Sequence

from napari_unet_nuclei.core.labels.metrics import MatchCounts, pooled
from napari_unet_nuclei.core.model.card import Thresholds
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.segment.predict import Prediction
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import SCORED, compare, score

CANDIDATES: dict[str, tuple[float, ...]] = {
    "seed": (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6),
    "foreground": (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8),
    "confidence": (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.82, 0.84, 0.86, 0.87, 0.88, 0.89, 0.9),
    "min_size": (4.0, 8.0, 12.0, 16.0, 20.0),
}
"""Values that are tried, one threshold at a time; min_size in px² at the model's own scale. They leave a user's sliders
room on both sides, and do not drop nuclei of a fifth of the usual diameter to please one data set."""

ROUNDS = 2


def fit_thresholds(
    samples: Sequence[Sample], predictions: Sequence[Prediction], start: Thresholds, progress: Progress
) -> Thresholds:
    """Find the thresholds with the best score, by coordinate search.

    Parameters
    ----------
    samples : sequence of Sample
        Validation images.
    predictions : sequence of Prediction
        Network output for each of them; the network is not run again.
    start : Thresholds
    progress : Progress

    Returns
    -------
    Thresholds
        Never worse on these samples than ``start``.
    """
    best, best_score = start, _score(samples, predictions, start)
    trials = ROUNDS * len(CANDIDATES)
    for trial in range(trials):
        name = list(CANDIDATES)[trial % len(CANDIDATES)]
        for value in CANDIDATES[name]:
            progress.report(Advanced(trial / trials, f"fitting thresholds: {name} {value:g}"))
            candidate = best.model_copy(update={name: value})
            candidate_score = _score(samples, predictions, candidate)
            if candidate_score > best_score:
                best, best_score = candidate, candidate_score
    return best


def _score(samples: Sequence[Sample], predictions: Sequence[Prediction], thresholds: Thresholds) -> float:
    """Mean of the per-image score and the pooled one: neither small nor crowded images decide alone."""
    counts: list[MatchCounts] = [
        compare(sample, prediction, thresholds) for sample, prediction in zip(samples, predictions, strict=True)
    ]
    return (score(counts) + float(pooled(counts).average_precision[: len(SCORED)].mean())) / 2

"""Fit what turns the maps of a nucleus into the probability that it is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.decode import SPLIT, PlaneDecoder
from napari_unet_nuclei.core.labels.score import FEATURES, Features, Scoring, features_of, median_area
from napari_unet_nuclei.core.model.card import ModelCard, Thresholds
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Prediction, predict_plane
from napari_unet_nuclei.core.train.fit_thresholds import judge_candidates
from napari_unet_nuclei.core.train.instances import InstanceTask
from napari_unet_nuclei.core.train.samples import Sample, cut_crop, sampling_weights
from napari_unet_nuclei.core.train.validate import sample_reader

FOREGROUNDS = (0.4, 0.55, 0.7)
"""Candidates are taken at these foreground thresholds, so that a score keeps its meaning while that slider moves."""

CROPS = 160
SIDE = 320
"""Number and side (px) of augmented crops of the images that the network learnt from."""

SIZE_ERROR = 1.4
"""Nuclei in these crops are at most this factor larger or smaller than the model expects, as where the size is
estimated."""

PENALTY = 3.0
"""Weight of the squared coefficients against the summed log loss of the candidates: enough to keep features that say
the same from working against each other."""

FEWEST = 20
"""With fewer right or fewer wrong candidates nothing is fitted."""

AUC, CALIBRATION = "AUC of the score", "calibration error of the score"
"""Names of the figures of a score: chance that a right nucleus has a higher one than a wrong one, and the mean distance
between scores and the share of right nuclei among those that have them."""

ITERATIONS = 50
"""Newton's method needs about eight."""


def fit_score(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    card: ModelCard,
    start: Scoring | None = None,
) -> Scoring | None:
    """Fit the coefficients of the score on candidate nuclei of labelled images, each data set weighing alike.

    Parameters
    ----------
    samples : sequence of Sample
    predictions : sequence of Prediction
        Network output for each of them.
    card : ModelCard
        Its smallest size says which nuclei make the median of an image.
    start : Scoring, optional
        Coefficients that the new ones are drawn to where the candidates say little; zero where not given.

    Returns
    -------
    Scoring or None
        ``start`` where there are too few candidates, right or wrong, to learn from.
    """
    features, right, names = candidate_features(samples, predictions, card)
    if min(np.count_nonzero(right), np.count_nonzero(~right)) < FEWEST:
        return start
    sizes = Counter(names)
    weights = np.array([len(names) / len(sizes) / sizes[name] for name in names])
    return fit_logistic(features, right, weights, start)


def candidate_features(
    samples: Sequence[Sample], predictions: Sequence[Prediction], card: ModelCard
) -> tuple[Features, NDArray[np.bool_], list[str]]:
    """Describe all nuclei that decoding finds, tell which are right, and name the data set of each."""
    features: list[Features] = [np.zeros((0, len(FEATURES)))]
    right, names = [np.zeros(0, bool)], []
    for sample, prediction in zip(samples, predictions, strict=True):
        scale = 1 / prediction.scale
        decoder = PlaneDecoder(prediction.maps, scale)
        for foreground in FOREGROUNDS:
            thresholds = Thresholds(foreground=foreground, split=SPLIT)
            image = judge_candidates(sample, prediction, decoder, thresholds)
            usual = median_area(image.evidence.areas, card.thresholds.min_size * scale**2)
            features.append(features_of(image.evidence, image.shape, scale, usual)[image.present])
            right.append(image.right)
            names += [sample.dataset] * len(image.present)
    return np.concatenate(features), np.concatenate(right), names


def fit_logistic(
    features: Features, right: NDArray[np.bool_], weights: NDArray[np.float64], start: Scoring | None = None
) -> Scoring:
    """Fit a logistic regression by Newton's method.

    Parameters
    ----------
    features : ndarray, shape (candidates, `FEATURES`)
    right : ndarray of bool, shape (candidates,)
    weights : ndarray, shape (candidates,)
        How much each counts.
    start : Scoring, optional
        As in `fit_score`; its means and scales stay.
    """
    if start is None or start.features != FEATURES:
        means = np.average(features, axis=0, weights=weights)
        spread = np.sqrt(np.average((features - means) ** 2, axis=0, weights=weights))
        scales = np.where(spread > 1e-4, spread, 1.0)
        prior = np.zeros(len(FEATURES) + 1)
    else:
        means, scales = np.array(start.means), np.array(start.scales)
        prior = np.array([*start.weights, start.intercept])
    table = np.column_stack([(features - means) / scales, np.ones(len(features))])
    penalty = np.full(len(prior), PENALTY)
    if start is None:
        penalty[-1] = 1e-9  # the share of right ones is no habit to break
    found = prior.copy()
    for _ in range(ITERATIONS):
        chance = 1 / (1 + np.exp(-np.clip(table @ found, -30, 30)))
        slope = table.T @ (weights * (chance - right)) + penalty * (found - prior)
        bend = (table * (weights * chance * (1 - chance))[:, None]).T @ table + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        found -= step
        if np.abs(step).max() < 1e-8:
            break
    means_, scales_, weights_ = (
        tuple(round(float(one), 6) for one in values) for values in (means, scales, found[:-1])
    )
    return Scoring(FEATURES, means_, scales_, weights_, round(float(found[-1]), 6))


def augmented(
    samples: Sequence[Sample], runner: NetworkRunner, progress: Progress, seed: int = 0
) -> tuple[list[Sample], list[Prediction]]:
    """Cut crops out of samples, make them look as from other microscopes, and predict them.

    Networks are surer of images that they have learnt from; of what they make of these altered ones, that is hardly so.
    """
    diameter = runner.card.diameter
    with_nuclei = [sample for sample in samples if sample.median_diameter > 0]
    if not with_nuclei:
        return [], []
    rng = np.random.default_rng(seed)
    chances = sampling_weights(with_nuclei)
    task = InstanceTask(runner.card)
    augmentation, stains = task.augmentation(1.0), task.stains(1.0)
    crops, predictions = [], []
    for number in range(CROPS):
        progress.report(Advanced(number / CROPS, "looking at altered images"))
        sample = with_nuclei[int(rng.choice(len(with_nuclei), p=chances))]
        error = np.exp(rng.uniform(-1, 1) * np.log(SIZE_ERROR))
        crop = cut_crop(sample, SIDE, float(error * diameter / sample.median_diameter), rng, stains)
        images, (warped,) = augmentation([crop], seed=int(rng.integers(2**31)))
        one = Sample(
            sample.name,
            images[0].numpy(),
            warped.labels,
            sample.group,
            sample.dataset,
            warped.reviewed,
            kind=sample.kind,
        )
        crops.append(one)
        share = Share(progress, number / CROPS, (number + 1) / CROPS)
        predictions.append(predict_plane(sample_reader(one), 1.0, runner, share))
    return crops, predictions


def score_figures(samples: Sequence[Sample], predictions: Sequence[Prediction], card: ModelCard) -> dict[str, float]:
    """Say how well a card's score tells right from wrong nuclei of some samples, and whether it is what it says."""
    told, rights = [np.zeros(0)], [np.zeros(0, bool)]
    for kind in {sample.kind for sample in samples}:
        own = card.for_kind(kind)
        chosen = [number for number, sample in enumerate(samples) if sample.kind == kind]
        features, found, _ = candidate_features([samples[n] for n in chosen], [predictions[n] for n in chosen], own)
        if own.score is not None:
            told.append(own.score.of(features))
            rights.append(found)
    scores, right = np.concatenate(told), np.concatenate(rights)
    if right.all() or not right.any():
        return {}
    figures = {AUC: area_under_curve(scores, right), CALIBRATION: calibration_error(scores, right)}
    return {f"validation {name}": round(value, 3) for name, value in figures.items()}


def area_under_curve(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Chance that a right nucleus has a higher score than a wrong one (ROC AUC); NaN without either kind."""
    order = np.argsort(scores, kind="stable")
    _, inverse, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    ranks = np.empty(len(scores))
    ranks[order] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # equal scores share their mean rank
    good, bad = np.count_nonzero(right), np.count_nonzero(~right)
    if not good or not bad:
        return float("nan")
    return float((ranks[right].sum() - good * (good + 1) / 2) / (good * bad))


def calibration_error(scores: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Mean distance, over equally filled bins, between the mean score and the share of right ones."""
    parts = np.array_split(np.argsort(scores, kind="stable"), bins)
    return float(np.mean([abs(scores[part].mean() - right[part].mean()) for part in parts if part.size]))

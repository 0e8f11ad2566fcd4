"""From trained weights to a finished model: fit the score of nuclei and the thresholds, and measure the result.

The score is the probability that a predicted nucleus is right, from features of its maps. The constants of the fit were
set with ``python -m benchmarks.refit``, which fits a finished model again; docs/models.md has the figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.labels.decode import SPLIT, PlaneDecoder
from napari_unet_nuclei.core.labels.score import FEATURES, Features, Scoring, features_of, median_area
from napari_unet_nuclei.core.model.card import ModelCard, Thresholds
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Advanced, Progress, Share, with_shares
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Prediction, predict_plane
from napari_unet_nuclei.core.train.breakdown import figure_name, summarise
from napari_unet_nuclei.core.train.fit_thresholds import decode_all, fit_thresholds
from napari_unet_nuclei.core.train.instances import InstanceTask
from napari_unet_nuclei.core.train.samples import Sample, cut_crop, sampling_weights
from napari_unet_nuclei.core.train.semantic import class_figures, compare_classes
from napari_unet_nuclei.core.train.validate import TILE, compare, predict_samples, sample_reader

FOREGROUNDS = (0.4, 0.55, 0.7)
"""Foreground thresholds at which nuclei are collected for the fit, so that a score keeps its meaning as that slider
moves."""

CROPS = 160
SIDE = 320
"""Number and side (px) of augmented crops of training images."""

SIZE_ERROR = 1.4
"""Nuclei in these crops differ from the size that the model expects by at most this factor, as with an estimate."""

PENALTY = 3.0
"""Weight of the squared coefficients relative to the summed log loss: enough to keep correlated features from opposing
each other."""

FEWEST = 20
"""Least number of right and of wrong nuclei for a fit."""

AUC, CALIBRATION = "AUC of the score", "calibration error of the score"
"""Names of the figures of a score: the probability that a right nucleus scores higher than a wrong one, and the mean
distance between scores and the share of right nuclei at that score."""

ITERATIONS = 50
"""Limit of Newton's method, which needs about eight."""

Predicted = tuple[Sample, Prediction]
"""A labelled image and its network output."""


def finish_model(
    network: UNet,
    card: ModelCard,
    validation: Sequence[Sample],
    device: Device,
    progress: Progress,
    training: Sequence[Sample] = (),
) -> Model:
    """Measure a model on validation images as its users will run it; for nuclei, fit score and thresholds first.

    The network is float32 on the CPU, in evaluation mode. Training images, augmented, provide further wrong nuclei to
    fit the score to. The returned card has score, thresholds and metrics: average precision pooled over all nuclei and
    as the mean of the images, IoU of classes pooled over all pixels. The validation images have selected epoch and
    thresholds, so these figures are slightly optimistic.
    """
    if card.task == "semantic":
        tables = compare_classes(Model(card, network), validation, device, progress)
        return Model(card.model_copy(update={"metrics": class_figures(validation, tables, card)}), network)
    predictions = predict_samples(Model(card, network), validation, device, Share(progress, 0.0, 0.25))
    runner = NetworkRunner(Model(card, network), device, TILE)
    crops = augmented(training, runner, Share(progress, 0.25, 0.5))
    pairs = list(zip(validation, predictions, strict=True))
    for kind, share in with_shares(sorted({sample.kind for sample in validation}), Share(progress, 0.5, 1.0)):
        card = _fitted_to_kind(card, kind, pairs, crops, share)
    counts = [compare(sample, prediction, card.for_kind(sample.kind)) for sample, prediction in pairs]
    figures = summarise(validation, counts) | score_figures(validation, predictions, card)
    return Model(card.model_copy(update={"metrics": figures}), network)


def refit(
    model: Model, training: Sequence[Sample], validation: Sequence[Sample], device: Device, progress: Progress
) -> Model:
    """Fit score and thresholds of a finished model again, as at the end of its training, and measure it again.

    Everything else on its card is kept, including figures that are not of validation images.
    """
    again = finish_model(model.unet, model.card, validation, device, progress, training)
    return Model(again.card.model_copy(update={"metrics": model.card.metrics | again.card.metrics}), model.network)


def _fitted_to_kind(
    card: ModelCard, kind: ImageKind, validation: Sequence[Predicted], crops: Sequence[Predicted], progress: Progress
) -> ModelCard:
    """Fit score and thresholds to the images of one kind; thresholds to validation images only."""
    own = card.for_kind(kind)
    judging = [one for one in validation if one[0].kind == kind]
    # Validation images come first, so that ``[:count]`` leaves the crops out of the thresholds.
    samples, predictions = zip(*judging, *(one for one in crops if one[0].kind == kind), strict=True)
    score = fit_score(samples, predictions, own)
    # A score threshold that was fitted with other coefficients means nothing with these.
    start = own.thresholds if score == own.score else own.thresholds.model_copy(update={"score": 0.0})
    own = own.model_copy(update={"score": score, "thresholds": start})
    count = len(judging)
    thresholds = fit_thresholds(samples[:count], predictions[:count], own, progress)
    return card.fitted(kind, score=score, thresholds=thresholds)


def fit_score(samples: Sequence[Sample], predictions: Sequence[Prediction], card: ModelCard) -> Scoring | None:
    """Fit the coefficients of the score to predicted nuclei of labelled images; data sets count equally.

    Returns None if right or wrong nuclei are too few.
    """
    features, right, names = candidate_features(samples, predictions, card)
    return fit_logistic(features, right, _weights(names)) if _suffice(right) else None


def calibrate_score(
    samples: Sequence[Sample], predictions: Sequence[Prediction], card: ModelCard, score: Scoring
) -> Scoring:
    """Fit slope and shift of the log odds of a score to predicted nuclei of other images, or after further training.

    After Platt (1999), *Probabilistic outputs for support vector machines*. The order of the nuclei stays: two numbers
    can be learnt from few images, whereas new coefficients of all features would order nuclei worse than the old ones.
    The score is returned as it is if right or wrong nuclei are too few.
    """
    features, right, names = candidate_features(samples, predictions, card)
    if not _suffice(right):
        return score
    table = np.column_stack([score.log_odds(features), np.ones(len(features))])
    slope, shift = logistic_regression(table, right, _weights(names), np.array([1.0, 0.0]), np.full(2, PENALTY))
    # A slope below 0 would prefer what the score doubts: then these images say nothing about it.
    return score.calibrated(float(slope), float(shift)) if slope > 0 else score


def _suffice(right: NDArray[np.bool_]) -> bool:
    """Tell whether there are enough right and wrong nuclei to fit a score to."""
    return bool(min(np.count_nonzero(right), np.count_nonzero(~right)) >= FEWEST)


def _weights(names: Sequence[str]) -> NDArray[np.float64]:
    """Weigh nuclei, given the data set of each, so that the sets count equally."""
    sizes = Counter(names)
    # They sum to the number of nuclei, as if all weighed 1, so that PENALTY keeps its meaning.
    return np.array([len(names) / len(sizes) / sizes[name] for name in names])


def candidate_features(
    samples: Sequence[Sample], predictions: Sequence[Prediction], card: ModelCard
) -> tuple[Features, NDArray[np.bool_], list[str]]:
    """Return the features of all predicted nuclei, which of them are right, and the data set of each."""
    # An empty first part: without images, the arrays joined below still have the right number of columns.
    features: list[Features] = [np.zeros((0, len(FEATURES)))]
    right, names = [np.zeros(0, bool)], []
    for sample, prediction in zip(samples, predictions, strict=True):
        scale = 1 / prediction.scale
        decoder = PlaneDecoder(prediction.maps, scale)
        for foreground in FOREGROUNDS:
            thresholds = Thresholds(foreground=foreground, split=SPLIT)
            image = decode_all(sample, prediction, decoder, thresholds)
            usual = median_area(image.evidence.areas, card.thresholds.min_size * scale**2)
            features.append(features_of(image.evidence, image.shape, scale, usual)[image.present])
            right.append(image.right)
            names += [sample.dataset] * len(image.present)
    return np.concatenate(features), np.concatenate(right), names


def fit_logistic(features: Features, right: NDArray[np.bool_], weights: NDArray[np.float64]) -> Scoring:
    """Fit a score, a regularised logistic regression on standardised features."""
    means = np.average(features, axis=0, weights=weights)
    spread = np.sqrt(np.average((features - means) ** 2, axis=0, weights=weights))
    # A constant feature, as "touches edge" in large images, must not divide by zero.
    scales = np.where(spread > 1e-4, spread, 1.0)
    # The last column is the intercept, and left free: the share of right nuclei is whatever the data say.
    table = np.column_stack([(features - means) / scales, np.ones(len(features))])
    penalty = np.append(np.full(len(FEATURES), PENALTY), 1e-9)
    found = logistic_regression(table, right, weights, np.zeros(len(penalty)), penalty)
    means_, scales_, weights_ = (
        tuple(round(float(one), 6) for one in values) for values in (means, scales, found[:-1])
    )
    return Scoring(FEATURES, means_, scales_, weights_, round(float(found[-1]), 6))


def logistic_regression(
    table: NDArray[np.float64],
    right: NDArray[np.bool_],
    weights: NDArray[np.float64],
    prior: NDArray[np.float64],
    penalty: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Fit one coefficient per column by Newton's method; ``penalty`` weighs their squared distances from ``prior``."""
    # From even odds, where the curvature is largest: from far off, a step of plain Newton may overshoot.
    found = np.zeros(len(prior))
    for _ in range(ITERATIONS):
        # Clipped as in `Scoring`: exp would overflow.
        chance = 1 / (1 + np.exp(-np.clip(table @ found, -30, 30)))
        # The loss is convex, and the penalty makes its Hessian positive definite.
        gradient = table.T @ (weights * (chance - right)) + penalty * (found - prior)
        hessian = (table * (weights * chance * (1 - chance))[:, None]).T @ table + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        found -= step
        if np.abs(step).max() < 1e-8:
            break
    return found


def augmented(samples: Sequence[Sample], runner: NetworkRunner, progress: Progress, seed: int = 0) -> list[Predicted]:
    """Cut crops out of training images, augment them as if from other microscopes, and predict them.

    Networks are overconfident on their training images, but hardly so on these crops.
    """
    diameter = runner.card.diameter
    with_nuclei = [sample for sample in samples if sample.median_diameter > 0]
    if not with_nuclei:
        return []
    rng = np.random.default_rng(seed)
    chances = sampling_weights(with_nuclei)
    task = InstanceTask(runner.card)
    augmentation, stains = task.augmentation(1.0), task.stains(1.0)
    crops = []
    for _, share in with_shares(range(CROPS), progress):
        share.report(Advanced(0.0, "predicting augmented images"))
        sample = with_nuclei[int(rng.choice(len(with_nuclei), p=chances))]
        # Uniform in the logarithm: too large and too small by the same factor are equally likely.
        error = np.exp(rng.uniform(-1, 1) * np.log(SIZE_ERROR))
        crop = cut_crop(sample, SIDE, float(error * diameter / sample.median_diameter), rng, stains)
        images, (warped,) = augmentation([crop], seed=int(rng.integers(2**31)))
        image, labels = images[0].numpy(), warped.labels
        # Not the sample with other pixels: its cached diameters and its picture belong to the whole image.
        one = Sample(sample.name, image, labels, sample.group, sample.dataset, warped.reviewed, kind=sample.kind)
        crops.append((one, predict_plane(sample_reader(one), 1.0, runner, share)))
    return crops


def score_figures(samples: Sequence[Sample], predictions: Sequence[Prediction], card: ModelCard) -> dict[str, float]:
    """Measure how well a card's score separates right from wrong nuclei, and how well it is calibrated."""
    # Kinds have coefficients of their own, but a user compares scores across images: judged together.
    probabilities, rights = [np.zeros(0)], [np.zeros(0, bool)]
    for kind in {sample.kind for sample in samples}:
        own = card.for_kind(kind)
        chosen = [number for number, sample in enumerate(samples) if sample.kind == kind]
        features, found, _ = candidate_features([samples[n] for n in chosen], [predictions[n] for n in chosen], own)
        if own.score is not None:
            probabilities.append(own.score.of(features))
            rights.append(found)
    scores, right = np.concatenate(probabilities), np.concatenate(rights)
    if right.all() or not right.any():
        return {}
    figures = {AUC: area_under_curve(scores, right), CALIBRATION: calibration_error(scores, right)}
    return {figure_name(name): round(value, 3) for name, value in figures.items()}


def area_under_curve(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve; NaN without right or without wrong nuclei."""
    order = np.argsort(scores, kind="stable")
    _, inverse, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    ranks = np.empty(len(scores))
    ranks[order] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # ties share their mean rank
    good, bad = np.count_nonzero(right), np.count_nonzero(~right)
    if not good or not bad:
        return float("nan")
    # Mann-Whitney: the rank sum of right nuclei, less its minimum, counts the pairs in the right order.
    return float((ranks[right].sum() - good * (good + 1) / 2) / (good * bad))


def calibration_error(scores: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Return the distance between mean score and share of right nuclei, averaged over equally filled bins."""
    parts = np.array_split(np.argsort(scores, kind="stable"), bins)
    return float(np.mean([abs(scores[part].mean() - right[part].mean()) for part in parts if part.size]))

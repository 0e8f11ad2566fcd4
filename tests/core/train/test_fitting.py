from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_nuclei.core.labels.score import FEATURES, Scoring
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.train import fit_thresholds, fitting
from napari_unet_nuclei.core.train.fitting import (
    area_under_curve,
    augmented,
    calibrate_score,
    calibration_error,
    candidate_features,
    finish_model,
    fit_logistic,
    fit_score,
    refit,
)
from tests.helpers.predictions import examples
from tests.helpers.recording import RecordingProgress
from tests.helpers.small_run import sample
from tests.helpers.tiny import FLOAT32, tiny_model

CARD = ModelCard(name="m")
STALE = Scoring(FEATURES, *((value,) * len(FEATURES) for value in (0.0, 1.0, 0.5)), intercept=0.0)


def chances(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of which two decide, and whether each of the nuclei is right, by chance."""
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, (count, len(FEATURES)))
    odds = 1.5 * (features[:, 0] - 3) - 1.0 * (features[:, 4] - 3) + 0.5
    return features, rng.random(count) < 1 / (1 + np.exp(-odds))


def test_the_regression_finds_the_odds_that_it_was_given():
    features, right = chances(20_000)
    found = fit_logistic(features, right, np.ones(len(right)))
    weights = np.array(found.weights) / found.scales
    assert weights[[0, 4]] == pytest.approx([1.5, -1.0], abs=0.08)
    assert np.abs(np.delete(weights, [0, 4])).max() < 0.06
    assert calibration_error(found.of(features), right) < 0.02


def test_heavier_candidates_count_more():
    features, right = chances(300)
    twice = fit_logistic(np.concatenate([features, features[:50]]), np.append(right, right[:50]), np.ones(350))
    heavy = fit_logistic(features, right, np.append(np.full(50, 2.0), np.ones(250)))
    assert heavy.weights == pytest.approx(twice.weights, abs=1e-4)


def test_what_the_network_doubts_has_a_lower_score():
    samples, predictions = examples(faint=4)
    samples, predictions = 6 * samples, 6 * predictions
    score = fit_score(samples, predictions, CARD)
    features, right, _ = candidate_features(samples, predictions, CARD)
    assert area_under_curve(score.of(features), right) > 0.95
    assert score.of(features)[right].mean() > 0.8 > 0.3 > score.of(features)[~right].mean()


def test_too_few_wrong_ones_teach_nothing():
    samples, predictions = examples()
    assert fit_score(samples, predictions, CARD) is None
    assert calibrate_score(samples, predictions, CARD, STALE) is STALE


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.4, -1.5), (2.5, 0.7)])
def test_calibration_finds_how_far_odds_are_off_and_keeps_the_order(monkeypatch, slope, shift):
    features, right = chances(20_000)
    true = fit_logistic(features, right, np.ones(len(right)))
    off = true.calibrated(1 / slope, -shift / slope)
    monkeypatch.setattr(fitting, "candidate_features", lambda *given: (features, right, [""] * len(right)))
    again = calibrate_score([], [], CARD, off)
    assert again.log_odds(features) == pytest.approx(true.log_odds(features), abs=0.15)
    assert np.array_equal(np.argsort(again.log_odds(features[:500])), np.argsort(off.log_odds(features[:500])))


def test_what_contradicts_a_score_or_is_little_hardly_changes_it(monkeypatch):
    features, right = chances(20_000)
    true = fit_logistic(features, right, np.ones(len(right)))
    # Without a prior, nuclei that all fit a score would make it infinitely sure.
    certain = np.argsort(-np.abs(true.log_odds(features)))[:2000:50]
    given = (features[certain], true.log_odds(features[certain]) > 0, [""] * len(certain))
    monkeypatch.setattr(fitting, "FEWEST", 5)
    monkeypatch.setattr(fitting, "candidate_features", lambda *_: given)
    assert calibrate_score([], [], CARD, true).weights == pytest.approx(true.weights, rel=0.3, abs=1e-5)
    monkeypatch.setattr(fitting, "candidate_features", lambda *_: (features, ~right, [""] * len(right)))
    assert calibrate_score([], [], CARD, true) is true


def test_each_data_set_weighs_alike(monkeypatch):
    given = {}
    monkeypatch.setattr(fitting, "FEWEST", 0)
    monkeypatch.setattr(fitting, "fit_logistic", lambda features, right, weights: given.update(weights=weights))
    samples, predictions = examples(faint=4)
    sets = [replace(one, dataset=name) for one, name in zip(samples, "aab", strict=True)]
    fit_score(sets, predictions, CARD)
    _, _, names = candidate_features(sets, predictions, CARD)
    totals = [given["weights"][np.array(names) == name].sum() for name in "ab"]
    assert totals[0] == pytest.approx(totals[1])


def test_altered_crops_come_with_their_labels_and_repeat(monkeypatch):
    monkeypatch.setattr(fitting, "CROPS", 3)
    monkeypatch.setattr(fitting, "SIDE", 64)
    runner = NetworkRunner(tiny_model(), FLOAT32, 256)
    crops, predictions = zip(*augmented([sample(0), sample(1)], runner, Silent()), strict=True)
    assert [one.image.shape for one in crops] == [(1, 64, 64)] * 3
    assert [one.maps.shape for one in predictions] == [(3, 64, 64)] * 3
    assert all(one.labels.max() > 0 for one in crops)
    again = [crop for crop, _ in augmented([sample(0), sample(1)], runner, Silent())]
    assert all(np.array_equal(one.image, other.image) for one, other in zip(crops, again, strict=True))


def test_the_area_under_the_curve_counts_pairs():
    assert area_under_curve(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75
    assert area_under_curve(np.array([0.5, 0.5]), np.array([False, True])) == 0.5
    assert np.isnan(area_under_curve(np.array([0.5]), np.array([True])))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few crops, few thresholds, and networks that need not find anything."""
    monkeypatch.setattr(fitting, "CROPS", 4)
    monkeypatch.setattr(fitting, "SIDE", 64)
    monkeypatch.setattr(fitting, "FEWEST", 0)
    monkeypatch.setattr(fit_thresholds, "FOREGROUNDS", (0.5,))


@pytest.mark.usefixtures("small")
def test_score_and_thresholds_are_fitted_and_measured():
    model, progress = tiny_model(), RecordingProgress()
    finished = finish_model(model.network, model.card, [sample(0)], FLOAT32, progress, [sample(1)])
    assert finished.card.score is not None
    assert "validation AP@0.5 pooled" in finished.card.metrics
    assert progress.fractions == sorted(progress.fractions)


@pytest.mark.usefixtures("small")
def test_without_enough_candidates_no_stale_coefficients_stay(monkeypatch):
    monkeypatch.setattr(fitting, "FEWEST", 10_000)
    model = tiny_model()
    card = model.card.model_copy(update={"score": STALE})
    finished = finish_model(model.network, card, [sample(0)], FLOAT32, Silent())
    assert finished.card.score is None


@pytest.mark.usefixtures("small")
def test_refitting_keeps_weights_and_all_else_that_the_card_says():
    model = tiny_model()
    card = model.card.model_copy(update={"limits": "tissue", "metrics": {"reference AP": 0.5}})
    again = refit(Model(card, model.network), [sample(1)], [replace(sample(0), dataset="a")], FLOAT32, Silent())
    assert again.network is model.network
    assert (again.card.limits, again.card.metrics["reference AP"]) == ("tissue", 0.5)
    assert np.isfinite(again.card.metrics["validation AP@0.5 pooled"])

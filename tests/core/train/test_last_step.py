from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_nuclei.core.labels.score import FEATURES, Scoring
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.train import fit_score, fit_thresholds
from napari_unet_nuclei.core.train.last_step import finish_model, refit
from tests.helpers.recording import RecordingProgress
from tests.helpers.small_run import sample
from tests.helpers.tiny import FLOAT32, tiny_model

STALE = Scoring(FEATURES, *((value,) * len(FEATURES) for value in (0.0, 1.0, 0.5)), intercept=0.0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few crops, few thresholds, and networks that need not find anything."""
    monkeypatch.setattr(fit_score, "CROPS", 4)
    monkeypatch.setattr(fit_score, "SIDE", 64)
    monkeypatch.setattr(fit_score, "FEWEST", 0)
    monkeypatch.setattr(fit_thresholds, "FOREGROUNDS", (0.5,))


def test_score_and_thresholds_are_fitted_and_measured():
    model, progress = tiny_model(), RecordingProgress()
    finished = finish_model(model.network, model.card, [sample(0)], FLOAT32, progress, [sample(1)])
    assert finished.card.score is not None
    assert "validation AP@0.5 pooled" in finished.card.metrics
    assert progress.fractions == sorted(progress.fractions)


def test_without_enough_candidates_no_stale_coefficients_stay(monkeypatch):
    monkeypatch.setattr(fit_score, "FEWEST", 10_000)
    model = tiny_model()
    card = model.card.model_copy(update={"score": STALE})
    finished = finish_model(model.network, card, [sample(0)], FLOAT32, Silent())
    assert finished.card.score is None


def test_refitting_keeps_weights_and_all_else_that_the_card_says():
    model = tiny_model()
    card = model.card.model_copy(update={"limits": "tissue", "metrics": {"reference AP": 0.5}})
    again = refit(Model(card, model.network), [sample(1)], [replace(sample(0), dataset="a")], FLOAT32, Silent())
    assert again.network is model.network
    assert (again.card.limits, again.card.metrics["reference AP"]) == ("tissue", 0.5)
    assert np.isfinite(again.card.metrics["validation AP@0.5 pooled"])

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_nuclei.core.labels.decode import PlaneDecoder
from napari_unet_nuclei.core.labels.metrics.overlaps import match
from napari_unet_nuclei.core.model.card import ModelCard, Thresholds
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.train.fit_thresholds import decode_all, fit_thresholds, mean_score
from napari_unet_nuclei.core.train.validate import compare
from tests.helpers.predictions import example, examples
from tests.helpers.recording import RecordingProgress


def card(**thresholds: float) -> ModelCard:
    return ModelCard(name="fitted", thresholds=Thresholds(**thresholds))


def test_what_the_network_doubts_is_left_out_where_it_is_none():
    samples, predictions = examples(faint=4)
    found = fit_thresholds(samples, predictions, card(), Silent())
    assert max(found.score, found.foreground) >= 0.7
    assert all(compare(*pair, card(**dict(found))).spurious[0] == 0 for pair in zip(samples, predictions, strict=True))


def test_it_is_never_worse_than_the_start():
    samples, predictions = examples()
    start = card(foreground=0.9, split=0.9, min_size=300.0, score=0.3)
    found = fit_thresholds(samples, predictions, start, Silent())
    scores = [
        mean_score(samples, [compare(*pair, one) for pair in zip(samples, predictions, strict=True)])
        for one in (start, card(**dict(found)))
    ]
    assert scores[1] >= scores[0]
    assert scores[1] > 0.8


@pytest.mark.parametrize(("score", "min_size"), [(0.0, 1.0), (0.8, 1.0), (0.0, 150.0), (0.75, 180.0)])
def test_leaving_out_counts_as_decoding_with_these_thresholds_does(score, min_size):
    sample, prediction = example(1, faint=3)
    strict = card(min_size=min_size, score=score)
    image = decode_all(sample, prediction, PlaneDecoder(prediction.maps, 1.0), strict.thresholds)
    counted = image.counts(image.scores(strict), strict, strict.thresholds.score)
    assert counted.average_precision.tolist() == compare(sample, prediction, strict).average_precision.tolist()
    assert match(sample.labels, sample.labels).found[0] == counted.true_count


def test_data_sets_weigh_alike():
    samples, _ = examples(faint=4)
    perfect, poor = (match(samples[0].labels, found) for found in (samples[0].labels, np.zeros_like(samples[0].labels)))
    sets = [replace(sample, dataset=name) for sample, name in zip(samples, "aab", strict=True)]
    assert mean_score(sets, [perfect, perfect, poor]) == 0.5
    assert mean_score(samples, [perfect, perfect, poor]) == pytest.approx(2 / 3)


def test_progress_rises():
    progress = RecordingProgress()
    fit_thresholds(*examples(), card(), progress)
    assert progress.fractions == sorted(progress.fractions)

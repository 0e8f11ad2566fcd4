from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_unet_nuclei.core.finetune.before_after import FEWEST_NUCLEI, FORGOTTEN, Mixture, _best, compare_models
from napari_unet_nuclei.core.train.samples import Sample
from tests.helpers.tiny import tiny_model


def row(numbers: range | list[int], count: int = 40) -> np.ndarray:
    """Squares of 4 px, 6 px apart, at the places of these numbers."""
    labels = np.zeros((4, 6 * count), np.int32)
    for number in numbers:
        labels[:, 6 * number : 6 * number + 4] = number + 1
    return labels


def sample(labels: np.ndarray, reviewed: np.ndarray | None = None) -> Sample:
    return Sample("a", np.zeros((1, *labels.shape), np.float32), labels, "a", reviewed=reviewed)


def test_a_model_that_finds_clearly_more_is_better_and_the_sentence_says_by_how_much():
    found = compare_models([sample(row(range(40)))], [row(range(16))], [row(range(36))])
    assert found.outcome == "better"
    assert found.gain == pytest.approx(0.5)
    assert found.interval[0] > 0.3
    assert "better on 40 held-out nuclei: it finds " in found.sentence
    assert "AP@0.5 went from 0.40 to 0.90" in found.sentence
    assert (found.before.mistakes.missed, found.after.mistakes.missed) == (24, 4)


def test_a_model_that_finds_clearly_less_is_worse():
    found = compare_models([sample(row(range(40)))], [row(range(36))], [row(range(16))])
    assert found.outcome == "worse"
    assert found.interval[1] < 0
    assert "The new model is worse" in found.sentence


@pytest.mark.parametrize("after", [row(range(35)), row(range(5, 40)), row(range(37))])
def test_small_differences_are_not_called_any(after):
    found = compare_models([sample(row(range(40)))], [row(range(35))], [after])
    assert found.outcome == "no clear difference"
    assert found.interval[0] <= 0 <= found.interval[1]


def test_inventing_nuclei_is_worse():
    truth = row(range(0, 40, 2))
    found = compare_models([sample(truth)], [truth], [row(range(40))])
    assert found.outcome == "worse"
    assert found.after.mistakes.spurious == 20


def test_few_nuclei_tell_nothing():
    few = row(range(FEWEST_NUCLEI - 1))
    found = compare_models([sample(few)], [row([])], [few])
    assert found.outcome == "too little to tell"
    assert "Only 9 nuclei" in found.sentence


def test_only_the_revisible_region_counts():
    truth, reviewed = row(range(40)), np.zeros((4, 240), bool)
    reviewed[:, :120] = True
    found = compare_models([sample(truth, reviewed)], [row(range(20))], [row(range(40))])
    assert found.nuclei == 20
    assert found.gain == 0
    assert found.after.mistakes.spurious == 0


def test_nuclei_of_all_samples_count_alike():
    samples = [sample(row(range(12))), sample(row(range(30)))]
    found = compare_models(samples, [row([]), row([])], [row(range(12)), row([])])
    assert found.nuclei == 42
    assert found.after.ap50 == pytest.approx(12 / 42)


NUCLEI = 40


def judging() -> Sample:
    """Forty square nuclei in rows."""
    labels = np.zeros((40, 64), np.int32)
    for number in range(NUCLEI):
        y, x = 8 * (number // 8), 8 * (number % 8)
        labels[y : y + 6, x : x + 6] = number + 1
    return Sample("held out", np.zeros((1, 40, 64), np.float32), labels, "field")


def mixture(share: float, found: int = NUCLEI, forgotten: float = 0.0) -> Mixture:
    """A mixture that finds so many of the nuclei."""
    labels = np.where(judging().labels <= found, judging().labels, 0)
    return Mixture(tiny_model(), share, (labels,), SimpleNamespace(), SimpleNamespace(gain=-forgotten))


@pytest.mark.parametrize(("found", "share"), [(31, 0.8), (38, 0.48)])
def test_less_of_the_new_weights_is_taken_only_where_it_clearly_finds_more(found, share):
    mixtures = [mixture(0.8, 30), mixture(0.64, 28), mixture(0.48, found)]
    assert _best(mixtures, [judging()]).share == share


def test_what_forgets_too_much_is_not_taken_where_another_forgets_less():
    forgets, remembers = mixture(0.8, forgotten=2 * FORGOTTEN), mixture(0.64, 10, FORGOTTEN / 2)
    assert _best([forgets, remembers], [judging()]) is remembers
    assert _best([forgets, mixture(0.64, forgotten=3 * FORGOTTEN)], [judging()]) is forgets

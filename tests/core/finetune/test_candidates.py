"""Which mixture of old and new weights is chosen, by what it finds and what it forgets."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_unet_nuclei.core.finetune.candidates import FORGOTTEN, Candidate, _best
from napari_unet_nuclei.core.train.samples import Sample
from tests.helpers.tiny import tiny_model

NUCLEI = 40


def judging() -> Sample:
    """Forty square nuclei in rows."""
    labels = np.zeros((40, 64), np.int32)
    for number in range(NUCLEI):
        y, x = 8 * (number // 8), 8 * (number % 8)
        labels[y : y + 6, x : x + 6] = number + 1
    return Sample("held out", np.zeros((1, 40, 64), np.float32), labels, "field")


def candidate(share: float, found: int = NUCLEI, forgotten: float = 0.0) -> Candidate:
    """A mixture that finds so many of the nuclei."""
    labels = np.where(judging().labels <= found, judging().labels, 0)
    return Candidate(tiny_model(), share, (labels,), SimpleNamespace(), SimpleNamespace(gain=-forgotten))


@pytest.mark.parametrize(("found", "share"), [(31, 0.8), (38, 0.48)])
def test_less_of_the_new_weights_is_taken_only_where_it_clearly_finds_more(found, share):
    mixtures = [candidate(0.8, 30), candidate(0.64, 28), candidate(0.48, found)]
    assert _best(mixtures, [judging()]).share == share


def test_what_forgets_too_much_is_not_taken_where_another_forgets_less():
    forgets, remembers = candidate(0.8, forgotten=2 * FORGOTTEN), candidate(0.64, 10, FORGOTTEN / 2)
    assert _best([forgets, remembers], [judging()]) is remembers
    assert _best([forgets, candidate(0.64, forgotten=3 * FORGOTTEN)], [judging()]) is forgets

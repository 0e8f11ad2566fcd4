"""Which mixture of old and new weights is chosen, by what it is worth and what it forgets."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_unet_nuclei.core.finetune.candidates import CLEARLY, FORGOTTEN, Candidate, _best
from tests.core.tiny import tiny_model


def report(precision: float, gain: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(
        gain=gain, after=SimpleNamespace(scores=SimpleNamespace(average_precision=np.full(10, precision)))
    )


def candidate(share: float, held_out: float, forgotten: float = 0.0) -> Candidate:
    return Candidate(tiny_model(), share, (), report(held_out), report(0.6, -forgotten), report(0.5))


def test_worth_is_what_is_found_of_held_out_nuclei_of_their_kind_and_of_what_was_known():
    assert candidate(1.0, 0.4).worth == pytest.approx(0.4 + 0.6 + 0.5)
    assert Candidate(tiny_model(), 1.0, (), report(0.4), None).worth == pytest.approx(0.4)


@pytest.mark.parametrize(("more", "share"), [(CLEARLY / 2, 0.8), (2 * CLEARLY, 0.48)])
def test_less_of_the_new_weights_is_taken_only_where_it_is_clearly_better(more, share):
    assert _best([candidate(0.8, 0.4), candidate(0.64, 0.4), candidate(0.48, 0.4 + more)]).share == share


def test_what_forgets_too_much_is_not_taken_where_another_forgets_less():
    forgets, remembers = candidate(0.8, 0.9, 2 * FORGOTTEN), candidate(0.64, 0.4, FORGOTTEN / 2)
    assert _best([forgets, remembers]) is remembers
    assert _best([forgets, candidate(0.64, 0.4, 3 * FORGOTTEN)]) is forgets

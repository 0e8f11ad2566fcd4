"""The watch over trials notices whatever a campaign is for."""

from __future__ import annotations

import os
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import pytest

if sys.platform != "linux":
    pytest.skip("campaigns run on Linux alone", allow_module_level=True)

from endurance import bounded
from napari_unet_nuclei.core.errors import ImageFileError


def claims_too_much() -> None:
    try:
        np.ones(2**40, np.uint8)
    except MemoryError as error:
        raise ImageFileError("too large") from error


def refuse() -> None:
    raise ImageFileError("damaged")


def fail() -> None:
    raise IndexError("list index out of range")


def unpickle() -> None:
    pickle.loads(b"cposix\ngetpid\n(tR.")


@pytest.mark.parametrize(
    ("attempt", "kind"),
    [
        (lambda: None, "read"),
        (refuse, "refused in words"),
        (fail, "bare error"),
        (claims_too_much, "memory"),
        (lambda: np.ones(300 * 2**20, np.uint8), "memory"),
        (lambda: sum(range(3 * 10**7)), "slow"),
        (lambda: time.sleep(60), "hang"),
        (os.abort, "crash"),
        (unpickle, "code or files"),
        (lambda: os.system("true"), "code or files"),
        (lambda: Path("bait.tif").read_text(), "code or files"),
        (lambda: Path("written").touch(), "code or files"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_each_kind_of_outcome_is_told_and_the_next_trial_goes_on(attempt, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bait.tif").touch()
    monkeypatch.setattr(bounded, "MOST_MEMORY", 2**28)
    monkeypatch.setattr(bounded, "MOST_ADDRESSES", 2**30)
    monkeypatch.setattr(bounded, "LONGEST", 0.1)
    monkeypatch.setattr(bounded, "PATIENCE", 1.0 if kind == "hang" else 60.0)
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    asked: list[int] = []
    doings = [attempt, lambda: None]
    found = list(bounded.outcomes(2, asked.append, lambda: doings[asked[-1]](), sandbox))
    assert [(number, outcome.kind) for number, outcome in found] == [(0, kind), (1, "read")]


def test_a_campaign_that_fails_itself_is_no_outcome(tmp_path):
    def prepare(number: int) -> None:
        raise KeyError(number)

    with pytest.raises(RuntimeError, match="the campaign itself failed in trial 0"):
        list(bounded.outcomes(1, prepare, lambda: None, tmp_path))

"""Cases of files that are spoiled and read thousands of times."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import tifffile

from endurance.bounded import ALLOWED, outcomes
from endurance.spoiling import Spoiler
from endurance.tally import Tally, joined
from endurance.undisturbed import copied

Spoil = Callable[[Path, Random], None]


@dataclass(frozen=True)
class Case:
    """A kind of file.

    Attributes
    ----------
    name : str
    trials : int
        How often it is spoiled and read.
    make : callable
        Writes a good example into an empty folder.
    spoil : callable
        Spoils what lies in a folder.
    read : callable
        Reads it as the program does; raises `bounded.WrongRead` if it is taken for good and is not.
    """

    name: str
    trials: int
    make: Callable[[Path], object]
    spoil: Spoil
    read: Callable[[Path], object]


def file_spoiled(*spoilers: Spoiler, ending: str = "") -> Spoil:
    """Return what spoils one file of a folder in one of several ways; of those whose names end so."""

    def spoil(folder: Path, drawn: Random) -> None:
        path = drawn.choice([path for path in sorted(folder.rglob(f"*{ending}")) if path.is_file()])
        path.write_bytes(drawn.choice(spoilers)(path.read_bytes(), drawn))

    return spoil


def try_cases(title: str, cases: Sequence[Case], share: float, kept: Path) -> Tally:
    """Spoil and read all cases; keep a spoiled example of each violation."""
    return joined(title, (_try_case(case, max(round(case.trials * share), 1), kept) for case in cases))


def _try_case(case: Case, trials: int, kept: Path) -> Tally:
    tally, examples = Tally(case.name), dict[str, int]()
    with tempfile.TemporaryDirectory(prefix="endurance-") as name:
        sandbox = Path(name).resolve()
        good, trial = sandbox / "good", sandbox / "trial"
        for folder in (good, sandbox / "tmp"):
            folder.mkdir()
        tifffile.imwrite(sandbox / "bait.tif", np.zeros((8, 8), np.uint8))
        case.make(good)

        def prepare(number: int) -> None:
            case.spoil(copied(good, trial), _drawn(case, number))

        try:
            tempfile.tempdir = os.fspath(sandbox / "tmp")
            # The good one must be read; and what is imported on the way is then there for all children.
            case.read(copied(good, trial))
            for number, outcome in outcomes(trials, prepare, lambda: case.read(trial), sandbox):
                if outcome.kind in ALLOWED:
                    tally.count(outcome.kind)
                    continue
                what = f"{outcome.kind}: {outcome.detail}"
                tally.violate(what, str(number))
                examples.setdefault(what, number)
        finally:
            tempfile.tempdir = None
        for number in examples.values():
            case.spoil(copied(good, kept / f"{case.name} {number}"), _drawn(case, number))
    return tally


def _drawn(case: Case, number: int) -> Random:
    """Return the chance of a trial: always the same."""
    return Random(f"{case.name} {number}")

"""Hours in one process without a window: every kind of work in turn, each time in a new folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from endurance.growth import repeat
from endurance.tally import Tally
from endurance.undisturbed import half_written_in
from endurance.works import WORKS, steps_noted

ROUNDS = 40
"""About ten minutes on two cores."""

FEWEST = 20
"""Rounds that give a slope worth the name."""

SETTLED = 5
"""Rounds in which caches fill, which are not counted."""

MOST = {"memory": 1024 * 1024, "objects": 100, "threads": 0.01, "files": 0.01}
"""Slopes that are allowed, a round of all works."""


def run(share: float, kept: Path, hours: float = 0.0) -> Tally:
    """Do all works for many rounds, and look at what grows; nothing is kept in ``kept``."""
    tally = Tally("Hours in one process")
    growth = repeat(lambda _: _round(tally), max(round(ROUNDS * share), FEWEST), SETTLED, hours)
    growth.judge(tally, "round", MOST)
    return tally


def _round(tally: Tally) -> None:
    """Do every work once."""
    for work in WORKS:
        with tempfile.TemporaryDirectory(prefix="endurance-") as name:
            folder = Path(name).resolve()
            work.prepare(folder)
            work.do(folder)
            work.look(folder)
            if left := half_written_in(folder):
                tally.violate(f"{work.name} left {left[:3]}", str(tally.counts["works done"]))
            steps_noted(folder).unlink(missing_ok=True)
        tally.count("works done")

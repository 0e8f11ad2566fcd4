"""Kill work at random moments, look at what is on the disk, go on, and compare with what was never killed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from endurance.children import Child
from endurance.tally import Tally, joined
from endurance.undisturbed import Undisturbed, copied, go_on, keep_example
from endurance.works import WORKS, Work

LATEST = 1.1
"""Of the time of an undisturbed run: some kills come too late, and are counted as such."""


def run(share: float, kept: Path) -> Tally:
    """Kill all kinds of work."""
    return joined("Kills", (_kill_often(work, max(round(work.kills * share), 1), kept) for work in WORKS))


def _kill_often(work: Work, kills: int, kept: Path) -> Tally:
    tally = Tally(work.name)
    with tempfile.TemporaryDirectory(prefix="endurance-") as name:
        sandbox = Path(name).resolve()
        undisturbed = Undisturbed.of(work, sandbox)
        for kill in range(kills):
            folder = copied(undisturbed.former, sandbox / "killed")
            killed = _kill(undisturbed, folder, Random(f"{work.name} {kill}"))
            tally.count("killed" if killed else "ended before the kill")
            try:
                undisturbed.check_between(folder)
                go_on(work, folder)
                undisturbed.check_after(folder)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is a violation
                tally.violate(f"{type(error).__name__}: {str(error)[:300]}", str(kill))
                keep_example(folder, kept, f"{work.name} {kill}")
    return tally


def _kill(undisturbed: Undisturbed, folder: Path, drawn: Random) -> bool:
    """Do work in a child that dies, either at a step on the disk or at a time; tell whether it died before its end."""

    def do() -> None:
        undisturbed.work.do(folder)

    if drawn.random() < 0.5:
        return Child(do, folder, dies_at=drawn.randint(1, undisturbed.steps)).end().killed
    child = Child(do, folder)
    child.kill_after(drawn.uniform(0, LATEST * undisturbed.seconds))
    return child.end().killed

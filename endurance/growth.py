"""What a process holds after each time that it has done something, and whether that grows."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endurance.tally import Tally

MOST_NAMED = 6
"""Types of objects that are named because there are more and more of them."""

TOLD_EVERY = 50
"""Times after which it is told what the process holds."""


@dataclass(frozen=True)
class Held:
    """What the process holds: bytes of memory, threads, open files, and objects that Python's collector knows."""

    memory: int
    threads: int
    files: int
    objects: int

    @staticmethod
    def now() -> Held:
        """Count, once everything that can be collected has been."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return Held(
            pages * os.sysconf("SC_PAGESIZE"),
            sum(1 for _ in Path("/proc/self/task").iterdir()),
            sum(1 for _ in Path("/proc/self/fd").iterdir()),
            len(gc.get_objects()),
        )


@dataclass(frozen=True)
class Growth:
    """What a process held each time after the first ones, and which objects have become more meanwhile."""

    held: Sequence[Held]
    more: Counter[str]

    def judge(self, tally: Tally, word: str, most: dict[str, float]) -> None:
        """Note the slope of each figure, over all times and over the last half, and violate those above their bound.

        A slope is the median of those between all pairs (Theil and Sen), which single steps do not move.
        """
        for name, bound in most.items():
            unit, of = (1024, " KiB") if name == "memory" else (1, "")
            values = [getattr(one, name) / unit for one in self.held]
            slope, late = slope_of(values), slope_of(values[len(values) // 2 :])
            figure = (
                f"{name}: {slope:+.3f}{of} a {word}, in the last half {late:+.3f}{of}; "
                f"from {values[0]:,.0f}{of} to {values[-1]:,.0f}{of}"
            )
            tally.figures.append(figure)
            if slope > bound / unit:
                tally.violate(f"{name} grow by more than {bound / unit:g}{of} a {word}", figure)
        named = ", ".join(f"{count:,} {kind}" for kind, count in self.more.most_common(MOST_NAMED) if count > 0)
        tally.figures.append(f"most new objects: {named or 'none'}")


def repeat(do: Callable[[int], None], least: int, settled: int, hours: float) -> Growth:
    """Do something again and again: so often at least, and for so long. The first ``settled`` times fill caches."""
    held: list[Held] = []
    before: Counter[str] = Counter()
    began = time.monotonic()
    while len(held) < least or time.monotonic() - began < hours * 3600:
        do(len(held))
        held.append(Held.now())
        if len(held) == settled:
            before = _kinds()
        if len(held) % TOLD_EVERY == 0:
            sys.stderr.write(f"{len(held)} times, {(time.monotonic() - began) / 60:.0f} minutes: {held[-1]}\n")
    more = _kinds()
    more.subtract(before)
    return Growth(held[settled:], more)


def slope_of(values: Sequence[float]) -> float:
    """Return the median of the slopes between all pairs."""
    found = np.asarray(values, float)
    first, second = np.triu_indices(len(found), 1)
    return float(np.median((found[second] - found[first]) / (second - first)))


def _kinds() -> Counter[str]:
    """Count the objects that Python's collector knows, by their types."""
    return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())

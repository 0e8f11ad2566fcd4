"""What a campaign counted, and what it found wrong."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

VIOLATED = "VIOLATED"
MOST_PLACES = 5
"""Of a kind of violation that are named."""


@dataclass
class Tally:
    """Counts of outcomes, and the violations by what went wrong, each with where it can be seen.

    Attributes
    ----------
    title : str
    counts : Counter of str
        How often each outcome came.
    violations : dict of str to list of str
        The numbers of trials or rounds by what went wrong in them.
    parts : list of Tally
        What it is the sum of.
    figures : list of str
        What was measured, in words.
    """

    title: str
    counts: Counter[str] = field(default_factory=Counter)
    violations: dict[str, list[str]] = field(default_factory=dict)
    parts: list[Tally] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    def count(self, outcome: str) -> None:
        """Count an outcome that is allowed."""
        self.counts[outcome] += 1

    def violate(self, what: str, where: str) -> None:
        """Count one that is not."""
        self.counts[VIOLATED] += 1
        self.violations.setdefault(what, []).append(where)

    def lines(self, indent: str = "") -> list[str]:
        """Return what is printed: counts, figures, violations, and those of the parts."""
        counted = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(self.counts.items()))
        lines = [f"{indent}{self.title}: {counted}", *(f"{indent}  {figure}" for figure in self.figures)]
        for what, places in self.violations.items():
            named = ", ".join(places[:MOST_PLACES]) + (", …" if len(places) > MOST_PLACES else "")
            lines.append(f"{indent}  {len(places)} x {what} ({named})")
        return [*lines, *(line for part in self.parts for line in part.lines(f"{indent}  "))]


def joined(title: str, parts: Iterable[Tally]) -> Tally:
    """Sum up parts, and tell of each on the error stream as soon as it is done: a campaign takes a while."""
    tally = Tally(title)
    for part in parts:
        sys.stderr.write("\n".join(part.lines()) + "\n")
        tally.parts.append(part)
        tally.counts.update(part.counts)
    return tally

"""Whether files, arrays and folders as people have them are understood, on drawn inputs of known content."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.drawn.case import Case, Outcome
from benchmarks.drawn.labels import label_cases
from benchmarks.drawn.layouts import layout_cases
from benchmarks.drawn.microscopes import microscope_cases
from benchmarks.drawn.pictures import picture_cases
from benchmarks.drawn.tiffs import tiff_cases
from benchmarks.table import Table


def all_cases() -> tuple[Case, ...]:
    """Return all drawn inputs; no two have the same name."""
    return (*tiff_cases(), *picture_cases(), *microscope_cases(), *label_cases(), *layout_cases())


def try_all(words: Sequence[str] = ()) -> tuple[Outcome, ...]:
    """Try all inputs, or those whose names hold one of the words."""
    chosen = [case for case in all_cases() if not words or any(word in case.name for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        return tuple(case.try_out(Path(folder, str(number))) for number, case in enumerate(chosen))


def measure(words: Sequence[str] = ()) -> Table:
    """Try inputs; a row for each that is not understood."""
    started = time.monotonic()
    tried = try_all(words)
    rows = [(one.name, wrong.replace("|", "/")) for one in tried for wrong in one.wrong]
    right = sum(not one.wrong for one in tried)
    return Table(
        "Inputs",
        ("input", "what is wrong"),
        tuple(rows) or (("none", ""),),
        f"{right} of {len(tried)} drawn inputs are read right: number of nuclei, µm, names of channels and mean "
        f"brightness as drawn, or refused in words. {time.monotonic() - started:.0f} s.",
    )


def main(words: Sequence[str]) -> None:
    """Print what is wrong, then every refusal, for people to read."""
    tried = try_all(words)
    for one in tried:
        for wrong in one.wrong:
            print(f"WRONG {one.name}: {wrong}")
    print(f"{sum(not one.wrong for one in tried)} of {len(tried)} inputs are read right. Refused, with these words:")
    for one in tried:
        if one.said and not one.wrong:
            print(f"- {one.name}: {one.said}")


if __name__ == "__main__":
    main(sys.argv[1:])

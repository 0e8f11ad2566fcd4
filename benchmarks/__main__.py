"""Runs the benchmarks, prints their tables and keeps them under ``benchmarks/results``."""

from __future__ import annotations

import argparse
import datetime
import importlib
import sys
from pathlib import Path

from benchmarks import machine

NAMES = (
    "inputs",
    "ceiling",
    "engine",
    "reading",
    "memory",
    "startup",
    "slider",
    "window",
    "training",
    "batch",
    "blockwise",
    "cluster",
    "tracking",
)
WITH_DATA = ("accuracy", "volumes")
"""Those that measure data sets of the user's: they take arguments of their own, and are not among "all"."""

WITH_PEERS = ("peers",)
"""Those that need other programs, which ``nox -s peers`` installs; not among "all"."""

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in WITH_DATA:
        importlib.import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"On data sets: {', '.join(f'python -m benchmarks {name} --help' for name in WITH_DATA)}",
    )
    parser.add_argument(
        "names", nargs="*", choices=[*NAMES, *WITH_PEERS, []], help="which to run; all, and kept, if none is named"
    )
    names = parser.parse_args().names
    description = machine.describe()
    print(description, "\n")
    parts = [f"# {datetime.date.today()}", description, ""]
    for name in names or NAMES:
        text = importlib.import_module(f"benchmarks.{name}").measure().markdown()
        print(text, flush=True)
        parts.append(text)
    if not names:
        RESULTS.mkdir(exist_ok=True)
        file = RESULTS / f"{datetime.date.today()}-{machine.slug()}.md"
        file.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
        print(f"Kept in {file}.")


if __name__ == "__main__":
    main()

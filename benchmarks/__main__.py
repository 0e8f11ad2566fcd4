"""Runs the benchmarks, prints their tables and keeps them under ``benchmarks/results``."""

from __future__ import annotations

import argparse
import datetime
import importlib
from pathlib import Path

from benchmarks import machine

NAMES = ("ceiling", "engine", "memory", "startup", "slider", "window", "training", "batch", "blockwise", "cluster")
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which to run; all, and kept, if none is named")
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

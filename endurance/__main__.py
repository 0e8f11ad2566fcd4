"""Runs campaigns, prints what they counted, and exits with 1 if anything was violated."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

from endurance.tally import VIOLATED

NAMES = ("models", "images", "texts", "kills", "together", "disks", "process", "window")
LONG = ("process", "window")
"""Those that go on for as long as they are told."""


def main() -> None:
    """Read what is asked for, and do it."""
    parser = argparse.ArgumentParser(prog="python -m endurance", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which campaigns; all if none is named")
    parser.add_argument("--share", type=float, default=1.0, help="part of the full number of trials, 1 by default")
    parser.add_argument(
        "--kept", type=Path, default=Path("endurance-found"), help="folder for spoiled files that broke it"
    )
    parser.add_argument("--hours", type=float, default=0.0, help=f"for which {' and '.join(LONG)} go on, each")
    given = parser.parse_args()
    names = given.names or NAMES
    if given.hours and not set(LONG).intersection(names):
        parser.error(f"--hours is without effect unless {' or '.join(LONG)} is run.")
    # One thread: a process that has computed with more cannot be copied.
    os.environ["OMP_NUM_THREADS"] = "1"
    violated = False
    with tempfile.TemporaryDirectory(prefix="endurance-user-") as user:
        for name in ("MODELS", "CORRECTIONS", "TEMPLATES", "CACHE", "CLASSES"):
            os.environ[f"NAPARI_UNET_NUCLEI_{name}"] = os.fspath(Path(user) / name.lower())
        os.environ["NAPARI_CONFIG"] = os.fspath(Path(user) / "settings.yaml")
        # Whatever a campaign leaves in the folder for temporary files goes with this one.
        os.environ["TMPDIR"], tempfile.tempdir = user, None
        for name in names:
            began = time.monotonic()
            longer = {"hours": given.hours} if name in LONG else {}
            tally = importlib.import_module(f"endurance.{name}").run(given.share, given.kept.resolve(), **longer)
            print(*tally.lines(), f"  in {(time.monotonic() - began) / 60:.1f} minutes", sep="\n", flush=True)
            violated |= bool(tally.counts[VIOLATED])
    sys.exit(int(violated))


if __name__ == "__main__":
    main()

"""How long the program takes until it answers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import imageio.v3 as iio

from benchmarks.images import field
from benchmarks.table import Table

TRIES = 5


def measure() -> Table:
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "nuclei.png"
        iio.imwrite(image, field(1)[:256, :256])
        commands = {
            "--help": ("--help",),
            "segment --help": ("segment", "--help"),
            "models list": ("models", "list"),
            "segment, an image of 256×256": ("segment", str(image), "--out", folder, "--quiet"),
        }
        rows = tuple((name, f"{best_seconds(*arguments):.2f}") for name, arguments in commands.items())
    return Table(
        "Start-up of the program",
        ("command", "seconds"),
        rows,
        f"Best of {TRIES}, from a new process to its end; the last one imports PyTorch. Aim: --help in at most 0.5 s.",
    )


def best_seconds(*arguments: str) -> float:
    """Return the shortest time that the program takes."""

    def once() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "napari_unet_nuclei", *arguments], stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - start

    return min(once() for _ in range(TRIES))

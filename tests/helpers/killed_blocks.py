"""Segments an image in blocks until it is killed at a word of its progress. Arguments: kind, image, labels, word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

from napari_unet_nuclei.core.blocks import plan as block_plan
from napari_unet_nuclei.core.blocks.segment import segment_blockwise
from napari_unet_nuclei.core.progress import Event, Silent
from tests.helpers import block_images, block_stacks


def run_until_killed(kind: Literal["planes", "stack"], image: Path, out: Path, word: str) -> None:
    """Run this program, and kill it where a report of its progress has the word."""
    command, pipe = [sys.executable, "-m", __name__, kind, str(image), str(out), word], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout is not None
        assert any(word in line for line in child.stdout), "the run ended before it could be killed"
        child.kill()


class WaitsAt(Silent):
    """Tells every event, and waits to be killed at one that has a word."""

    def __init__(self, word: str) -> None:
        self._word = word

    def report(self, event: Event) -> None:
        sys.stdout.write(f"{event}\n")
        sys.stdout.flush()
        if self._word in str(event):
            sys.stdin.read()


if __name__ == "__main__":
    kind, image, out, word = sys.argv[1:]
    if kind == "stack":
        request, block = block_stacks.request_of_stack(Path(image)), block_stacks.BLOCK
    else:
        request, block = block_images.request_of(Path(image)), block_images.BLOCK
        block_plan.SMALLEST_HALO, block_plan.HALO_DIAMETERS = 64, 3
    segment_blockwise(request, Path(out), WaitsAt(word), block=block)

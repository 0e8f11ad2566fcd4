"""Runs a batch again and again, each time killed at its next step on the disk, then once more to its end.

A program of its own: it imports everything once, and every run is a copy of it that it forks off. Arguments: folder of
images, model file, folder for the results of every try, and how many steps lie between two deaths. Prints how many
runs were killed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.segment.run import run_segment
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings

assert run_segment  # imported here, so that no copy has to
choose_device("cpu")  # and timed here


def main() -> None:
    images, model, results, between = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    deaths = 0
    run(images, model, results / "whole", 0)
    while run(images, model, results / str(deaths), 1 + deaths * between) == signal.SIGKILL:
        run(images, model, results / f"{deaths} again", 0, start_from=results / str(deaths))
        deaths += 1
    sys.stdout.write(f"{deaths}\n")


def run(images: Path, model: str, out: Path, death: int, start_from: Path | None = None) -> int:
    """Segment in a copy of this process, which dies at that step; returns the signal that ended it."""
    if start_from:
        os.system(f"cp -r '{start_from}' '{out}'")
    child = os.fork()
    if child == 0:
        if death:
            die_at(death, out)
        template = RequestTemplate(SegmentSettings().changed(diameter=24.0, device="cpu"), model)
        batch = BatchSettings(rois=True, geojson=True, overlay=True)
        report = segment_files([images], out, template, batch=batch)
        os._exit(len(report.failed))
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"a run failed: {status}"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def die_at(death: int, out: Path) -> None:
    """Kill this process when it is about to open, rename or make something for the n-th time in the results."""
    steps = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal steps
        if event in ("open", "os.rename", "os.mkdir") and str(arguments[0]).startswith(str(out)):
            steps += 1
            if steps == death:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


if __name__ == "__main__":
    main()

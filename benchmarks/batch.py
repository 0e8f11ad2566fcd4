"""A run over a folder: how well it keeps the processor busy, and what a run costs of which all is done."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.child import in_child
from benchmarks.images import field, write_folder
from benchmarks.table import Table

IMAGES = 24
MEGAPIXELS = 1


def measure() -> Table:
    measured = partial(in_child, run, bound=False)
    with tempfile.TemporaryDirectory() as name:
        folder = write_folder(Path(name) / "images", IMAGES, MEGAPIXELS)
        out = Path(name) / "out"
        one = measured(str(folder), str(out / "one"), 1)
        several = measured(str(folder), str(out / "several"), 0)
        again = measured(str(folder), str(out / "several"), 0)
        none, two = (measured(str(folder), str(out / f"waiting {room}"), 0, room) for room in (0, 2))
        untuned = measured(str(folder), str(out / "untuned"), 0, -1, False)
    rows = [
        ("one image after the other", *_figures(*one)),
        ("several at once", *_figures(*several)),
        ("several at once, no more in hand", *_figures(*none)),
        ("several at once, two more in hand", *_figures(*two)),
        ("several at once, freed memory handed back", *_figures(*untuned)),
        ("again, all done", *_figures(*again)),
    ]
    return Table(
        f"A folder of {IMAGES} images of {MEGAPIXELS} megapixel",
        ("run", "seconds", "images/s", "core-seconds ÷ cores", "share of it that the wall clock takes"),
        tuple(rows),
        "After the model is loaded, with labels, tables, summary and report. Aim: several at once take at most 1.1 "
        "times the core-seconds of all stages divided by the cores.",
    )


def _figures(seconds: float, core_seconds: float, cores: int) -> tuple[str, str, str, str]:
    ideal = core_seconds / cores
    return f"{seconds:.1f}", f"{IMAGES / seconds:.2f}", f"{ideal:.1f}", f"{seconds / ideal:.2f}"


def run(folder: str, out: str, lanes: int, room: int = -1, keep: bool = True) -> tuple[float, float, int]:
    """Segment the folder; returns wall-clock seconds, seconds of all cores, and how many cores it may use.

    Parameters
    ----------
    folder, out : str
    lanes : int
        Images at once; 0 for as many as the program chooses.
    room : int
        Images in hand beyond those; -1 for as many as the program chooses.
    keep : bool
        Keep freed memory, as the command line does.
    """
    import torch

    from napari_unet_nuclei import segment, segment_folder
    from napari_unet_nuclei.core.executors import executors
    from napari_unet_nuclei.core.executors.malloc import keep_freed_memory
    from napari_unet_nuclei.core.folder import run as batch_run

    if keep:
        keep_freed_memory()
    if lanes:
        executors.MOST_LANES, executors.GRAPHICS_LANES, room = lanes, lanes, 0
    if room >= 0:
        batch_run.WAITING_ROOM = room
    segment(field(MEGAPIXELS)[:256, :256], axes="YX", diameter=22.0)  # loads everything
    started, used = time.perf_counter(), time.process_time()
    segment_folder(folder, out, diameter=22.0)
    return time.perf_counter() - started, time.process_time() - used, torch.get_num_threads()

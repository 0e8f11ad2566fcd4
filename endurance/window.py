"""Hours in one napari window: open an image, find its nuclei, correct and measure them, close all, and again.

What counts is what a cycle leaves behind: memory, objects, threads and open files are noted after each, and their slope
is bounded. ``-- window --share 10`` has ten times as many cycles.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.window import at_rest, pause, screen, wait
from endurance.tally import Tally

CYCLES = 100
"""About twenty minutes on two cores."""

FEWEST = 75
"""Cycles that give a slope worth the name."""

SETTLED = 25
"""Cycles in which caches fill, which are not counted."""

MOST_BYTES, MOST_OBJECTS, MOST_THREADS, MOST_FILES = 256 * 1024, 400, 0.01, 0.01
"""Slopes that are allowed, a cycle. napari keeps a record of each job, some kilobytes, until its window closes; a layer
that is not freed has thousands of objects."""

SIDE = 160
"""Of the images, in pixels."""


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


def run(share: float, kept: Path) -> Tally:
    """Use a window for many cycles, and look at what grows; nothing is kept in ``kept``."""
    cycles = max(round(CYCLES * share), FEWEST)
    tally = Tally("Hours in one window")
    with screen():
        held, corrected = _use(cycles)
    tally.counts["cycles"] = cycles
    tally.counts["nuclei corrected"] = corrected
    counted = held[SETTLED:]
    bounds = {
        "memory": (MOST_BYTES, 1024, " KiB"),
        "objects": (MOST_OBJECTS, 1, ""),
        "threads": (MOST_THREADS, 1, ""),
        "files": (MOST_FILES, 1, ""),
    }
    for name, (most, unit, word) in bounds.items():
        values = [getattr(one, name) for one in counted]
        slope = slope_of(values)
        figure = f"{name}: {slope / unit:+.3f}{word} a cycle, from {values[0]:,} to {values[-1]:,}"
        tally.figures.append(figure)
        if slope > most:
            tally.violate(f"{name} grow by more than {most / unit}{word} a cycle", figure)
    return tally


def slope_of(values: list[int]) -> float:
    """Return the median of the slopes between all pairs (Theil and Sen), which single steps do not move."""
    found = np.asarray(values, float)
    first, second = np.triu_indices(len(found), 1)
    return float(np.median((found[second] - found[first]) / (second - first)))


def _use(cycles: int) -> tuple[list[Held], int]:
    import napari

    viewer = napari.Viewer()
    pause(1000)
    held, corrected = [], 0
    for cycle in range(cycles):
        corrected += _cycle(viewer, cycle)
        held.append(Held.now())
    viewer.close()
    return held, corrected


def _cycle(viewer: Any, number: int) -> int:
    """Do once what a user does all day; return how many nuclei were corrected."""
    from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei

    image = fluorescent_nuclei(number, (SIDE, SIDE), 24, 16).image
    viewer.add_image(image, name=f"image {number}")
    with _dock(viewer, "Segment nuclei") as segment:
        segment.job_panel.run_button.click()
        wait(lambda: not segment.job_panel.is_running and segment.session.live is not None)
        at_rest(segment)
        with _dock(viewer, "Correct nuclei") as correct, _dock(viewer, "Measure nuclei") as measure:
            corrected = _correct(correct)
            measure.panel.run_button.click()
            wait(lambda: "measured" in measure.panel.status_label.text())
        viewer.layers.clear()
        pause(100)
    return corrected


def _correct(dock: Any) -> int:
    """Review a few nuclei: accept one, delete one, take that back, and accept the next."""
    wait(lambda: dock.current.session is not None and dock.current.session.review.is_listed(()))
    for act in ("next", "accept", "next", "delete", "undo", "next", "accept"):
        dock.do(act)
        wait(lambda: not dock.current.session.is_busy)
        pause(5)
    return 3


@contextmanager
def _dock(viewer: Any, name: str) -> Iterator[Any]:
    """Open a dock, and close it in the end."""
    docked, dock = viewer.window.add_plugin_dock_widget("napari-unet-nuclei", name)
    pause(50)
    yield dock
    viewer.window.remove_dock_widget(docked)
    pause(50)

"""Hours in one napari window: open an image, find its nuclei, correct and measure them, close all, and again.

What counts is what a cycle leaves behind: memory, objects, threads and open files are noted after each, and their slope
is bounded. ``-- window --hours 8`` goes on for a day of work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.window import at_rest, pause, screen, wait
from endurance.growth import Growth, repeat
from endurance.tally import Tally

CYCLES = 100
"""About twenty minutes on two cores."""

FEWEST = 75
"""Cycles that give a slope worth the name."""

SETTLED = 25
"""Cycles in which caches fill, which are not counted."""

MOST = {"memory": 256 * 1024, "objects": 400, "threads": 0.01, "files": 0.01}
"""Slopes that are allowed, a cycle. napari keeps a record of each job, some kilobytes, until its window closes; a layer
that is not freed has thousands of objects."""

SIDE = 160
"""Of the images, in pixels."""


def run(share: float, kept: Path, hours: float = 0.0) -> Tally:
    """Use a window for many cycles, and look at what grows; nothing is kept in ``kept``."""
    tally = Tally("Hours in one window")
    with screen():
        growth = _use(tally, max(round(CYCLES * share), FEWEST), hours)
    growth.judge(tally, "cycle", MOST)
    return tally


def _use(tally: Tally, cycles: int, hours: float) -> Growth:
    import napari

    viewer = napari.Viewer()
    pause(1000)

    def cycle(number: int) -> None:
        tally.counts["nuclei corrected"] += _cycle(viewer, number)
        tally.count("cycles")

    growth = repeat(cycle, cycles, SETTLED, hours)
    viewer.close()
    return growth


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

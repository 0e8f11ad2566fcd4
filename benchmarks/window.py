"""The window: how soon the dock is there, how long it stands still during a run, how fast it follows a slider."""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.child import in_child
from benchmarks.images import PIECE, field
from benchmarks.table import Table

SIDES = (512, 2048, 4096)
"""Of the images on which sliders are moved, in pixels."""

POSITIONS = (30, 35, 40, 45, 50, 55, 60, 65, 70)
"""Of a slider, in per cent."""

TICK = 2
"""Milliseconds between two beats of the window's heart."""

FOREIGN, PITCH = 10_000, 41
"""Nuclei of labels from elsewhere, and their distance in pixels: a plane of about 4096 x 4096."""

KEYS = 20
"""How often the keys N and A are pressed."""

LONGEST = 600_000
"""Milliseconds after which a run is given up."""

AFTERWARDS = 1500
"""Milliseconds after a run in which napari draws the new layer."""


def measure() -> Table:
    # Neither do the user's own settings count here, nor are they changed.
    with screen(), tempfile.TemporaryDirectory() as folder, settings_in(Path(folder)):
        figures = in_child(window_figures)
    return Table(
        "The window",
        ("what", "ms"),
        tuple((name, f"{1e3 * seconds:.0f}") for name, seconds in figures.items()),
        "The longest stalls of the window's thread during a run on 1 megapixel: in our own code (the time that napari "
        "takes in the same moment left out; second run), while PyTorch is imported (first run), and in one call of "
        "napari that adds, changes or draws a layer. Sliders are timed from the move to the new labels in the layer, "
        "median of nine. Aims: our own at most 50 ms, slider at most 150 ms on what is in view and 2 s for "
        "4096 x 4096, a key in Correct at most 100 ms and never more than 200, foreign labels ready within 1 s.",
    )


@contextlib.contextmanager
def screen() -> Iterator[None]:
    """Provide a screen: the user's, or where there is none on Linux, Xvfb."""
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        yield
        return
    from pyvirtualdisplay import Display

    with Display(visible=False, size=(1600, 1000)):
        yield


@contextlib.contextmanager
def settings_in(folder: Path) -> Iterator[None]:
    """Let children keep napari's settings in a folder of their own."""
    before = os.environ.get("NAPARI_CONFIG")
    os.environ["NAPARI_CONFIG"] = str(folder / "settings.yaml")
    try:
        yield
    finally:
        if before is None:
            del os.environ["NAPARI_CONFIG"]
        else:
            os.environ["NAPARI_CONFIG"] = before


def window_figures() -> dict[str, float]:
    """Return seconds by what was measured."""
    start = time.perf_counter()
    import napari

    napari_calls = Occupied()
    watch_napari(napari_calls)
    viewer = napari.Viewer()
    pause(1)
    figures = {"napari's window opens": time.perf_counter() - start}
    start = time.perf_counter()
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-nuclei", "Segment nuclei")
    pause(1)
    figures["the dock opens"] = time.perf_counter() - start

    viewer.add_image(field(1), name="1")
    pause(AFTERWARDS)
    first, second = (run_with_heart(dock, napari_calls) for _ in range(2))
    figures["longest stall: our code"] = second.ours
    figures["longest stall: import of PyTorch"] = first.importing
    figures["longest stall: napari adding or drawing the layer"] = max(first.napari, second.napari)
    for side in SIDES:
        viewer.layers.clear()
        pause(AFTERWARDS)  # napari crashes where an image takes another one's place before the window was drawn again
        viewer.add_image(field(max(side // PIECE, 1) ** 2)[:side, :side], name=f"{side}")
        run_with_heart(dock, napari_calls)
        for name in ("foreground", "split"):
            figures[f"from slider ({name}) to count, {side} x {side}"] = slider_seconds(dock, name)
    figures |= correcting_figures(viewer)
    viewer.close()
    return figures


def correcting_figures(viewer: Any) -> dict[str, float]:
    """Return how soon the review of 10,000 foreign nuclei is ready, and how fast its keys are."""
    import numpy as np

    viewer.layers.clear()
    pause(AFTERWARDS)
    square = np.zeros((PITCH, PITCH), bool)
    square[5:-5, 5:-5] = True
    side = int(FOREIGN**0.5)
    ids = np.arange(1, side * side + 1, dtype=np.int32).reshape(side, side)
    viewer.add_labels(np.kron(ids, square.astype(np.int32)), name="foreign")
    pause(AFTERWARDS)
    beats: list[float] = []
    start = time.perf_counter()
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-nuclei", "Correct nuclei")
    while not dock.current.require().review.is_listed(()):
        pause(TICK)
        beats.append(time.perf_counter())
    ready = time.perf_counter() - start
    pause(2 * AFTERWARDS)
    keys = []
    for _ in range(KEYS):
        start = time.perf_counter()
        dock.do("next")
        dock.do("accept")
        pause(0)
        keys.append((time.perf_counter() - start) / 2)
    return {
        f"Correct: review of {FOREIGN:,} foreign nuclei ready": ready,
        "Correct: longest stall until then": max(b - a for a, b in itertools.pairwise([beats[0], *beats])),
        f"Correct: a key at {FOREIGN:,} nuclei, median": statistics.median(keys),
        f"Correct: a key at {FOREIGN:,} nuclei, longest": max(keys),
    }


class Occupied:
    """Times at which some code held the window's thread; calls within calls count once."""

    def __init__(self) -> None:
        self.intervals: list[tuple[float, float]] = []
        self._depth = 0

    def watch(self, owner: type, name: str) -> None:
        """Note every call of a method, or every assignment to a property."""
        found = getattr(owner, name)
        if isinstance(found, property):
            setattr(owner, name, property(found.fget, self._noted(found.fset), found.fdel))
        else:
            setattr(owner, name, self._noted(found))

    def within(self, start: float, end: float) -> float:
        """Return how many seconds of a span were occupied."""
        return sum(max(0.0, min(b, end) - max(a, start)) for a, b in self.intervals)

    def longest(self, start: float) -> float:
        """Return the longest interval that began at some time or later."""
        return max((b - a for a, b in self.intervals if a >= start), default=0.0)

    def _noted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            self._depth += 1
            try:
                return function(*arguments, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.intervals.append((start, time.perf_counter()))

        return call


def watch_napari(calls: Occupied) -> None:
    """Note what napari does with layers; to be called before there is a window."""
    from napari.components import ViewerModel
    from napari.layers import Labels
    from qtpy import API_NAME
    from vispy.app import use_app

    use_app(API_NAME.lower())
    from vispy.app.backends._qt import CanvasBackendDesktop  # there once a binding is chosen

    calls.watch(ViewerModel, "add_labels")
    for name in ("data", "features", "metadata"):
        calls.watch(Labels, name)
    calls.watch(CanvasBackendDesktop, "paintGL")


class Stalls:
    """The longest stalls of one run, in seconds, by cause."""

    def __init__(self, beats: list[float], imported: float, calls: Occupied) -> None:
        gaps = list(itertools.pairwise(beats))
        self.importing = max((end - start for start, end in gaps if start < imported), default=0.0)
        self.ours = max(end - start - calls.within(start, end) for start, end in gaps)
        self.napari = calls.longest(beats[0])


def run_with_heart(dock: Any, calls: Occupied) -> Stalls:
    """Press Run, and watch how regularly the window's thread gets to its timer until the labels are drawn."""
    from qtpy.QtCore import QEventLoop, QTimer

    beats: list[float] = []
    reports: list[float] = []

    def note_report(event: object) -> None:
        reports.append(time.perf_counter())

    heart = QTimer()
    heart.timeout.connect(lambda: beats.append(time.perf_counter()))
    loop = QEventLoop()
    dock.job_panel.reported.connect(note_report)
    dock.session.answered.connect(loop.quit)
    QTimer.singleShot(0, dock.job_panel.run_button.click)
    heart.start(TICK)
    QTimer.singleShot(LONGEST, loop.quit)
    loop.exec()
    assert not dock.job_panel.is_running, f"the run did not end: {dock.job_panel.status_label.text()}"
    pause(AFTERWARDS)
    heart.stop()
    dock.job_panel.reported.disconnect(note_report)
    dock.session.answered.disconnect(loop.quit)
    # The first report says that PyTorch is being loaded, the second comes when it is.
    return Stalls(beats, reports[1], calls)


def slider_seconds(dock: Any, name: str) -> float:
    """Move a slider and wait for the labels and their number, several times; return the median."""
    from qtpy.QtCore import QEventLoop

    slider = dock.result_panel.thresholds.sliders[name].slider
    seconds = []
    for position in POSITIONS:
        if position == slider.value():
            continue
        loop = QEventLoop()
        dock.session.live.labels_changed.connect(loop.quit)
        start = time.perf_counter()
        slider.setValue(position)
        loop.exec()
        seconds.append(time.perf_counter() - start)
        dock.session.live.labels_changed.disconnect(loop.quit)
        pause(AFTERWARDS)
    return statistics.median(seconds)


def pause(milliseconds: int) -> None:
    """Let the window live for a moment."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()

"""The window: how soon it answers, and how long its thread stands still, each beside what is aimed at."""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.child import in_child
from benchmarks.images import PIECE, field
from benchmarks.table import Table

SIDES = (512, 2048, 4096)
"""Of the images on which sliders are moved, in pixels."""

POSITIONS = (35, 55, 45, 65)
"""Of a slider, in per cent; of *Smallest* in px²."""

TICK = 2
"""Milliseconds between two beats of the window's heart."""

FOREIGN, PITCH = 10_000, 41
"""Nuclei of labels from elsewhere, and their distance in pixels: a plane of about 4096 x 4096."""

KEYS = {"next": "N", "accept": "A", "split": "S", "delete": "D", "undo": "Ctrl+Z"}
"""Keys of *Correct* that are pressed, by what they do."""

PRESSED = 12
"""How often each key is pressed."""

LONGEST = 600_000
"""Milliseconds after which a run is given up."""

AFTERWARDS = 1500
"""Milliseconds after a run in which napari draws the new layer."""


@dataclass(frozen=True)
class Figure:
    """What was measured, in seconds; 0 where there is no such figure, or no aim."""

    what: str
    took: float = 0.0
    aim: float = 0.0
    stall: float = 0.0  # longest time between two beats of the window's thread
    busy: float = 0.0  # the processor time of that thread in the longest stall by this measure
    stall_aim: float = 0.0

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        aims = (self.took, self.aim), (self.stall, self.stall_aim)
        return (
            self.what,
            *(f"{_ms(value)}{f' (aim {_ms(aim)})' if aim else ''}" for value, aim in aims),
            _ms(self.busy),
        )


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.0f}" if seconds else ""


def measure() -> Table:
    # Neither do the user's own settings count here, nor are they changed.
    with screen(), tempfile.TemporaryDirectory() as folder, settings_in(Path(folder)):
        figures = [Figure(**given) for given in in_child(window_figures)]
    return Table(
        "The window",
        ("what", "ms", "longest stall, ms", "of processor, ms"),
        tuple(figure.cells for figure in figures),
        "A stall is the time between two turns of the window's thread, drawing by napari included; the last column is "
        "what that thread had of a processor then, which other programs on the machine hardly lengthen. Sliders: "
        f"median of {len(POSITIONS)} moves, shown as outlines: until the number in view is there, and until all "
        "labels are in the layer.",
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


def window_figures() -> list[dict[str, Any]]:
    """Return the fields of every `Figure`."""
    start = time.perf_counter()
    import napari

    viewer = napari.Viewer()
    pause(1)
    figures = [Figure("napari's window opens", time.perf_counter() - start)]
    heart = Heart()
    dock = opened(viewer, "Segment nuclei")
    figures.append(heart.figure("*Segment nuclei* opens"))
    figures += first_runs(viewer, dock)
    for side in SIDES:
        viewer.layers.clear()
        pause(AFTERWARDS)  # napari crashes where an image takes another one's place before the window was drawn again
        viewer.add_image(field(max(side // PIECE, 1) ** 2)[:side, :side], name=f"{side}")
        pause(AFTERWARDS)
        figures += run_figures(dock, f"a run, {side} x {side}")
        dock.display.choose("Outlines")
        for name, title in SLIDERS.items():
            figures += slider_figures(dock, name, f"*{title}*, {side} x {side}", side)
    figures += correcting_figures(viewer)
    viewer.close()
    return [asdict(figure) for figure in figures]


SLIDERS = {"foreground": "Edge", "split": "Split touching", "score": "Drop doubtful", "min_size": "Smallest"}


def opened(viewer: Any, name: str) -> Any:
    """Open a dock."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-nuclei", name)
    pause(1)
    return dock


class Heart:
    """Notes how regularly the window's thread gets to a timer."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self.beats: list[tuple[float, float]] = []
        self._timer = QTimer()
        self._timer.timeout.connect(self.beat)
        self._timer.start(TICK)
        self.beat()

    def beat(self) -> None:
        """Note the time, and the processor time of this thread."""
        self.beats.append((time.perf_counter(), time.thread_time()))

    def figure(self, what: str, took: float | None = None, aim: float = 0.0, stall_aim: float = 0.0) -> Figure:
        """Return the longest stalls since the last figure, or the first beat."""
        self.beat()
        pairs = list(itertools.pairwise(self.beats))
        took = self.beats[-1][0] - self.beats[0][0] if took is None else took
        self.beats = self.beats[-1:]
        stall, busy = (max(after[kind] - before[kind] for before, after in pairs) for kind in (0, 1))
        return Figure(what, took, aim, stall, busy, stall_aim)


def first_runs(viewer: Any, dock: Any) -> list[Figure]:
    """Return what the import of PyTorch in the background and the first runs do to the window."""
    heart, loaded = Heart(), []
    dock.early_engine.loaded.connect(loaded.append)
    viewer.add_image(field(1), name="1")
    added = heart.figure("napari adds the first image, and loads its units")
    wait(lambda: bool(loaded))
    imported = heart.figure("PyTorch is imported in the background")
    return [
        added,
        imported,
        *run_figures(dock, "first run, 1024 x 1024"),
        *run_figures(dock, "second run, 1024 x 1024"),
    ]


def run_figures(dock: Any, what: str) -> list[Figure]:
    """Press *Find nuclei*, and wait until the labels are drawn; return when those in view were, and when all."""
    first, ended = [], []

    def note_first(_answer: object) -> None:
        first.append(time.perf_counter())

    def note(_answer: object) -> None:
        ended.append(time.perf_counter())

    dock.session.came_first.connect(note_first)
    dock.session.answered.connect(note)
    heart, start = Heart(), time.perf_counter()
    dock.job_panel.run_button.click()
    wait(lambda: bool(ended) or not dock.job_panel.is_running)
    assert ended, f"the run did not end: {dock.job_panel.status_label.text()}"
    pause(AFTERWARDS)
    dock.session.came_first.disconnect(note_first)
    dock.session.answered.disconnect(note)
    whole = heart.figure(what, ended[0] - start, stall_aim=0.1)
    at_rest(dock)
    return [*(Figure(f"{what}: what is in view", one - start) for one in first), whole]


def at_rest(dock: Any) -> None:
    """Wait until nothing follows any more: neither labels, nor the table, nor the number of doubtful nuclei."""
    live = dock.session.live
    wait(lambda: not live.is_busy and live.doubtful is not None)
    pause(100)


def slider_figures(dock: Any, name: str, what: str, side: int) -> list[Figure]:
    """Move a slider several times; return how soon the number of nuclei in view is there, and all labels."""
    slider = dock.result_panel.thresholds.sliders[name].slider
    moves = [moved(dock, slider, position, what) for position in POSITIONS if position != slider.value()]
    worst, aim = max((stall for _, stall in moves), key=lambda one: one.busy), 2.0 if side == max(SIDES) else 0.0
    return [
        Figure(f"{what}: number in view", statistics.median(told for told, _ in moves), 0.15),
        Figure(
            f"{what}: all labels", statistics.median(one.took for _, one in moves), aim, worst.stall, worst.busy, 0.1
        ),
    ]


def moved(dock: Any, slider: Any, position: int, what: str) -> tuple[float, Figure]:
    """Move a slider; return the seconds until a number of nuclei is there, and a figure until all labels are."""
    live, known = dock.session.live, []
    before = live.result

    def note() -> None:
        if live.in_view or live.result is not before:
            known.append(time.perf_counter())

    live.work_changed.connect(note)
    live.labels_changed.connect(note)
    heart, start = Heart(), time.perf_counter()
    slider.setValue(position)
    wait(lambda: not live.is_decoding)
    figure = heart.figure(what)
    live.work_changed.disconnect(note)
    live.labels_changed.disconnect(note)
    pause(AFTERWARDS)
    return known[0] - start, figure


def correcting_figures(viewer: Any) -> list[Figure]:
    """Return how soon the review of 10,000 foreign nuclei is ready, and how fast its keys are."""
    import numpy as np

    viewer.layers.clear()
    pause(AFTERWARDS)
    dock = opened(viewer, "Correct nuclei")
    pause(AFTERWARDS)
    square = np.zeros((PITCH, PITCH), bool)
    square[5:-5, 5:-5] = True
    side = int(FOREIGN**0.5)
    ids = np.arange(1, side * side + 1, dtype=np.int32).reshape(side, side)
    labels = np.kron(ids, square.astype(np.int32))
    heart, start = Heart(), time.perf_counter()
    viewer.add_labels(labels, name="foreign")
    added = heart.figure(f"napari adds {FOREIGN:,} foreign nuclei")
    wait(lambda: dock.current.session is not None and dock.current.session.review.is_listed(()))
    figures = [added, heart.figure(f"*Correct*: review of {FOREIGN:,} foreign nuclei ready", aim=1.0, stall_aim=0.1)]
    wait(lambda: not dock.current.session.is_busy)
    pause(2 * AFTERWARDS)
    for act, key in KEYS.items():
        heart, times, busy = Heart(), [], []
        for _ in range(PRESSED):
            start, began = time.perf_counter(), time.thread_time()
            dock.do(act)
            pause(0)
            times.append(time.perf_counter() - start)
            busy.append(time.thread_time() - began)
            if act in ("split", "delete"):
                dock.do("next")
            pause(50)
        figures.append(
            Figure(f"*Correct*: {key} at {FOREIGN:,} nuclei", statistics.median(times), 0.1, max(times), max(busy), 0.2)
        )
    return figures


def wait(is_so: Callable[[], bool]) -> None:
    """Let the window live until something is so."""
    end = time.monotonic() + LONGEST / 1e3
    while not is_so():
        assert time.monotonic() < end, "waited for too long"
        pause(TICK)


def pause(milliseconds: int) -> None:
    """Let the window live for a moment."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()

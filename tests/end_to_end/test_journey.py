"""From a sample to a model of one's own and back, in a real window, by mouse and keys alone."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QComboBox, QMainWindow, QMenuBar, QPushButton, QTabBar, QWidget

from napari_unet_nuclei.core.corrections.store import corrections_folder, list_corrections
from napari_unet_nuclei.core.labels.edit.edit import find_box
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.gui.correct.dock import CorrectDock
from napari_unet_nuclei.gui.finetune.dock import RESULT, TRAINING, FinetuneDock
from napari_unet_nuclei.gui.finetune.form import FinetuneChoices
from napari_unet_nuclei.gui.segment.dock import SegmentDock
from napari_unet_nuclei.gui.settings.remembered import remember
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.viewer.reviewed_layer import reviewed_mask
from tests.helpers.correcting import Bench

LONG = 120_000
"""Milliseconds that anything may take on a busy machine."""

BASE = "nuclei"
QUICK = FinetuneSettings().changed(
    steps=2, epoch_steps=1, time=3600.0, learning_rate=1e-5, rehearsal=False, device="cpu"
)

pytestmark = pytest.mark.timeout(600)


def test_from_a_sample_to_a_model_of_ones_own_and_back(qtbot, make_napari_viewer_proxy) -> None:
    remember(FinetuneChoices(QUICK, BASE))
    viewer = make_napari_viewer_proxy(show=True)
    hands = Hands(qtbot, viewer)
    hands.choose("File", "Open Sample", "Nuclei", "Fluorescent nuclei")
    segment = hands.open_dock(SegmentDock, "Layers", "Segment", "Nuclei", "Segment nuclei")
    assert hands.segment(segment).metadata["nuclei"]["provenance"]["model"] == BASE
    correct = hands.open_dock(CorrectDock, "Layers", "Annotate", "Correct nuclei")
    bench = Bench(viewer, correct, qtbot)
    bench.settle()
    bench.activate()
    review_by_keys(bench)
    cut_and_take_back(bench)
    draw_region(bench)
    finetune = hands.open_dock(FinetuneDock, "Layers", "Annotate", "Fine-tune")
    name = hands.finetune(finetune)
    [kept] = list_corrections(corrections_folder())
    assert len(kept.accepted) >= 3, "decisions are kept with the labels"
    hands.show_tab(segment)
    hands.pick(segment.form.model_picker.box, name)
    assert hands.segment(segment).metadata["nuclei"]["provenance"]["model"] == name


def review_by_keys(bench: Bench) -> None:
    """Accept, delete and skip the most doubtful ones."""
    bench.key("N")
    first = bench.dock.navigator.candidate
    bench.key("A")
    bench.key("A")
    deleted = bench.dock.navigator.candidate
    bench.key("D")
    assert not (bench.plane == deleted.id).any()
    bench.key("N")
    assert not bench.session.review.is_pending(first)
    assert bench.dock.queue_panel.count_label.text().endswith("look right")


def cut_and_take_back(bench: Bench) -> None:
    """Draw a line across a nucleus, take back what was done, and make it again."""
    bench.viewer.reset_view()
    before = bench.plane.copy()
    nucleus, (y0, y1, x0, x1) = in_the_middle(before)
    bench.key("K")
    bench.drag(((y0 - 3), (x0 + x1) / 2), ((y1 + 2), (x0 + x1) / 2))
    after = bench.plane.copy()
    assert set(np.unique(after[before == nucleus])) == {nucleus, before.max() + 1}
    bench.undo()
    np.testing.assert_array_equal(bench.plane, before)
    bench.undo()
    assert bench.plane.astype(bool).sum() > before.astype(bool).sum(), "the deleted nucleus is back"
    bench.redo()
    bench.redo()
    np.testing.assert_array_equal(bench.plane, after)


def in_the_middle(plane: np.ndarray) -> tuple[int, tuple[int, int, int, int]]:
    """Return a nucleus near the middle of a plane, and its box."""
    inside = np.argwhere(plane > 0)
    y, x = inside[np.abs(inside - np.array(plane.shape) / 2).sum(axis=1).argmin()]
    nucleus = int(plane[y, x])
    return nucleus, find_box(plane, nucleus, None)


def draw_region(bench: Bench) -> None:
    """Say what of the plane was reviewed."""
    bench.press(bench.dock.reviewed_panel.draw_button)
    height, width = bench.plane.shape
    bench.drag((0.25 * height, 0.25 * width), (0.75 * height, 0.75 * width))
    bench.press(bench.dock.reviewed_panel.draw_button)
    assert reviewed_mask(bench.viewer, bench.layer).mean() == pytest.approx(0.25, abs=0.03)


class Hands:
    """What a person does outside the dock that corrects."""

    def __init__(self, qtbot, viewer) -> None:
        self._qtbot = qtbot
        self._viewer = viewer
        shown = [one for one in QApplication.topLevelWidgets() if isinstance(one, QMainWindow) and one.isVisible()]
        [self._window] = shown

    def choose(self, *texts: str) -> None:
        """Click through a menu."""
        menu: QWidget = self._window.menuBar()
        for text in texts:
            [action] = [one for one in menu.actions() if one.text().replace("&", "").split(" (")[0] == text]
            place = menu.actionGeometry(action).center()
            QTest.mouseMove(menu, place)
            self._qtbot.mouseClick(menu, Qt.MouseButton.LeftButton, pos=place)
            if action.menu() is not None:
                menu = action.menu()
                self._qtbot.waitUntil(menu.isVisible, timeout=LONG)
        assert not isinstance(menu, QMenuBar)

    def open_dock(self, kind: type[Dock], *texts: str) -> Dock:
        """Choose a dock in a menu, and wait until it has come to the front."""
        self.choose(*texts)
        self._qtbot.waitUntil(lambda: any(one.is_in_front for one in self._window.findChildren(kind)), timeout=LONG)
        return self._window.findChild(kind)

    def show_tab(self, dock: Dock) -> None:
        """Click a dock's tab."""
        [(bar, tab)] = [
            (bar, tab)
            for bar in self._window.findChildren(QTabBar)
            for tab in range(bar.count())
            if bar.tabText(tab) == dock.tab_title
        ]
        self.click(bar, bar.tabRect(tab).center())
        self._qtbot.waitUntil(lambda: dock.is_in_front, timeout=LONG)

    def click(self, widget: QWidget, place: QPoint | None = None) -> None:
        assert widget.isEnabled()
        self._qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=place or widget.rect().center())

    def pick(self, box: QComboBox, text: str) -> None:
        """Go down a list by the arrow key, to what may have come into it just now."""
        self._qtbot.waitUntil(lambda: box.findText(text) >= 0, timeout=LONG)
        for _ in range(box.count()):
            if box.currentText() == text:
                return
            self._qtbot.keyClick(box, Qt.Key.Key_Down)
        assert box.currentText() == text

    def run(self, dock: SegmentDock | FinetuneDock, button: QPushButton) -> None:
        """Press a button that starts a job, and wait for its end."""
        self._qtbot.waitUntil(button.isEnabled, timeout=LONG)
        self.click(button)
        self._qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)

    def segment(self, dock: SegmentDock) -> Labels:
        """Segment, and return the new labels."""
        before = len(self._viewer.layers)
        self.run(dock, dock.job_panel.run_button)
        assert dock.job_panel.status_label.text().startswith("Done")
        assert len(self._viewer.layers) == before + 1
        assert self._viewer.layers[-1].data.max() > 50
        return self._viewer.layers[-1]

    def finetune(self, dock: FinetuneDock) -> str:
        """Teach the corrections, read the report, and keep the new model; return its name."""
        self._qtbot.waitUntil(lambda: not dock.corrections.is_checking, timeout=LONG)
        assert "held out to judge with" in dock.corrections.sentence_label.text()
        self._qtbot.waitUntil(dock.job_panel.run_button.isEnabled, timeout=LONG)
        self.click(dock.job_panel.run_button)
        assert dock.tabs.currentIndex() == TRAINING
        self._qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)
        assert len(dock.training.plot.history) == 2
        assert dock.tabs.currentIndex() == RESULT
        name = dock.result.undecided.result.name
        assert dock.result.sentence_label.text().endswith(".")
        self.run(dock, dock.result.keep_button)
        assert default_registry().find(name).card.parent.startswith(BASE)
        return name

"""What once gave wrong results, lost work or a traceback, in a real window with real clicks and keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QPushButton, QWidget

from napari_unet_nuclei.core.corrections.store import corrections_folder, list_corrections
from napari_unet_nuclei.gui.correct.dock import CorrectDock
from napari_unet_nuclei.gui.correct.overlay import OVERLAY
from napari_unet_nuclei.gui.finetune.rows import suggest_rows
from napari_unet_nuclei.gui.segment.dock import SegmentDock
from napari_unet_nuclei.gui.viewer.layer_box import LayerBox
from tests.helpers.correcting import Bench, segmented
from tests.helpers.samples import fluorescent_nuclei

LONG = 60_000
"""Milliseconds that a run may take on a busy machine; the first one imports PyTorch."""

DAPI = fluorescent_nuclei().image[:160, :200]


@pytest.fixture
def viewer(make_napari_viewer_proxy) -> Any:
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1280, 720)
    return viewer


@pytest.fixture
def segment_dock(viewer, tiny_model) -> SegmentDock:
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment nuclei")
    dock.form.model_picker.setValue(tiny_model)
    dock.form.size_form.control("diameter_auto").value = False
    return dock


def click(qtbot, button: QWidget) -> None:
    qtbot.waitUntil(lambda: button.isVisible() and button.isEnabled(), timeout=LONG)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def run(qtbot, dock: SegmentDock, button: QPushButton | None = None) -> None:
    with qtbot.waitSignal(dock.session.answered, timeout=LONG):
        click(qtbot, button or dock.job_panel.run_button)
    qtbot.waitUntil(lambda: not dock.job_panel.is_running and not dock.session.shown.is_busy, timeout=LONG)


def correct_dock(viewer, qtbot) -> Bench:
    dock = CorrectDock(viewer)
    viewer.window.add_dock_widget(dock, name="Correct nuclei")
    bench = Bench(viewer, dock, qtbot)
    bench.settle()
    return bench


def pick(qtbot, box: LayerBox, name: str) -> None:
    """Choose an entry by the keyboard, as QComboBox opens a window of its own for the mouse."""
    qtbot.waitUntil(box.isVisible, timeout=LONG)
    while box.currentText() != name:
        before = box.currentIndex()
        QTest.keyClick(box, Qt.Key.Key_Down if box.findText(name) > before else Qt.Key.Key_Up)
        assert box.currentIndex() != before


def place(button: QWidget, dock: QWidget) -> QPoint:
    return button.mapTo(dock, QPoint(0, 0))


def places(dock: QWidget, buttons: list[QPushButton]) -> list[QPoint]:
    return [place(button, dock) for button in buttons]


def moved(dock: QWidget, buttons: list[QPushButton], before: list[QPoint]) -> list[str]:
    """Buttons in sight that moved; a pixel or two is what styles need for bold letters."""
    pairs = zip(buttons, before, places(dock, buttons), strict=True)
    seen = ((button, one, two) for button, one, two in pairs if button.isVisible())
    return [f"{button.text()}: {one} {two}" for button, one, two in seen if (two - one).manhattanLength() > 2]


def test_corrections_are_saved_with_the_image_that_was_segmented(qtbot, viewer, segment_dock) -> None:
    dapi = viewer.add_image(DAPI, name="DAPI")
    viewer.add_image(DAPI[::-1].copy(), name="GFP")  # the topmost layer
    segment_dock.form.image_panel.choose(dapi)
    run(qtbot, segment_dock)
    viewer.layers["DAPI labels"].name = "mine"
    bench = correct_dock(viewer, qtbot)
    line = bench.dock.picker.image_line
    assert line.sentence.text() == "of 'DAPI'"
    assert not line.box.isVisible()
    assert not line.doubt_label.isVisible()
    assert suggest_rows(viewer)[0].image == dapi, "Fine-tune learns from the same image"
    bench.dock.press("next")
    bench.dock.press("delete")
    bench.press(bench.dock.panel.run_button)
    [entry] = list_corrections(corrections_folder())
    assert entry.name.startswith("DAPI")
    click(qtbot, line.button)
    pick(qtbot, line.box, "GFP")
    bench.settle()
    assert line.doubt_label.text() == "⚠ These labels were segmented from 'DAPI', not from 'GFP'."
    assert line.doubt_label.isVisible()
    assert suggest_rows(viewer)[0].image.name == "GFP", "what the user says holds in every dock"


def test_labels_of_planes_and_of_stacks_are_corrected_in_turn(qtbot, viewer) -> None:
    for planes, name in ((0, "flat"), (3, "stack")):
        image, labels, metadata = segmented(planes)
        viewer.add_image(image, name=name)
        viewer.add_labels(labels, name=f"{name} labels", metadata=metadata)
    bench = correct_dock(viewer, qtbot)
    box = bench.dock.picker.labels_box
    for name in ("flat labels", "stack labels", "flat labels"):
        pick(qtbot, box, name)
        bench.settle()
        bench.press(bench.dock.queue_panel.next.buttons["next"])
        assert bench.framed or bench.dock.navigator.framed.is_missed
        assert viewer.layers[OVERLAY].ndim == viewer.layers[name].ndim
        assert "Looking" not in bench.dock.queue_panel.count_label.text()
    viewer.layers.clear()
    bench.settle()
    assert bench.session is None
    assert list(viewer.layers) == [], "the guide goes with its labels"
    image, labels, metadata = segmented(2)
    viewer.add_image(image, name="series")
    viewer.add_labels(labels, name="series labels", metadata=metadata)
    bench.settle()
    bench.press(bench.dock.queue_panel.next.buttons["next"])
    assert bench.dock.navigator.framed is not None


def test_restore_acts_on_the_layer_that_is_chosen_and_is_undone(qtbot, viewer) -> None:
    image, labels, metadata = segmented()
    viewer.add_image(image, name="one")
    viewer.add_labels(labels.copy(), name="one labels", metadata=metadata)
    bench = correct_dock(viewer, qtbot)
    bench.dock.navigator.frame_nuclei((), [1])
    click(qtbot, bench.dock.queue_panel.commands.buttons["delete"])
    bench.press(bench.dock.panel.run_button)
    other = segmented(2)
    viewer.add_image(other[0], name="other")
    viewer.add_labels(other[1], name="other labels", metadata=other[2])
    again = viewer.add_labels(labels.copy(), name="one again")
    box, banner = bench.dock.picker.labels_box, bench.dock.picker.restore_banner
    pick(qtbot, box, "one again")
    bench.settle()
    assert banner.isVisible()
    pick(qtbot, box, "other labels")
    assert not banner.isVisible(), "it belongs to the other layer"
    bench.settle()
    pick(qtbot, box, "one again")
    bench.settle()
    before = again.data.copy()
    bench.press(banner.button)
    bench.dock.press("undo")
    np.testing.assert_array_equal(again.data, before)


def test_results_go_with_their_layers_and_an_exchanged_image_is_noticed(qtbot, viewer, segment_dock) -> None:
    image = viewer.add_image(DAPI, name="DAPI")
    run(qtbot, segment_dock)
    assert segment_dock.foot.isVisible()
    image.data = DAPI[::-1].copy()
    assert "has changed since" in segment_dock.remedy_line.sentence.text()
    assert not segment_dock.result_panel.thresholds.isEnabled()
    run(qtbot, segment_dock, segment_dock.remedy_line.button)
    assert not segment_dock.remedy_line.isVisible()
    assert segment_dock.result_panel.thresholds.isEnabled()
    visible = [layer for layer in viewer.layers if isinstance(layer, Labels) and layer.visible]
    assert len(visible) == 1
    bench = correct_dock(viewer, qtbot)
    image.data = DAPI[:, ::-1].copy()
    assert "other pixels" in bench.dock.picker.image_line.doubt_label.text()
    viewer.layers.clear()
    bench.settle()
    assert not segment_dock.foot.isVisible()
    assert segment_dock.session.live is None
    assert not segment_dock.job_panel.run_button.isEnabled()


def test_no_button_moves_while_the_review_goes_on(qtbot, open_bench) -> None:
    bench = open_bench()
    queue, dock = bench.dock.queue_panel, bench.dock
    buttons = [*queue.next.buttons.values(), *dock.tools_panel.commands.buttons.values(), dock.panel.run_button]
    buttons += dock.tools_panel.undo.buttons.values()
    bench.settle()
    before = places(dock, buttons)
    answers = place(queue.answers, dock)
    seen = set()
    for _ in range(20):
        bench.key("N")
        framed = dock.navigator.framed
        if framed is None:
            break
        seen.add(framed.is_missed)
        assert moved(dock, buttons, before) == []
        assert place(queue.answers, dock) == answers
        shown = queue.missed_commands if framed.is_missed else queue.commands
        assert shown.isVisible()
        click(qtbot, shown.buttons["delete" if framed.is_missed else "accept"])
        bench.settle()
    assert seen == {True, False}
    assert moved(dock, buttons, before) == [], "also while a banner is shown"


def test_no_button_of_segment_moves_while_messages_come_and_go(qtbot, viewer, segment_dock) -> None:
    viewer.add_image(DAPI, name="DAPI")
    run(qtbot, segment_dock)
    panel, foot = segment_dock.job_panel, segment_dock.foot
    buttons = [panel.run_button, panel.cancel_button, *foot.buttons]
    qtbot.wait(100)
    before = places(segment_dock, buttons)
    changes: list[Callable[[], object]] = [
        lambda: panel.show_status("one line"),
        lambda: panel.show_status("several lines of text " * 8),
        lambda: segment_dock.remedy_line.say("Read as something. " * 5, "Try"),
        lambda: segment_dock.result_panel.thresholds.sliders["score"].slider.setValue(60),
        lambda: click(qtbot, segment_dock.choices_line.button),
    ]
    for change in changes:
        change()
        qtbot.wait(60)
        assert moved(segment_dock, buttons, before) == []

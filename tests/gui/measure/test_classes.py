"""Classes of nuclei in *Measure*: taught by clicks and keys, told of the rest, undone, saved and opened again."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

from napari_unet_nuclei.core.labels.classify.class_file import read_classes
from napari_unet_nuclei.gui.measure.dock import MeasureDock
from napari_unet_nuclei.gui.viewer.layer_classes import classes_of
from tests.helpers.docks import job_done

LARGE, SMALL = (0, 2, 4, 6), (1, 3, 5, 7)
"""Rows."""


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Return a plain image and labels of large and small squares in turn: sizes alone tell them."""
    labels = np.zeros((80, 200), np.int32)
    for number in range(8):
        y, x = 10 + 40 * (number // 4), 10 + 50 * (number % 4)
        side = 22 if number % 2 == 0 else 11
        labels[y : y + side, x : x + side] = number + 1
    return np.full(labels.shape, 100, np.uint16), labels


def measure(qtbot, dock: MeasureDock) -> None:
    with job_done(qtbot, dock.panel):
        qtbot.mouseClick(dock.panel.run_button, Qt.MouseButton.LeftButton)
    settle(qtbot, dock)


def settle(qtbot, dock: MeasureDock) -> None:
    qtbot.waitUntil(lambda: not dock.teaching._telling.isActive() and not dock.teaching.is_busy, timeout=20_000)
    qtbot.wait(5)


def click(qtbot, button: QWidget) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def dock(qtbot) -> MeasureDock:
    viewer = ViewerModel()
    image, labels = drawn()
    viewer.add_image(image, name="DAPI")
    viewer.add_labels(labels, name="nuclei")
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(400, 700)
    dock.show()
    measure(qtbot, dock)
    dock.results.tabs.setCurrentWidget(dock.results.classes_panel)
    return dock


def teach(qtbot, dock: MeasureDock, each: int = 2) -> None:
    for place, rows in enumerate((LARGE, SMALL)):
        for row in rows[:each]:
            dock.teaching.give(row, place)
    settle(qtbot, dock)


def layer_of(dock: MeasureDock):
    return dock._viewer.layers["nuclei"]


def rename(qtbot, dock: MeasureDock, name: str, new: str) -> None:
    edit = dock.results.classes_panel.rows[name].edit
    edit.setText(new)
    edit.editingFinished.emit()
    settle(qtbot, dock)


def test_clicks_and_keys_in_the_window_teach_and_zero_takes_away(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    image, labels = drawn()
    viewer.add_image(image, name="DAPI", scale=(0.5, 0.5), units=("µm", "µm"))
    layer = viewer.add_labels(labels, name="nuclei", scale=(0.5, 0.5), units=("µm", "µm"))
    dock = MeasureDock(viewer)
    viewer.window.add_dock_widget(dock, name="Measure nuclei", area="right")
    measure(qtbot, dock)
    window = dock.window()
    canvas = next(child for child in window.findChildren(QWidget) if "Canvas" in type(child).__name__)
    window.activateWindow()
    canvas.setFocus()
    qtbot.waitUntil(window.isActiveWindow, timeout=10_000)
    viewer.scene.camera.zoom *= 0.5
    mode = layer.mode
    QTest.keyClick(canvas, Qt.Key.Key_2)  # napari's own key while the classes are not in sight
    assert layer.mode != mode
    layer.mode = mode
    bar = dock.results.tabs.tabBar()
    qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(1).center())

    def at(row: int) -> QPoint:
        world = dock._measured.labels.place.world(dock._measured.position(row))
        middle = np.array([canvas.height(), canvas.width()]) / 2
        y, x = (world - np.array(viewer.scene.camera.center[-2:])) * viewer.scene.camera.zoom + middle
        return QPoint(round(x), round(y))

    for row in (0, 1, 2, 3):
        QTest.mouseMove(canvas, at(row))
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at(row))
        QTest.keyClick(canvas, Qt.Key.Key_1 if row in LARGE else Qt.Key.Key_2)
        settle(qtbot, dock)
    assert layer.mode == mode
    assert layer.features["class"].tolist() == 4 * ["class 1", "class 2"]
    assert layer.features["class_probability"].iloc[:4].tolist() == [1, 1, 1, 1]
    assert dock.results.colour_box.currentData() == "class"
    coloured = viewer.layers["Classes of nuclei"]
    assert coloured.get_value((12 / 2, 12 / 2), world=True) == 0
    assert coloured.get_value((12 / 2, 62 / 2), world=True) == 1
    QTest.keyClick(canvas, Qt.Key.Key_0)
    settle(qtbot, dock)
    assert len(classes_of(layer).examples) == 3
    QTest.keyClick(canvas, Qt.Key.Key_9)
    assert "no class 9" in dock.panel.status_label.text()


def test_classes_are_told_once_two_have_examples_and_the_panel_says_how_well(qtbot, dock):
    panel = dock.results.classes_panel
    dock.teaching.give(0, 0)
    settle(qtbot, dock)
    assert dock.results.table["class"].tolist() == ["class 1"] + 7 * [""]
    assert not panel.save_button.isEnabled()
    teach(qtbot, dock)
    assert dock.results.table["class"].tolist() == 4 * ["class 1", "class 2"]
    assert panel.rows["class 1"].count.text() == "2 given · 4 (50.0 %)"
    assert "Right for 4 of 4 examples" in panel.outcome.text()
    assert "Few examples of class 1, class 2" in panel.outcome.text()
    assert layer_of(dock).features["class"].tolist() == dock.results.table["class"].tolist()


def test_undo_takes_back_one_example_after_the_other(qtbot, dock):
    teach(qtbot, dock, each=1)
    click(qtbot, dock.results.classes_panel.undo_button)
    settle(qtbot, dock)
    assert [one.label for one in classes_of(layer_of(dock)).examples] == [1]
    click(qtbot, dock.results.classes_panel.undo_button)
    settle(qtbot, dock)
    assert classes_of(layer_of(dock)).examples == ()
    assert "class" not in dock.results.table
    assert not dock.results.classes_panel.undo_button.isEnabled()


def test_classes_are_added_renamed_recoloured_and_removed(qtbot, dock):
    panel = dock.results.classes_panel
    teach(qtbot, dock)
    rename(qtbot, dock, "class 1", "large")
    assert set(dock.results.table["class"]) == {"large", "class 2"}
    rename(qtbot, dock, "class 2", "large")
    assert "name of its own" in dock.panel.status_label.text()
    assert panel.rows["class 2"].edit.text() == "class 2"
    click(qtbot, panel.add_button)
    settle(qtbot, dock)
    assert list(panel.rows) == ["large", "class 2", "class 1"]
    dock.teaching.give(7, 2)
    panel.recoloured.emit("class 1", "#123456")
    settle(qtbot, dock)
    assert dock.teaching.by.colours[2] == "#123456"
    click(qtbot, panel.rows["class 1"].remove_button)
    settle(qtbot, dock)
    assert list(panel.rows) == ["large", "class 2"]
    assert dock.teaching.by.counts == {"large": 2, "class 2": 2}


def test_columns_can_be_chosen(qtbot, dock):
    teach(qtbot, dock)
    listed = dock.results.classes_panel.columns
    texts = [listed.item(place).text() for place in range(listed.count())]
    assert {"Area (px²)", "DAPI mean", "Solidity"} <= set(texts)
    for place, text in enumerate(texts):
        listed.item(place).setCheckState(Qt.CheckState.Checked if "px²" in text else Qt.CheckState.Unchecked)
    settle(qtbot, dock)
    assert dock.teaching.by.columns == ("area_px",)


def test_classes_are_saved_opened_and_go_on_the_next_time(qtbot, dock, tmp_path):
    teach(qtbot, dock)
    dock.teaching.save_file(tmp_path / "classes.json")
    assert read_classes(tmp_path / "classes.json").counts == {"class 1": 2, "class 2": 2}
    assert dock.teaching.file_for_folders() == tmp_path / "classes.json"
    viewer = ViewerModel()
    image, labels = drawn()
    viewer.add_image(image[:, ::-1], name="other")
    viewer.add_labels(labels[:, ::-1].copy(), name="nuclei")
    again = MeasureDock(viewer)
    qtbot.addWidget(again)
    again.show()
    measure(qtbot, again)
    again.results.tabs.setCurrentWidget(again.results.classes_panel)
    click(qtbot, again.results.classes_panel.former_button)
    settle(qtbot, again)
    assert again.results.table["class"].tolist() == 4 * ["class 1", "class 2"]
    assert "'other' for 'DAPI'" in again.results.classes_panel.warnings.text()
    again.teaching.give(0, 1)  # which has the values of an example of the first image
    settle(qtbot, again)
    assert again.teaching.by.counts == {"class 1": 1, "class 2": 3}
    (tmp_path / "bad.json").write_text("{}")
    again.teaching.open_file(tmp_path / "bad.json")
    assert "cannot be read as classes" in again.panel.status_label.text()


def test_examples_follow_edited_labels_when_they_are_measured_again(qtbot, dock):
    teach(qtbot, dock)
    layer = layer_of(dock)
    labels = layer.data.copy()
    labels[labels == 1] = 0
    labels[labels == 2] = 99
    layer.data = labels
    measure(qtbot, dock)
    assert sorted(one.label for one in classes_of(layer).examples) == [3, 4, 99]
    assert "1 example is gone" in dock.panel.status_label.text()
    assert dock.results.table.set_index("label")["class"][99] == "class 2"


def test_the_doubtful_ones_are_counted(qtbot, dock):
    teach(qtbot, dock, each=1)
    table = dock.results.table
    doubtful = int((table["class_probability"] < 0.75).sum())
    button = dock.results.classes_panel.doubtful_button
    assert button.text() == (f"Correct {doubtful} doubtful classes…" if doubtful else "No class is doubtful")

from __future__ import annotations

import gc

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QWidget

from napari_unet_nuclei.gui.measure.dock import MeasureDock
from napari_unet_nuclei.gui.saving.dialog import SaveDialog
from tests.helpers.docks import job_done

SHAPE = (200, 300)
LABELS = np.zeros(SHAPE, np.int32)
for number, (y, x) in enumerate([(20, 30), (60, 220), (150, 40), (160, 260)], start=1):
    LABELS[y : y + 5 + number, x : x + 10] = number * 10


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window: opening one takes longer than all else that is tested."""
    return ViewerModel()


@pytest.fixture
def dock(viewer, qtbot) -> MeasureDock:
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(400, 700)
    dock.show()
    return dock


def image(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1000, shape).astype(np.uint16)


def press(qtbot, dock: MeasureDock) -> None:
    with job_done(qtbot, dock.panel):
        qtbot.mouseClick(dock.panel.run_button, Qt.MouseButton.LeftButton)


def click_row(qtbot, dock: MeasureDock, row: int) -> None:
    view = dock.results.table_view
    qtbot.mouseClick(
        view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(view.model().index(row, 0)).center()
    )


def tick(dock: MeasureDock, row: int, on: bool) -> None:
    dock.form.images.item(row).setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def status(dock: MeasureDock) -> str:
    return dock.panel.status_label.text()


def test_a_long_name_does_not_widen_the_dock(viewer, dock):
    viewer.add_labels(LABELS, name="0a7d30b252359a10fd298b638b90cb9ada3acced4e0c0e5a3692013f432ee4e9")
    assert dock.minimumSizeHint().width() <= 330


@pytest.mark.parametrize(("height", "has_room"), [(550, False), (950, True)])
def test_in_a_low_window_choices_fold_away_when_results_come_and_open_again(viewer, dock, qtbot, height, has_room):
    viewer.add_labels(LABELS)
    dock.resize(400, height)
    assert dock.choices.isVisible()
    assert not dock.choices_fold.isVisible()
    press(qtbot, dock)
    assert dock.choices.isVisible() == has_room
    qtbot.mouseClick(dock.choices_fold.toggleButton(), Qt.MouseButton.LeftButton)
    assert dock.choices.isVisible() != has_room
    press(qtbot, dock)
    assert dock.choices.isVisible() != has_room


def test_labels_that_another_dock_hands_over_are_measured_at_once_if_their_image_is_known(viewer, dock, qtbot):
    viewer.add_image(image(0), name="DAPI")
    viewer.add_image(image(1), name="GFP")
    layer = viewer.add_labels(LABELS, name="mine")
    dock.take_labels(layer)
    assert not dock.panel.is_running
    layer.name = "DAPI labels"
    with job_done(qtbot, dock.panel):
        dock.take_labels(layer)
    assert len(dock.results.table) == 4


def test_measures_the_labels_in_all_ticked_images(viewer, dock, qtbot):
    dapi, gfp, other = image(0), image(1), image(2)
    viewer.add_image(dapi, name="DAPI")
    viewer.add_image(gfp, name="GFP")
    viewer.add_image(other, name="other")
    layer = viewer.add_labels(LABELS)
    assert [dock.form.images.item(row).text() for row in range(3)] == ["other", "GFP", "DAPI"]
    tick(dock, 0, False)
    press(qtbot, dock)
    table = dock.results.table_view.table
    assert table["label"].tolist() == [10, 20, 30, 40]
    assert [name for name in table.columns if name.endswith("_mean")] == ["GFP_mean", "DAPI_mean"]
    np.testing.assert_allclose(table["GFP_mean"], [gfp[label == LABELS].mean() for label in (10, 20, 30, 40)])
    assert status(dock) == "4 nuclei measured."
    assert layer.features["index"].tolist() == [10, 20, 30, 40]
    assert layer.features["DAPI_sum"].equals(table["DAPI_sum"])


def test_without_labels_measure_is_disabled_and_says_why(viewer, dock):
    viewer.add_image(image())
    assert not dock.panel.run_button.isEnabled()
    assert "no labels layer" in status(dock)
    viewer.add_labels(LABELS)
    assert dock.panel.run_button.isEnabled()
    assert status(dock) == ""


def test_an_image_of_another_size_disables_measure_and_says_why(viewer, dock):
    viewer.add_labels(LABELS)
    viewer.add_image(image(shape=(50, 60)), name="small")
    assert not dock.panel.run_button.isEnabled()
    assert "'small' (50 × 60) and the labels (200 × 300) differ in size" in status(dock)
    viewer.add_image(image(), name="right")
    assert [layer.name for layer in dock.form.images.ticked()] == ["right"]
    assert dock.panel.run_button.isEnabled()
    tick(dock, 1, True)
    assert not dock.panel.run_button.isEnabled()


def test_sizes_and_shapes_need_no_image(viewer, dock, qtbot):
    viewer.add_labels(LABELS)
    assert "only sizes and shapes" in dock.hint.text()
    press(qtbot, dock)
    assert dock.results.table_view.table["area_px"].tolist() == [60, 70, 80, 90]


def test_choices_follow_the_layer_list(viewer, dock):
    first, second = viewer.add_labels(LABELS, name="first"), viewer.add_labels(LABELS[:50, :60], name="second")
    viewer.add_image(image(), name="large")
    viewer.add_image(image(shape=(50, 60)), name="small")
    dock.form.labels_picker.setCurrentIndex(dock.form.labels_picker.findText("first"))
    assert [layer.name for layer in dock.form.images.ticked()] == ["large"]
    dock.form.labels_picker.setCurrentIndex(dock.form.labels_picker.findText("second"))
    assert [layer.name for layer in dock.form.images.ticked()] == ["small"]
    second.name = "renamed"
    assert dock.form.labels_picker.currentText() == "renamed"
    viewer.layers.remove(second)
    assert dock.form.labels_picker.currentText() == "first"
    viewer.layers.remove(first)
    assert dock.form.labels_picker.count() == 0


def test_a_row_leads_to_its_nucleus(viewer, dock, qtbot):
    layer = viewer.add_labels(LABELS)
    press(qtbot, dock)
    click_row(qtbot, dock, 2)
    row = dock.results.table_view.table.iloc[2]
    assert viewer.scene.camera.center[-2:] == pytest.approx((row["centroid_y"], row["centroid_x"]))
    assert layer.selected_label == 30


def test_a_row_leads_to_its_nucleus_under_any_transform_and_on_its_plane(viewer, dock, qtbot):
    labels = np.zeros((4, *SHAPE), np.int32)
    labels[3] = LABELS
    layer = viewer.add_labels(
        labels, scale=(2, 0.5, 0.25), translate=(100, 7, 9), rotate=30, units=("µm", "µm", "µm"), name="turned"
    )
    viewer.add_image(image(), scale=(100, 100), units=("nm", "nm"), name="in nm")
    tick(dock, 0, False)
    press(qtbot, dock)
    viewer.dims.set_point(0, 0)
    click_row(qtbot, dock, 0)
    y, x = (float(dock.results.table_view.table[f"centroid_{axis}"].iloc[0]) for axis in "yx")
    unit = 1000 if str(viewer.dims.units[-1]) == "nanometer" else 1
    world = np.array(layer.data_to_world((3, y, x))) * unit
    assert unit == 1000, "the finer unit rules where units are mixed"
    assert viewer.scene.camera.center[-2:] == pytest.approx(tuple(world[-2:]))
    assert viewer.dims.point[0] == pytest.approx(layer.data_to_world((3, y, x))[0] * 1000, abs=1000)
    assert layer.get_value((3, y, x)) == 10


def test_a_small_nucleus_is_enlarged(viewer, dock, qtbot):
    viewer.add_labels(LABELS)
    press(qtbot, dock)
    viewer.scene.camera.zoom = 0.1
    click_row(qtbot, dock, 0)
    assert viewer.scene.camera.zoom * dock.results.table_view.table["diameter_px"].iloc[0] == pytest.approx(40)
    zoom = viewer.scene.camera.zoom = 50
    click_row(qtbot, dock, 1)
    assert viewer.scene.camera.zoom == zoom


def test_a_click_in_the_window_selects_the_row_and_a_drag_does_not(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    dock = MeasureDock(viewer)
    viewer.window.add_dock_widget(dock, name="Measure nuclei", area="right")
    viewer.add_image(image(), name="DAPI", scale=(100, 100), units=("nm", "nm"))
    viewer.add_labels(LABELS, scale=(0.5, 0.5), rotate=30, units=("µm", "µm"))
    press(qtbot, dock)
    assert "DAPI_mean" in dock.results.table_view.table
    click_row(qtbot, dock, 3)  # brings nucleus 40 to the middle of the canvas
    dock.results.table_view.select_row(0)
    canvas = next(child for child in dock.window().findChildren(QWidget) if "Canvas" in type(child).__name__)
    middle, aside = (QPoint(canvas.width() // 2 + shift, canvas.height() // 2) for shift in (0, 9))
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=aside)
    qtbot.mouseMove(canvas, middle)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=middle)
    assert dock.results.table_view.selected_row == 0
    click_row(qtbot, dock, 3)
    dock.results.table_view.select_row(0)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle)
    assert dock.results.table_view.selected_row == 3


def test_edited_labels_make_the_table_outdated(viewer, dock, qtbot):
    layer = viewer.add_labels(LABELS.copy())
    press(qtbot, dock)
    layer.paint((100, 100), 7)
    assert "have changed" in status(dock)
    press(qtbot, dock)
    assert status(dock) == "5 nuclei measured."
    assert layer.features["index"].tolist() == [7, 10, 20, 30, 40]


def test_looking_around_makes_no_table_outdated(viewer, dock, qtbot):
    viewer.add_labels(np.stack([LABELS, LABELS]))
    press(qtbot, dock)
    viewer.dims.set_point(0, 1)
    click_row(qtbot, dock, 1)
    assert "have changed" not in status(dock)


def test_a_removed_labels_layer_leaves_the_table(viewer, dock, qtbot):
    viewer.add_labels(LABELS, name="other")
    layer = viewer.add_labels(LABELS, name="measured")
    dock.form.labels_picker.setCurrentIndex(0)
    press(qtbot, dock)
    viewer.layers.remove(layer)
    click_row(qtbot, dock, 1)
    assert "no longer in the viewer" in status(dock)
    assert len(dock.results.table_view.table) == 4


def test_cancel_leaves_the_former_table(viewer, dock, qtbot):
    layer = viewer.add_labels(LABELS)
    press(qtbot, dock)
    layer.data = np.tile(LABELS, (8, 8))
    before = dock.results.table_view.table
    qtbot.mouseClick(dock.panel.run_button, Qt.MouseButton.LeftButton)
    dock.panel.cancel_button.click()
    qtbot.waitUntil(lambda: not dock.panel.is_running)
    assert dock.results.table_view.table is before
    assert "Stopped" in status(dock)


def test_a_closed_dock_leaves_nothing_behind(viewer, qapp):
    callbacks = len(viewer.mouse_drag_callbacks)
    dock = MeasureDock(viewer)
    assert len(viewer.mouse_drag_callbacks) == callbacks + 1
    del dock
    gc.collect()
    assert len(viewer.mouse_drag_callbacks) == callbacks
    viewer.add_labels(LABELS)


def test_save_opens_the_dialog_of_all_labels(viewer, dock, qtbot, tmp_path):
    viewer.add_labels(LABELS, name="nuclei of cells")
    press(qtbot, dock)
    qtbot.mouseClick(dock.results.save_button, Qt.MouseButton.LeftButton)
    [dialog] = dock.findChildren(SaveDialog)
    dialog.base.setValue(str(tmp_path / "a"))
    with job_done(qtbot, dialog.panel):
        qtbot.mouseClick(dialog.panel.run_button, Qt.MouseButton.LeftButton)
    saved = pd.read_csv(tmp_path / "a_table.csv")
    pd.testing.assert_frame_equal(saved, dock.results.table, check_exact=False)

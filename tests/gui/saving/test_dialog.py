"""The dialog *Save*, driven as a user would, and what the files hold."""

from __future__ import annotations

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import roifile
import tifffile
from napari.components import ViewerModel
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLineEdit, QWidget
from skimage.segmentation import expand_labels

from napari_unet_nuclei.core.settings import CellSettings
from napari_unet_nuclei.gui.saving.dialog import SaveDialog, open_save_dialog
from tests.helpers.docks import job_done

LABELS = np.zeros((60, 80), np.int32)
LABELS[10:20, 10:22] = 3
LABELS[10:20, 30:40] = 8
IMAGE = np.random.default_rng(0).integers(0, 1000, LABELS.shape).astype(np.uint16)


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(IMAGE, name="DAPI", scale=(0.5, 0.5), units=("µm", "µm"))
    viewer.add_labels(LABELS, name="DAPI labels", scale=(0.5, 0.5), units=("µm", "µm"))
    return viewer


@pytest.fixture
def opened(viewer, qtbot, tmp_path):
    parent = QWidget()
    qtbot.addWidget(parent)

    def open_it(**values: object) -> SaveDialog:
        dialog = open_save_dialog(parent, viewer, viewer.layers["DAPI labels"], **values)
        dialog.base.setValue(str(tmp_path / "DAPI"))
        return dialog

    return open_it


def save(qtbot, dialog: SaveDialog) -> None:
    with job_done(qtbot, dialog.panel):
        qtbot.mouseClick(dialog.panel.run_button, Qt.MouseButton.LeftButton)


def tick(dialog: SaveDialog, *kinds: str) -> None:
    for kind, box in dialog.ticks.items():
        box.setChecked(kind in kinds)


def test_all_kinds_are_written_under_the_names_that_the_dialog_shows(opened, qtbot, tmp_path):
    dialog = opened()
    tick(dialog, *dialog.ticks)
    save(qtbot, dialog)
    assert dialog.panel.status_label.text().startswith("Saved to ")
    assert {path.name for path in tmp_path.iterdir()} == {label.text() for label in dialog.names.values()}
    with tifffile.TiffFile(tmp_path / "DAPI_labels.tif") as file:
        np.testing.assert_array_equal(file.asarray(), LABELS)
    table = pd.read_csv(tmp_path / "DAPI_table.csv")
    assert table["label"].tolist() == [3, 8]
    assert table["area_um2"].tolist() == [30.0, 25.0]
    assert table["DAPI_mean"].tolist() == pytest.approx([IMAGE[label == LABELS].mean() for label in (3, 8)])
    assert len(roifile.roiread(tmp_path / "DAPI_rois.zip")) == 2
    features = json.loads((tmp_path / "DAPI_nuclei.geojson").read_text())["features"]
    assert [feature["properties"]["objectType"] for feature in features] == ["detection"] * 2
    assert iio.imread(tmp_path / "DAPI_overlay.png").shape == (60, 80, 3)


def test_the_path_has_letters_of_the_size_in_the_preferences(opened, qtbot, monkeypatch):
    monkeypatch.setattr(get_settings().appearance, "font_size", 17)
    field = opened().findChild(QLineEdit)
    assert field.font().pointSize() == 17


def test_the_features_are_the_table_while_they_describe_the_labels(opened, viewer, qtbot, tmp_path):
    layer = viewer.layers["DAPI labels"]
    layer.features = pd.DataFrame({"index": [3, 8], "label": [3, 8], "area_px": [120, 100], "mine": ["a", "b"]})
    dialog = opened()
    tick(dialog, "table")
    save(qtbot, dialog)
    assert pd.read_csv(tmp_path / "DAPI_table.csv")["mine"].tolist() == ["a", "b"]
    layer.metadata["nuclei"] = {"provenance": {"model": "tiny"}, "origin": (0, 0), "axes": "YX"}
    layer.data[10, 10] = 0
    assert "Will be replaced: DAPI_table.csv" in dialog.existing.text() or not dialog.existing.isVisible()
    save(qtbot, dialog)
    assert pd.read_csv(tmp_path / "DAPI_table.csv")["area_px"].tolist() == [119, 100]
    tick(dialog, "labels")
    save(qtbot, dialog)
    with tifffile.TiffFile(tmp_path / "DAPI_labels.tif") as file:
        assert file.shaped_metadata[0]["provenance"] == {"model": "tiny", "edited": True}


def test_cells_go_into_geojson_as_qupath_has_them_and_into_labels_of_their_own(opened, qtbot, tmp_path):
    dialog = opened(around=CellSettings(cell=2, distance_unit="px"))
    tick(dialog, "labels", "geojson")
    save(qtbot, dialog)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "DAPI_cells.tif"), expand_labels(LABELS, 2))
    features = json.loads((tmp_path / "DAPI_nuclei.geojson").read_text())["features"]
    assert [feature["properties"]["objectType"] for feature in features] == ["cell"] * 2
    corners = np.array(features[0]["geometry"]["coordinates"][0])
    nucleus = np.array(features[0]["nucleusGeometry"]["coordinates"][0])
    assert (corners.min(axis=0).tolist(), corners.max(axis=0).tolist()) == ([8, 8], [24, 22])
    assert (nucleus.min(axis=0).tolist(), nucleus.max(axis=0).tolist()) == ([10, 10], [22, 20])


def test_what_is_missing_is_said_and_what_exists_is_named_before_it_is_replaced(opened, qtbot, tmp_path):
    dialog = opened()
    tick(dialog)
    assert not dialog.panel.run_button.isEnabled()
    assert "Tick what is to be saved" in dialog.panel.status_label.text()
    tick(dialog, "labels")
    dialog.base.setValue("")
    assert "Choose a folder and a name" in dialog.panel.status_label.text()
    (tmp_path / "DAPI_labels.ome.tif").write_bytes(b"another")
    dialog.base.setValue(str(tmp_path / "DAPI"))
    assert dialog.panel.run_button.text() == "Save"
    dialog.format.setCurrentIndex(dialog.format.findData("ome.tif"))
    assert dialog.existing.text() == "⚠ Will be replaced: DAPI_labels.ome.tif"
    assert dialog.panel.run_button.text() == "Replace and save"


def test_a_full_disk_is_told_in_words_and_leaves_what_was_there(opened, qtbot, tmp_path, full_disk):
    (tmp_path / "DAPI_labels.tif").write_bytes(b"another")
    full_disk.append("DAPI_labels")
    dialog = opened()
    save(qtbot, dialog)
    assert "was not written" in dialog.panel.status_label.text()
    assert (tmp_path / "DAPI_labels.tif").read_bytes() == b"another"


def test_a_chosen_file_becomes_folder_and_name(opened, qtbot, tmp_path, monkeypatch):
    dialog = opened()
    chosen = str(tmp_path / "day 1.5" / "b 0.5_labels.tif")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args, **values: (chosen, ""))
    buttons = [one for one in dialog.base.children() if isinstance(one, QWidget) and hasattr(one, "click")]
    qtbot.mouseClick(buttons[0], Qt.MouseButton.LeftButton)
    assert dialog.base.value() == str(tmp_path / "day 1.5" / "b 0.5")
    assert dialog.names["rois"].text() == "b 0.5_rois.zip"


def test_a_stack_and_classes_are_saved_with_their_axes_and_names(qtbot, tmp_path):
    viewer = ViewerModel()
    classes = np.zeros((3, 20, 20), np.int32)
    classes[:, 5:15, 5:15] = 1
    metadata = {"nuclei": {"provenance": {"classes": ["sky", "road"]}, "origin": (0, 0, 0), "axes": "TYX"}}
    layer = viewer.add_labels(classes, name="x classes", metadata=metadata)
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = open_save_dialog(parent, viewer, layer)
    dialog.base.setValue(str(Path(tmp_path) / "x"))
    tick(dialog, "labels", "table", "geojson", "overlay")
    save(qtbot, dialog)
    assert dialog.panel.status_label.text().startswith("Saved to ")
    table = pd.read_csv(tmp_path / "x_table.csv")
    assert table[["t", "class"]].head(2).to_numpy().tolist() == [[0, "sky"], [0, "road"]]
    features = json.loads((tmp_path / "x_nuclei.geojson").read_text())["features"]
    assert {one["properties"]["name"] for one in features} == {"sky", "road"}

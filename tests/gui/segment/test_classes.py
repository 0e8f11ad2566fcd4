"""Models that tell classes, in the Segment dock: real clicks, from the image to the saved table."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.layers import Labels
from qtpy.QtCore import Qt

from napari_unet_nuclei import segment
from napari_unet_nuclei.gui.measure.dock import MeasureDock
from napari_unet_nuclei.gui.saving.dialog import SaveDialog
from napari_unet_nuclei.gui.segment.dock import SegmentDock
from napari_unet_nuclei.gui.settings.threshold_panel import NO_THRESHOLDS
from tests.helpers.docks import show_alone

pytestmark = pytest.mark.usefixtures("tiny_model", "class_model")

LONG = 60_000
NAMES = ("background", "dim", "bright")


@pytest.fixture
def class_model(tmp_path: Path) -> None:
    """A model installed as "brightness": it divides the normalised intensity at 0.3 and at 0.7."""
    import torch

    from napari_unet_nuclei.core.model.architecture import CLASS_HEADS, Architecture
    from napari_unet_nuclei.core.model.card import ModelCard
    from napari_unet_nuclei.core.model.file import Model, save_model
    from napari_unet_nuclei.core.model.unet import UNet

    architecture = Architecture(
        base_width=2, depth=1, stem="full", normalisation="none", heads=CLASS_HEADS, classes=3, head_kernel=1
    )
    network = UNet(architecture).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
            if parameter.ndim == 4 and parameter is not network.heads.weight:
                parameter[0, 0, parameter.shape[2] // 2, parameter.shape[3] // 2] = 1  # hand the intensity on
        network.heads.weight[:, 0, 0, 0] = torch.tensor([0.0, 20.0, 40.0])
        network.heads.bias[:] = torch.tensor([0.0, -6.0, -20.0])
    card = ModelCard(name="brightness", task="semantic", classes=NAMES, architecture=architecture)
    save_model(tmp_path / "user-models" / "brightness.safetensors", Model(card, network))


@pytest.fixture
def viewer(modest_viewer):
    return modest_viewer


@pytest.fixture
def dock(qtbot, viewer) -> SegmentDock:
    dock = show_alone(qtbot, SegmentDock(viewer), viewer)
    dock.form.model_picker.setValue("brightness")
    return dock


def press_run(qtbot, dock: SegmentDock) -> None:
    qtbot.waitUntil(dock.job_panel.run_button.isEnabled)
    with qtbot.waitSignal(dock.session.answered, timeout=LONG):
        qtbot.mouseClick(dock.job_panel.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)


def labels_of(viewer) -> list[Labels]:
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def test_classes_come_as_a_layer_that_knows_their_names(qtbot, viewer, dock, pixels) -> None:
    image = viewer.add_image(pixels, name="DAPI", scale=(0.5, 0.5), units=("um", "um"))
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    assert labels.name == "DAPI classes"
    assert np.array_equal(labels.data, segment(pixels, "brightness").labels)
    assert np.bincount(labels.data.ravel()).min() > 50
    assert np.allclose(labels.extent.world, image.extent.world)
    assert labels.features["class"].tolist() == list(NAMES)
    assert labels.metadata["nuclei"]["provenance"]["classes"] == list(NAMES)
    y, x = np.argwhere(labels.data == 2)[0]
    assert "class: bright" in labels.get_status((y / 2, x / 2), world=True)["value"]
    assert dock.form.model_picker.note.text() == "tells 3 classes"
    assert dock.foot.count_label.text() == "3 classes"
    assert "background" in dock.result_panel.detail_label.text()


def test_there_are_no_thresholds_to_move_until_nuclei_are_found(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(pixels)
    press_run(qtbot, dock)
    thresholds = dock.result_panel.thresholds
    assert not thresholds.isEnabled()
    assert thresholds.toolTip() == NO_THRESHOLDS
    assert not thresholds.apply_button.isVisible()
    [classes] = labels_of(viewer)
    before = classes.data.copy()
    slider = thresholds.sliders["foreground"].slider
    qtbot.mouseClick(slider, Qt.MouseButton.LeftButton, pos=slider.rect().center())
    assert not dock.session.shown.is_busy
    assert np.array_equal(classes.data, before)
    dock.form.model_picker.setValue("tiny")
    press_run(qtbot, dock)
    assert thresholds.isEnabled()
    assert thresholds.toolTip() == ""
    assert labels_of(viewer)[1].data.max() > 3
    assert np.array_equal(classes.data, before)


def test_classes_of_stacks_keep_their_planes(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(np.stack([pixels, pixels[::-1]]))
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    assert np.array_equal(labels.data, segment(np.stack([pixels, pixels[::-1]]), "brightness").labels)
    assert len(labels.features) == 2 * len(NAMES)


def test_classes_of_a_lazy_layer_are_not_written_to_disk(viewer, dock, pixels) -> None:
    viewer.add_image(da.from_array(pixels))
    assert dock.job_panel.run_button.isEnabled()
    dock.form.store_panel.box.setChecked(True)
    assert "assigns classes" in dock.job_panel.status_label.text()
    assert not dock.job_panel.run_button.isEnabled()


def test_classes_are_saved_with_their_areas_as_they_were_painted(qtbot, viewer, dock, pixels, tmp_path) -> None:
    viewer.add_image(pixels)
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    labels.data_setitem((np.array([0, 0]), np.array([0, 1])), 2)
    path = tmp_path / "mine_labels.tif"
    qtbot.mouseClick(dock.foot.save_button, Qt.MouseButton.LeftButton)
    [dialog] = dock.findChildren(SaveDialog)
    dialog.base.setValue(str(tmp_path / "mine"))
    qtbot.mouseClick(dialog.panel.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dialog.panel.is_running and (tmp_path / "mine_table.csv").exists(), timeout=LONG)
    assert np.array_equal(tifffile.imread(path), labels.data)
    table = pd.read_csv(tmp_path / "mine_table.csv")
    assert table["class"].tolist() == list(NAMES)
    assert table["area_px"].tolist() == np.bincount(labels.data.ravel()).tolist()


def test_classes_can_be_measured_like_any_labels(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(pixels, name="DAPI")
    press_run(qtbot, dock)
    measuring = show_alone(qtbot, MeasureDock(viewer), viewer)
    [labels] = labels_of(viewer)
    qtbot.waitUntil(measuring.panel.run_button.isEnabled, timeout=LONG)
    qtbot.mouseClick(measuring.panel.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "area_px" in labels.features and "DAPI_mean" in labels.features, timeout=LONG)
    assert sorted(labels.features["label"]) == [1, 2]

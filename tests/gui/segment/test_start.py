"""The empty dock: what to begin with, and PyTorch that loads before it is needed."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_unet_nuclei.gui.batch.dock import BatchDock
from napari_unet_nuclei.gui.segment.dock import SegmentDock
from napari_unet_nuclei.gui.viewer.dock import SEGMENT, open_dock
from tests.helpers.docks import show_alone

LONG = 60_000
"""Milliseconds; PyTorch is imported."""


@pytest.fixture
def viewer(modest_viewer):
    return modest_viewer


@pytest.fixture
def dock(qtbot, viewer) -> SegmentDock:
    return show_alone(qtbot, SegmentDock(viewer), viewer)


def test_the_strip_is_there_until_there_is_an_image(qtbot, viewer, dock):
    qtbot.waitUntil(dock.start.isVisible)
    layer = viewer.add_image(np.zeros((40, 40), np.uint8))
    assert not dock.start.isVisible()
    viewer.layers.remove(layer)
    assert dock.start.isVisible()


def test_the_sample_is_opened_by_a_click(qtbot, viewer, dock):
    qtbot.waitUntil(dock.start.isVisible)
    qtbot.mouseClick(dock.start.sample_button, Qt.MouseButton.LeftButton)
    assert len(viewer.layers) > 0
    assert not dock.start.isVisible()
    assert dock.job_panel.run_button.isEnabled()


def test_an_image_of_one_s_own_is_chosen_and_opened(qtbot, viewer, dock, tmp_path, monkeypatch):
    path = tmp_path / "mine.tif"
    tifffile.imwrite(path, np.arange(1600, dtype=np.uint16).reshape(40, 40))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(path)], ""))
    qtbot.mouseClick(dock.start.image_button, Qt.MouseButton.LeftButton)
    assert [layer.name for layer in viewer.layers] == ["mine"]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([], ""))
    dock.start.image_button.click()
    assert len(viewer.layers) == 1


def test_a_folder_is_opened_in_the_dock_for_folders(qtbot, make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy(show=True)
    dock = open_dock(viewer, SEGMENT)
    qtbot.mouseClick(dock.start.folder_button, Qt.MouseButton.LeftButton)
    frames = viewer.window.dock_widgets.values()
    assert any(isinstance(widget, BatchDock) for widget in frames)


def test_pytorch_is_loaded_soon_after_an_image_is_there_and_the_devices_are_then_known(qtbot, viewer, dock):
    with qtbot.waitSignal(dock.early_engine.loaded, timeout=LONG) as loaded:
        viewer.add_image(np.zeros((40, 40), np.uint8))
    [devices] = loaded.args
    assert "cpu" in devices
    box = dock.form.device_picker.box
    assert {box.itemData(row) for row in range(box.count())} >= set(devices)
    assert not dock.job_panel.is_running

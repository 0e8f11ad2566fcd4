"""Labels of lazy layers go to disk block by block: the engine, the store and the window are the real ones."""

from __future__ import annotations

import runpy
import threading
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.blocks.segment import segment_blockwise
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.image.io.ome_zarr_labels import read_provenance
from napari_unet_nuclei.core.progress import Event, Progress, Silent
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.segment import dock as segment_dock
from napari_unet_nuclei.gui.segment.dock import SegmentDock
from napari_unet_nuclei.gui.segment.result import stored_python_call
from napari_unet_nuclei.gui.segment.stored_labels import stored_job
from napari_unet_nuclei.gui.viewer.source_file import read_source_file
from tests.helpers.docks import show_alone
from tests.helpers.samples import fluorescent_nuclei

pytestmark = pytest.mark.usefixtures("tiny_model")

LONG = 60_000
"""Milliseconds that a run may take on a busy machine; the first one imports PyTorch."""

PIXELS = fluorescent_nuclei().image[:160, :200]


@pytest.fixture
def viewer(modest_viewer):
    return modest_viewer


@pytest.fixture
def dock(qtbot, viewer) -> SegmentDock:
    dock = show_alone(qtbot, SegmentDock(viewer), viewer)
    dock.form.model_picker.setValue("tiny")
    dock.form.size_form.control("diameter_auto").value = False
    return dock


def add_lazy(viewer, pixels: np.ndarray = PIXELS, **arguments):
    return viewer.add_image(da.from_array(pixels, chunks=64), name="slide", **arguments)


def to_disk(qtbot, dock: SegmentDock, store: Path) -> None:
    """Ask for labels on disk, as a user would."""
    panel = dock.form.store_panel
    if not panel.box.isChecked():
        click(qtbot, panel.box)
    panel.path_edit.setValue(str(store))


def click(qtbot, button) -> None:
    left = Qt.MouseButton.LeftButton
    qtbot.mouseClick(button, left, pos=button.rect().center() if isinstance(button, QPushButton) else _box(button))


def _box(button):
    point = button.rect().center()
    point.setX(8)
    return point


def press_run(qtbot, dock: SegmentDock) -> None:
    qtbot.waitUntil(dock.job_panel.run_button.isEnabled, timeout=LONG)
    click(qtbot, dock.job_panel.run_button)
    assert dock.job_panel.is_running
    qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)


def labels_of(viewer) -> list[Labels]:
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def test_labels_of_a_lazy_layer_go_to_disk_and_come_back_as_a_lazy_layer_in_its_place(
    qtbot, viewer, dock, tmp_path
) -> None:
    placed = {"scale": (0.5, 0.25), "translate": (3, 4), "rotate": 20, "shear": [0.1], "units": ("um", "um")}
    image = add_lazy(viewer, **placed, affine=np.array([[1, 0.1, 5], [0, 1, 6], [0, 0, 1]]), axis_labels=("y", "x"))
    to_disk(qtbot, dock, tmp_path / "slide_labels.ome.zarr")
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    expected = segment(PIXELS, "tiny", diameter=22)
    assert isinstance(labels.data, da.Array)
    shown = labels.data.compute()
    assert np.array_equal(shown > 0, expected.labels > 0)
    assert shown.max() == len(labels.features) == expected.count > 10
    for name in ("scale", "translate", "rotate", "shear"):
        assert np.allclose(getattr(labels, name), getattr(image, name)), name
    assert np.allclose(labels.affine.affine_matrix, image.affine.affine_matrix)
    assert (labels.units, labels.axis_labels) == (image.units, image.axis_labels)
    assert not labels.editable
    said = labels.metadata["nuclei"]
    assert said["provenance"]["model"] == "tiny"
    assert said["store"] == str(tmp_path / "slide_labels.ome.zarr")
    assert np.array_equal(read_ome_zarr(tmp_path / "slide_labels.ome.zarr").levels[0][:], shown)
    assert len(pd.read_csv(tmp_path / "slide_table.csv")) == expected.count
    assert dock.foot.count_label.text() == f"{expected.count} nuclei"
    assert "slide_labels.ome.zarr" in dock.result_panel.detail_label.text()


def test_a_large_image_gives_a_pyramid_and_its_axes_lie_as_in_the_layer(qtbot, viewer, dock, tmp_path) -> None:
    stack = np.zeros((2, 1, 1100, 160), np.uint16)  # Z, T, X, Y: neither the order of NGFF nor of napari
    stack[0, 0, :200] = PIXELS.T
    stack[1, 0, 900:] = PIXELS.T
    add_lazy(viewer, stack, axis_labels=("z", "t", "x", "y"))
    dock.form.stack_form.planes_form.control("planes").value = "each"
    to_disk(qtbot, dock, tmp_path / "stack.ome.zarr")
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    assert labels.multiscale
    assert [level.shape for level in labels.data] == [(2, 1, 1100, 160), (2, 1, 550, 80)]
    shown = labels.data[0].compute()
    expected = segment(stack, "tiny", diameter=22, axes="ZTXY", planes="each").labels.swapaxes(-1, -2)
    assert np.array_equal(shown > 0, expected > 0)
    assert len(np.unique(shown)) == len(np.unique(expected)) > 20


def test_the_place_is_proposed_shown_and_chosen_before_the_run(qtbot, viewer, dock, tmp_path, monkeypatch) -> None:
    panel = dock.form.store_panel
    viewer.add_image(PIXELS, name="in memory")
    assert panel.isHidden()
    large = da.zeros((CACHED_PIXELS // 1024 + 1, 1024), chunks=1024, dtype=np.uint16)
    dock.form.image_panel.choose(viewer.add_image(large, name="slide 1"))
    assert not panel.isHidden()
    assert panel.box.isChecked()
    assert panel.path_edit.value() == str(Path.home() / "slide_1_labels.ome.zarr")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), ""))
    click(qtbot, panel.path_edit.findChild(QPushButton))
    assert panel.path_edit.value() == str(tmp_path / "mine.ome.zarr")
    panel.path_edit.setValue(str(tmp_path / "mine.tif"))
    assert "ending in .ome.zarr" in dock.job_panel.status_label.text()
    assert not dock.job_panel.run_button.isEnabled()
    dock.form.image_panel.choose(add_lazy(viewer))
    assert not panel.box.isChecked()
    assert dock.job_panel.run_button.isEnabled()
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    assert isinstance(labels.data, np.ndarray)


class Held:
    """Passes reports on; after one that begins so, the job waits until the window has heard of it."""

    finish_requested = False

    def __init__(self, progress: Progress, beginning: str, heard: threading.Event) -> None:
        self.progress, self.beginning, self.heard = progress, beginning, heard

    def report(self, event: Event) -> None:
        self.progress.report(event)
        if event.message.startswith(self.beginning):
            assert self.heard.wait(LONG / 1000)


def test_cancel_keeps_what_is_done_and_the_same_run_goes_on(qtbot, viewer, dock, tmp_path, monkeypatch) -> None:
    cancelled = threading.Event()

    def held_job(*given):
        job = stored_job(*given)
        return lambda progress: job(Held(progress, "block 2 of 3", cancelled))

    monkeypatch.setattr(segment_dock, "stored_job", held_job)
    pixels = np.tile(PIXELS, (1, 21))  # three blocks, of which the last one is narrow
    add_lazy(viewer, pixels)
    to_disk(qtbot, dock, tmp_path / "slide.ome.zarr")

    def cancel(event) -> None:
        if event.message.startswith("block 2 of 3"):
            click(qtbot, dock.job_panel.cancel_button)
            cancelled.set()

    dock.job_panel.reported.connect(cancel)
    click(qtbot, dock.job_panel.run_button)
    qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)
    assert "Find nuclei continues from there" in dock.job_panel.status_label.text()
    assert labels_of(viewer) == []
    assert [path.name for path in tmp_path.glob("*slide*")] == [".slide.ome.zarr.part"]
    dock.job_panel.reported.disconnect(cancel)
    press_run(qtbot, dock)
    assert "Going on" in dock.job_panel.notice_label.text()
    [labels] = labels_of(viewer)
    expected = segment(pixels, "tiny", diameter=22)
    assert np.array_equal(labels.data[0].compute() > 0, expected.labels > 0)
    assert dock.session.live.result.count == expected.count
    press_run(qtbot, dock)
    assert "The same run was done earlier" in dock.job_panel.status_label.text()
    assert len(labels_of(viewer)) == 1


def test_other_thresholds_take_a_new_run_which_replaces_the_labels(qtbot, viewer, dock, tmp_path) -> None:
    add_lazy(viewer)
    to_disk(qtbot, dock, tmp_path / "slide.ome.zarr")
    press_run(qtbot, dock)
    thresholds, before = dock.result_panel.thresholds, dock.session.live.result.count
    assert not thresholds.note_label.isHidden()
    assert "requires a new run" in thresholds.note_label.text()
    with qtbot.waitSignal(dock.session.answered, timeout=LONG):
        thresholds.sliders["min_size"].slider.setValue(300)
    qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)
    assert [layer.name for layer in labels_of(viewer)] == ["slide labels", "slide (current view) labels"]
    press_run(qtbot, dock)
    assert "is there already" in dock.job_panel.status_label.text()
    click(qtbot, thresholds.apply_button)
    qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)
    [labels] = labels_of(viewer)
    assert 0 < labels.data.compute().max() < before
    assert dock.session.live.result.thresholds.min_size == 300


def test_the_content_of_the_file_tells_what_was_done_unless_the_layer_holds_other_pixels(
    qtbot, viewer, dock, tmp_path
) -> None:
    group = zarr.create_group(tmp_path / "slide.ome.zarr")
    group.create_array("0", data=PIXELS, chunks=(64, 64))
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    [layer] = viewer.open(tmp_path / "slide.ome.zarr", plugin="napari-ome-zarr")
    qtbot.waitUntil(lambda: dock.form.image_panel.file.readable, timeout=LONG)
    assert dock.form.store_panel.path_edit.value() == str(tmp_path / "slide_labels.ome.zarr")
    to_disk(qtbot, dock, tmp_path / "slide_labels.ome.zarr")
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    assert labels.units == layer.units
    assert np.allclose(labels.scale, layer.scale)
    assert read_provenance(tmp_path / "slide_labels.ome.zarr")["file"] == str(tmp_path / "slide.ome.zarr")
    assert read_ome_zarr(tmp_path / "slide_labels.ome.zarr").pixel_size.y == 0.5
    finest = layer.data[0] if layer.multiscale else layer.data
    layer.data = [finest[::-1]] if layer.multiscale else finest[::-1]
    press_run(qtbot, dock)
    assert "is there already, from another image" in dock.job_panel.status_label.text()


def test_a_table_of_others_is_not_replaced(qtbot, viewer, dock, tmp_path) -> None:
    (tmp_path / "slide_table.csv").write_text("mine")
    add_lazy(viewer)
    to_disk(qtbot, dock, tmp_path / "slide.ome.zarr")
    press_run(qtbot, dock)
    assert "slide_table.csv exists already" in dock.job_panel.status_label.text()
    assert (tmp_path / "slide_table.csv").read_text() == "mine"
    assert labels_of(viewer) == []


def test_the_copied_python_gives_the_same_store(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "slide.tif", PIXELS)
    settings = SegmentSettings().changed(diameter=22, min_size=30)
    region = (0, 150, 10, 200)
    request = SegmentRequest(
        ImageSource(PIXELS, "YX"), settings, "tiny", region=region, file=str(tmp_path / "slide.tif")
    )
    text = stored_python_call(request, read_source_file(request.file), tmp_path / "slide_labels.ome.zarr")
    (tmp_path / "copied.py").write_text(text, encoding="utf-8")
    copied = runpy.run_path(str(tmp_path / "copied.py"))["result"]
    assert copied.table == tmp_path / "slide_table.csv"
    again = segment_blockwise(request, copied.path, Silent(), table=copied.table)
    assert again.done_before
    assert 5 < again.count == copied.count

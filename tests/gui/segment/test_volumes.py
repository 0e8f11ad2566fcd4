"""Stacks in the dock: what becomes of their planes, the count, the table, the sliders and the place in the world."""

from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from napari.layers import Labels
from napari.layers._source import layer_source

from napari_unet_nuclei.core.image.io import ome_zarr_labels
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.segment.run import segment
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.segment import form as form_module
from napari_unet_nuclei.gui.segment.dock import SegmentDock
from napari_unet_nuclei.gui.segment.image_panel import PLANE, WHOLE
from napari_unet_nuclei.gui.segment.result import command_line
from napari_unet_nuclei.gui.viewer.pairing import image_of
from napari_unet_nuclei.gui.viewer.source_file import SourceFile
from tests.helpers.docks import show_alone
from tests.helpers.joining import same_up_to_numbers
from tests.helpers.samples import packed_tissue

LONG = 60_000
TISSUE = packed_tissue(shape=(8, 64, 64), diameter=22, count=8, spacing=4)
PLACE = {"scale": (1.0, 0.25, 0.25), "units": ("um",) * 3, "axis_labels": ("z", "y", "x")}


@pytest.fixture
def viewer(modest_viewer):
    return modest_viewer


@pytest.fixture
def dock(qtbot, viewer) -> SegmentDock:
    dock = show_alone(qtbot, SegmentDock(viewer), viewer)
    viewer.add_image(TISSUE.image, name="tissue", **PLACE)
    dock.form.model_picker.setValue(AUTOMATIC)
    dock.form.size_form.setValue(SegmentSettings().changed(diameter=22))
    return dock


def run(qtbot, dock: SegmentDock) -> Labels:
    with qtbot.waitSignal(dock.session.answered, timeout=LONG):
        dock.job_panel.run_button.click()
    qtbot.waitUntil(lambda: not dock.job_panel.is_running)
    return dock.session.live.layer


def test_a_stack_becomes_nuclei_in_three_dimensions_that_sliders_act_on(qtbot, dock) -> None:
    assert not dock.form.stack_form.isHidden()
    layer = run(qtbot, dock)
    expected = segment(TISSUE.image, pixel_size=TISSUE.pixel_size, diameter=22)
    assert np.array_equal(layer.data, expected.labels)
    assert layer.scale == pytest.approx(PLACE["scale"])
    assert dock.foot.count_label.text() == f"{expected.count} nuclei in 8 planes"
    assert len(layer.features) == expected.count
    assert layer.features["volume_um3"].notna().all()
    dock.result_panel.thresholds.sliders["score"].slider.setValue(99)
    qtbot.waitUntil(lambda: dock.session.live.result.count < expected.count, timeout=LONG)
    qtbot.waitUntil(lambda: dock.session.live.table is not None, timeout=LONG)
    assert len(dock.session.live.table) == dock.session.live.result.count


def test_a_large_volume_shows_the_plane_in_view_first_and_keeps_what_was_painted(qtbot, dock, monkeypatch) -> None:
    layer = run(qtbot, dock)
    live, before = dock.session.live, layer.data.copy()
    monkeypatch.setattr("napari_unet_nuclei.core.segment.decoders.QUICK_VOXELS", 0)
    dock._viewer.dims.set_current_step(0, 4)
    own = live.result.thresholds
    live.apply(replace(own, foreground=0.95))
    qtbot.waitUntil(lambda: bool(live.in_view), timeout=LONG)
    assert live.in_view.endswith("in this plane")
    assert np.array_equal(np.delete(layer.data, 4, 0), np.delete(before, 4, 0)), "the other planes follow"
    assert (layer.data[4] > 0).sum() < (before[4] > 0).sum()
    assert not live.is_edited()
    qtbot.waitUntil(lambda: not live.is_busy, timeout=LONG)
    assert np.array_equal(layer.data > 0, live.result.labels > 0)
    assert live.result.thresholds.foreground == 0.95
    # Painted while only the plane in view is new: all of the new labels go to another layer.
    live.apply(replace(own, foreground=0.5))
    qtbot.waitUntil(lambda: bool(live.in_view), timeout=LONG)
    layer.data_setitem((np.array([1]), np.array([1]), np.array([1])), 99)
    with qtbot.waitSignal(live.layer_added, timeout=LONG):
        pass
    assert layer.data[1, 1, 1] == 99
    assert np.array_equal(live.layer.data > 0, live.result.labels > 0)


def test_each_plane_by_itself_is_a_choice_that_has_no_spacing(qtbot, dock) -> None:
    form = dock.form.stack_form
    form.spacing_form.control("z_spacing_auto").value = False
    assert not dock.form.settings().z_spacing_auto
    form.planes_form.control("planes").value = "each"
    assert form.spacing_form.isHidden()
    assert dock.form.settings().z_spacing_auto
    run(qtbot, dock)
    assert dock.foot.count_label.text().endswith("in 8 planes, each by itself")


def test_a_projection_is_shown_as_an_image_and_segmented(qtbot, dock) -> None:
    form, layers = dock.form.stack_form, dock._viewer.layers
    layers.clear()
    with layer_source(path="tissue.tif"):  # as a reader opens it
        dock._viewer.add_image(TISSUE.image, name="tissue", **PLACE)
    form.planes_form.control("planes").value = "maximum"
    assert form.spacing_form.isHidden()
    layer = run(qtbot, dock)
    expected = segment(TISSUE.image, planes="maximum", diameter=22)
    assert np.array_equal(layer.data, expected.labels)
    assert dock.foot.count_label.text() == expected.count_text == f"{expected.count} nuclei in the maximum of 8 planes"
    assert dock.form.image_panel.layer == layers["tissue"]  # for another projection
    image = layers["tissue maximum along z"]
    assert np.array_equal(image.data, TISSUE.image.max(axis=0))
    assert tuple(image.scale) == tuple(layer.scale) == PLACE["scale"][1:]
    # Every dock takes it as the image that the labels belong to.
    assert image_of(dock._viewer, layer) == image
    # Again: the same picture, and the same labels layer.
    assert run(qtbot, dock) == layer
    assert len(layers) == 3
    command = command_line(dock.session.live.request, SourceFile("tissue.tif", True, TISSUE.image.shape, "ZYX"))
    assert "--planes maximum" in command
    assert "--axes" not in command
    form.planes_form.control("planes").value = "mean"
    run(qtbot, dock)
    assert "tissue mean along z" in layers


def test_choices_for_stacks_act_on_no_other_image(dock) -> None:
    dock.form.stack_form.planes_form.control("planes").value = "volume"
    assert dock.form.settings().planes == "volume"
    dock.form.image_panel.setScope(PLANE)
    assert dock.form.stack_form.isHidden()
    assert dock.form.settings().planes == "auto"
    dock.form.image_panel.setScope(WHOLE)
    assert dock.form.settings().planes == "volume"


def test_a_large_stack_in_memory_is_offered_labels_on_disk_and_they_open_lazily_in_its_place(
    qtbot, viewer, dock, tmp_path, monkeypatch
) -> None:
    panel = dock.form.store_panel
    assert panel.isHidden(), "a small one is not"
    monkeypatch.setattr(form_module, "OFFERED", 1000)
    dock.form.image_panel.setScope(PLANE)
    dock.form.image_panel.setScope(WHOLE)
    assert not panel.isHidden()
    assert not panel.box.isChecked()
    monkeypatch.setattr(form_module, "LARGEST_STACK", 2000)
    dock.form.image_panel.setScope(PLANE)
    dock.form.image_panel.setScope(WHOLE)
    assert panel.box.isChecked(), "one that is too large for memory goes there by itself"
    dock.form.stack_form.planes_form.control("planes").value = "joined"
    assert "joined in memory" in dock.form.problem()
    dock.form.stack_form.planes_form.control("planes").value = "auto"
    assert not dock.form.problem()
    panel.path_edit.setValue(str(tmp_path / "stack_labels.ome.zarr"))
    monkeypatch.setattr(ome_zarr_labels, "SMALLEST_VOLUME", 32)
    layer = run(qtbot, dock)
    expected = segment(TISSUE.image, pixel_size=TISSUE.pixel_size, diameter=22)
    assert layer.multiscale
    assert [level.shape for level in layer.data] == [(8, 64, 64), (8, 32, 32)]
    assert all(isinstance(level, da.Array) for level in layer.data)
    assert same_up_to_numbers(layer.data[0].compute(), expected.labels)
    assert layer.scale == pytest.approx(PLACE["scale"])
    assert dock.foot.count_label.text() == f"{expected.count} nuclei in 8 planes"
    assert len(layer.features) == expected.count
    assert layer.features["volume_um3"].notna().all()
    # A slider tries the nuclei in view, in all planes.
    dock.result_panel.thresholds.sliders["score"].slider.setValue(99)
    qtbot.waitUntil(lambda: dock.session.preview is not None and not dock.job_panel.is_running, timeout=LONG)
    tried = dock.session.preview.result
    assert (tried.planes, tried.labels.shape[0]) == ("volume", 8)
    assert tried.provenance["z_spacing"]["pixels"] == 4
    assert tried.count < expected.count
    viewer.dims.ndisplay = 3
    assert layer.data_level == 1, "the coarsest level is shown in three dimensions"

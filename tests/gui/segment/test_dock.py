from __future__ import annotations

import runpy
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSlider,
)

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.saving.dialog import SaveDialog
from napari_unet_nuclei.gui.segment.dock import SegmentDock
from napari_unet_nuclei.gui.segment.form import SegmentChoices
from napari_unet_nuclei.gui.settings.remembered import recall, remember
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.viewer.frame import FRAME
from napari_unet_nuclei.gui.widgets.ancestor import ancestor
from tests.helpers.docks import mouse_event, show_alone

pytestmark = pytest.mark.usefixtures("tiny_model")

LONG = 60_000
"""Milliseconds that a run may take on a busy machine; the first one imports PyTorch."""


@pytest.fixture
def viewer(modest_viewer):
    return modest_viewer


@pytest.fixture
def dock(qtbot, viewer) -> SegmentDock:
    dock = show_alone(qtbot, SegmentDock(viewer), viewer)
    choose_model(dock)
    return dock


def open_dock(viewer) -> SegmentDock:
    """Open the dock in a napari window."""
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment nuclei")
    choose_model(dock)
    return dock


def choose_model(dock: SegmentDock) -> None:
    dock.form.model_picker.setValue("tiny")
    dock.form.size_form.control("diameter_auto").value = False


def press_run(qtbot, dock: SegmentDock) -> None:
    with qtbot.waitSignal(dock.session.answered, timeout=LONG):
        dock.job_panel.run_button.click()
    qtbot.waitUntil(lambda: not dock.job_panel.is_running)


def segment_in_window(qtbot, viewer, pixels) -> SegmentDock:
    """Open the dock in a napari window, and segment an image there."""
    dock = open_dock(viewer)
    viewer.add_image(pixels, name="DAPI")
    press_run(qtbot, dock)
    return dock


def rest(qtbot, dock: SegmentDock) -> None:
    qtbot.waitUntil(lambda: not dock.session.shown.is_busy, timeout=LONG)


def labels_of(viewer) -> list[Labels]:
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def test_run_shows_the_engines_labels_in_the_images_place(qtbot, viewer, dock, pixels) -> None:
    image = viewer.add_image(pixels, scale=(0.5, 0.5), translate=(3, 4), units=("um", "um"), axis_labels=("y", "x"))
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    expected = segment(pixels, "tiny", diameter=22)
    assert expected.count > 10
    assert np.array_equal(labels.data, expected.labels)
    assert labels.units == image.units
    assert np.allclose(labels.extent.world, image.extent.world)
    assert labels.metadata["nuclei"]["provenance"]["model"] == "tiny"
    assert len(labels.features) == expected.count
    assert f"{expected.count:,} nucle" in dock.foot.count_label.text()
    assert "cpu" in dock.form.device_picker.note.text()
    assert dock.job_panel.status_label.text().startswith("Done in")


def test_a_run_again_replaces_its_labels_unless_somebody_painted_on_them(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(pixels, name="DAPI")
    press_run(qtbot, dock)
    press_run(qtbot, dock)
    [first] = labels_of(viewer)
    first.data_setitem((np.array([1]), np.array([1])), 900)
    press_run(qtbot, dock)
    assert [layer.name for layer in labels_of(viewer)] == ["DAPI labels", "DAPI labels [1]"]
    assert first.data[1, 1] == 900
    assert not first.visible, "it would be mistaken for a part of the new result"


def test_a_run_with_other_choices_hides_the_last_one_and_says_what_differs(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(pixels, name="GFP")
    press_run(qtbot, dock)
    dock.form.image_panel.choose(viewer.add_image(pixels[::-1], name="DAPI"))
    press_run(qtbot, dock)
    assert [layer.visible for layer in labels_of(viewer)] == [True, True], "of another image"
    dock.form.size_form.control("diameter").value = 31
    press_run(qtbot, dock)
    assert [layer.name for layer in labels_of(viewer)] == ["GFP labels", "DAPI labels", "DAPI labels, 31 px"]
    assert [layer.visible for layer in labels_of(viewer)] == [True, False, True]


def test_cancel_adds_nothing(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(pixels)
    dock.job_panel.run_button.click()
    with qtbot.waitSignal(dock.job_panel.running_changed, timeout=LONG):
        dock.job_panel.cancel_button.click()
    assert dock.job_panel.status_label.text() == "Stopped: nothing was changed."
    assert labels_of(viewer) == []


def test_closing_the_dock_does_not_lose_the_run(qtbot, make_napari_viewer_proxy, pixels) -> None:
    viewer = make_napari_viewer_proxy()
    dock = open_dock(viewer)
    viewer.add_image(pixels)
    dock.job_panel.run_button.click()
    session = dock.session
    viewer.window.remove_dock_widget(dock)
    dock.close()
    dock.deleteLater()
    qtbot.waitUntil(lambda: session.live is not None, timeout=LONG)
    assert len(labels_of(viewer)) == 1


def test_the_sliders_change_the_labels_and_reset_brings_the_models_back(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(pixels)
    thresholds = dock.result_panel.thresholds
    assert not thresholds.isVisible(), "there is nothing to act on yet"
    press_run(qtbot, dock)
    assert thresholds.isVisible()
    [labels] = labels_of(viewer)
    before = labels.data.copy()
    live = dock.session.live
    thresholds.sliders["min_size"].slider.setValue(200)
    thresholds.sliders["min_size"].slider.setValue(300)
    rest(qtbot, dock)
    assert live.result.thresholds.min_size == 300
    assert 0 < live.result.count < before.max()
    assert dock.foot.count_label.text() == f"{live.result.count} nuclei"
    assert len(labels.features) == live.result.count
    assert np.array_equal(labels.data > 0, live.result.labels > 0)
    assert thresholds.origin_label.text() == "set by you"
    thresholds.reset_button.click()
    rest(qtbot, dock)
    assert np.array_equal(labels.data, before)
    assert live.result.thresholds == live.result.model_thresholds
    assert len(viewer.layers) == 2


def test_thresholds_stay_set_for_the_next_run_but_not_for_another_image(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(pixels)
    press_run(qtbot, dock)
    dock.result_panel.thresholds.sliders["foreground"].slider.setValue(62)
    press_run(qtbot, dock)
    assert dock.session.live.result.thresholds.foreground == 0.62
    assert dock.session.live.result.thresholds.split == dock.session.live.result.model_thresholds.split
    dock.form.image_panel.choose(viewer.add_image(pixels[::-1], name="another"))
    press_run(qtbot, dock)
    assert dock.session.live.result.thresholds == dock.session.live.result.model_thresholds


def test_without_an_image_run_is_disabled_and_says_why(qtbot, viewer, dock, pixels) -> None:
    assert not dock.job_panel.run_button.isEnabled()
    assert "Open an image first" in dock.job_panel.status_label.text()
    image = viewer.add_image(pixels)
    assert dock.job_panel.run_button.isEnabled()
    viewer.layers.remove(image)
    assert not dock.job_panel.run_button.isEnabled()


def test_a_diameter_in_micrometres_needs_a_pixel_size(viewer, dock, pixels) -> None:
    image = viewer.add_image(pixels)
    dock.form.size_form.control("diameter_unit").value = "µm"
    assert not dock.job_panel.run_button.isEnabled()
    assert "give the diameter in px" in dock.job_panel.status_label.text()
    image.units = ("um", "um")
    dock.form.size_form.control("diameter").value = 11
    assert dock.job_panel.run_button.isEnabled()


def test_the_picker_follows_the_layers(make_napari_viewer_proxy, pixels) -> None:
    viewer = make_napari_viewer_proxy()
    dock = open_dock(viewer)
    first = viewer.add_image(pixels, name="first")
    assert dock.form.image_panel.layer.name == "first"
    viewer.add_image(pixels, name="second")
    viewer.layers.remove(first)
    assert dock.form.image_panel.layer.name == "second"


def test_only_images_with_channels_ask_for_one(qtbot, viewer, dock, pixels) -> None:
    panel = dock.form.image_panel
    viewer.add_image(pixels)
    assert panel.channel_box.isHidden()
    viewer.layers.clear()
    viewer.add_image(np.stack([np.zeros_like(pixels), pixels]), axis_labels=("c", "y", "x"))
    assert not panel.channel_box.isHidden()
    assert panel.channel_box.itemText(0) == "automatic: on screen"
    panel.channel_box.setCurrentIndex(2)
    press_run(qtbot, dock)
    assert dock.session.live.result.channel == "channel 1"
    assert np.array_equal(labels_of(viewer)[0].data, segment(pixels, "tiny", diameter=22).labels)


def test_a_stack_is_segmented_plane_by_plane_or_in_one_plane(qtbot, viewer, dock, pixels) -> None:
    panel = dock.form.image_panel
    viewer.add_image(np.stack([pixels, pixels[::-1], pixels[:, ::-1]]), scale=(2, 1, 1))
    assert panel.facts_label.text() == "3 planes · pixel size unknown · 160 × 200 px"
    viewer.dims.set_current_step(0, 1)
    panel.setScope("current plane")
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    assert labels.data.shape == (1, *pixels.shape)
    assert labels.data.max() > 10
    assert np.array_equal(labels.data[0], segment(pixels[::-1], "tiny", diameter=22).labels)
    assert labels.data_to_world((0, 0, 0))[0] == 2


def test_the_user_can_say_what_the_axes_are(qtbot, viewer, dock, pixels) -> None:
    panel = dock.form.image_panel
    viewer.add_image(np.stack([pixels, pixels]))
    box = panel.axes_box
    assert [box.itemText(place) for place in range(box.count())] == [
        "first axis is planes (2)", "first axis is time (2)", "first axis is channels (2)",
    ]  # fmt: skip
    box.setCurrentIndex(2)
    assert not panel.channel_box.isHidden()
    assert panel.facts_label.text() == "2 channels · pixel size unknown · 160 × 200 px"
    box.setCurrentIndex(1)
    assert panel.image().source.axes == "TYX"


def test_the_current_view_is_what_is_on_the_screen(qtbot, make_napari_viewer_proxy, pixels) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    dock = open_dock(viewer)
    layer = viewer.add_image(pixels)
    viewer.scene.camera.zoom *= 4
    viewer.scene.camera.center = (60, 70)
    qtbot.waitUntil(lambda: layer.corner_pixels[1, 0] < 150)
    dock.form.image_panel.setScope("current view")
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    (y0, x0), (y1, x1) = layer.corner_pixels
    assert labels.data.shape == (y1 + 1 - y0, x1 + 1 - x0)
    assert np.allclose(labels.data_to_world((0, 0)), (y0, x0))
    assert y0 > 0
    assert y0 < 60 < y1


def test_sliders_act_on_the_view_of_an_image_that_is_too_large(
    qtbot, make_napari_viewer_proxy, pixels, monkeypatch
) -> None:
    monkeypatch.setattr("napari_unet_nuclei.core.segment.nuclei.CACHED_PIXELS", 20_000)
    viewer = make_napari_viewer_proxy(show=True)
    dock = open_dock(viewer)
    layer = viewer.add_image(pixels)
    viewer.scene.camera.zoom *= 4
    qtbot.waitUntil(lambda: layer.corner_pixels[0, 0] > 0)
    press_run(qtbot, dock)
    assert dock.session.live.result.maps is None
    thresholds = dock.result_panel.thresholds
    assert not thresholds.apply_button.isHidden()
    whole = labels_of(viewer)[0]
    before = whole.data.copy()
    with qtbot.waitSignal(dock.session.answered, timeout=LONG):
        thresholds.sliders["foreground"].slider.setValue(80)
    qtbot.waitUntil(lambda: not dock.job_panel.is_running)
    rest(qtbot, dock)
    assert dock.session.preview.result.thresholds.foreground == 0.8
    assert dock.session.preview.layer.data.size < whole.data.size
    assert np.array_equal(whole.data, before)
    with qtbot.waitSignal(dock.session.answered, timeout=LONG):
        thresholds.apply_button.click()
    assert labels_of(viewer) == [whole]
    assert np.array_equal(whole.data, segment(pixels, "tiny", diameter=22, foreground=0.8).labels)


@pytest.fixture
def image_file(tmp_path, pixels) -> Path:
    path = tmp_path / "some nuclei.tif"
    stack = np.stack([pixels, pixels[::-1]])
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TYX", "unit": "um"}, resolution=(2, 2))
    return path


def test_what_the_reader_left_out_is_read_from_the_file(qtbot, viewer, dock, image_file) -> None:
    viewer.open(image_file, plugin="napari")
    panel = dock.form.image_panel
    qtbot.waitUntil(lambda: panel.axes_box.currentData() == "TYX", timeout=LONG)
    assert panel.image().pixel_size.y == pytest.approx(0.5)


def test_a_palette_is_segmented_by_its_colours_though_napari_shows_its_indices(
    qtbot, viewer, dock, tmp_path, pixels
) -> None:
    order = np.random.default_rng(0).permutation(256).astype(np.uint8)
    grey = (pixels / pixels.max() * 255).astype(np.uint8)
    table = np.zeros((3, 256), np.uint16)
    table[2, order] = np.arange(256) * 257  # blue, and neighbouring indices far apart
    tifffile.imwrite(tmp_path / "palette.tif", order[grey], photometric="palette", colormap=table)
    [layer] = viewer.open(tmp_path / "palette.tif", plugin="napari")
    panel = dock.form.image_panel
    qtbot.waitUntil(lambda: panel.file.readable, timeout=LONG)
    assert not layer.rgb
    assert np.array_equal(panel.image().source.read((), 2), grey)
    press_run(qtbot, dock)
    assert labels_of(viewer)[0].data.shape == grey.shape


def test_four_stains_are_channels_though_napari_shows_them_as_colours(qtbot, viewer, dock, pixels) -> None:
    stains = np.stack([pixels[::-1] // 2, pixels, pixels // 3, pixels // 5 + 7], -1)
    layer = viewer.add_image(stains)
    panel = dock.form.image_panel
    panel.choose(layer)
    assert layer.rgb
    assert panel.facts_label.text().startswith("4 channels")
    assert panel.axes_box.currentText() == "third axis is channels (4)"
    assert panel.channel_box.currentText() == "automatic", "no slider goes through them"
    panel.channel_box.setCurrentIndex(panel.channel_box.findData("1"))
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    assert labels.data.shape == pixels.shape
    expected = segment(stains, "tiny", axes="YXC", channel="1", diameter=22)
    np.testing.assert_array_equal(labels.data, expected.labels)
    panel.axes_box.setCurrentIndex(panel.axes_box.findData("YXS"))
    assert panel.facts_label.text().startswith("colour picture")


def test_the_copied_calls_give_the_same_labels(qtbot, viewer, dock, image_file, tmp_path, monkeypatch) -> None:
    from typer.testing import CliRunner

    from napari_unet_nuclei.cli import app

    viewer.open(image_file, plugin="napari")
    qtbot.waitUntil(lambda: dock.result_panel.command_button.isEnabled(), timeout=LONG)
    viewer.dims.set_current_step(0, 1)
    dock.form.image_panel.setScope("current plane")
    press_run(qtbot, dock)
    dock.result_panel.thresholds.sliders["foreground"].slider.setValue(90)
    rest(qtbot, dock)
    shown = dock.session.live.result.labels  # the layer keeps the ids of nuclei that the slider left alone
    assert np.array_equal(shown > 0, labels_of(viewer)[0].data > 0)
    assert shown.max() > 5

    dock.result_panel.python_button.click()
    (tmp_path / "copied.py").write_text(QApplication.clipboard().text(), encoding="utf-8")
    assert np.array_equal(runpy.run_path(str(tmp_path / "copied.py"))["result"].labels, shown)

    dock.result_panel.command_button.click()
    program, *arguments = shlex.split(QApplication.clipboard().text())
    assert program == "napari-unet-nuclei"
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    assert np.array_equal(tifffile.imread(next(tmp_path.glob("nuclei/*_labels.tif"))).squeeze(), shown.squeeze())


def test_a_layer_without_a_file_has_no_call_to_copy(viewer, dock, pixels) -> None:
    viewer.add_image(pixels)
    for button in (dock.result_panel.command_button, dock.result_panel.python_button):
        assert not button.isEnabled()
        assert button.toolTip() == "This image was not read from a file."


def test_save_opens_the_dialog_for_the_labels_as_they_are(qtbot, viewer, dock, pixels, tmp_path) -> None:
    viewer.add_image(pixels, name="DAPI", scale=(0.5, 0.5), units=("um", "um"))
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    labels.data_setitem((np.array([0, 0]), np.array([0, 1])), 900)
    dock.foot.save_button.click()
    [dialog] = dock.findChildren(SaveDialog)
    dialog.base.setValue(str(tmp_path / "mine"))
    dialog.panel.run_button.click()
    qtbot.waitUntil(lambda: (tmp_path / "mine_labels.tif").exists() and not dialog.panel.is_running, timeout=LONG)
    saved = read_image(tmp_path / "mine_labels.tif")
    assert np.array_equal(saved.array, labels.data)
    assert saved.pixel_size.y == pytest.approx(0.5)


def test_the_result_leads_on_with_its_labels_and_to_a_folder_with_its_settings(
    qtbot, make_napari_viewer_proxy, pixels
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    dock = segment_in_window(qtbot, viewer, pixels)
    dock.result_panel.thresholds.sliders["min_size"].slider.setValue(300)
    rest(qtbot, dock)
    [labels] = labels_of(viewer)

    def led_to(button: QPushButton, title: str) -> Any:
        ancestor(dock, QDockWidget).raise_()
        qtbot.waitUntil(button.isVisible, timeout=LONG)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        [other] = [one for one in dock.window().findChildren(Dock) if one.tab_title == title]
        qtbot.waitUntil(lambda: other.is_in_front, timeout=LONG)
        return other

    choices = led_to(dock.foot.folder_button, "Batch").form.choices()
    assert (choices.model, choices.settings.min_size, choices.settings.min_size_auto) == ("tiny", 300, False)
    assert choices.settings.diameter_auto is False
    assert led_to(dock.foot.correct_button, "Correct").picker.labels is labels
    assert led_to(dock.foot.table_button, "Measure").form.labels_picker.layer is labels


def test_the_result_survives_the_dock_with_its_sliders(qtbot, make_napari_viewer_proxy, pixels) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    dock = segment_in_window(qtbot, viewer, pixels)
    dock.result_panel.thresholds.sliders["min_size"].slider.setValue(300)
    rest(qtbot, dock)
    count = dock.session.live.result.count
    viewer.window.remove_dock_widget(dock)
    again = SegmentDock(viewer)
    viewer.window.add_dock_widget(again, name="Segment nuclei")
    qtbot.waitUntil(lambda: again.session.live is not None, timeout=LONG)
    assert again.foot.count_label.text() == f"{count} nuclei"
    sliders = again.result_panel.thresholds.sliders
    assert sliders["min_size"].value() == 300
    assert again.result_panel.thresholds.origin_label.text() == "set by you"
    again.result_panel.thresholds.reset_button.click()
    rest(qtbot, again)
    assert again.session.live.result.count > count
    assert len(labels_of(viewer)) == 1


def test_a_menu_that_opens_the_dock_again_and_segments_shows_the_result_in_it(
    qtbot, make_napari_viewer_proxy, pixels
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    dock = segment_in_window(qtbot, viewer, pixels)
    viewer.window.remove_dock_widget(dock)
    viewer.layers.remove("DAPI labels")
    viewer.layers.selection.active = viewer.layers["DAPI"]
    again = SegmentDock(viewer)
    viewer.window.add_dock_widget(again, name="Segment nuclei")
    again.segment_active_layer()
    qtbot.waitUntil(lambda: not again.job_panel.is_running and again.session.live is not None, timeout=LONG)
    assert again.foot.count_label.text() == f"{again.session.live.result.count} nuclei"


def test_sliders_keep_the_ids_of_unchanged_nuclei_and_tell_what_came_and_went(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(pixels)
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    before = labels.data.copy()
    dock.result_panel.thresholds.sliders["min_size"].slider.setValue(300)
    rest(qtbot, dock)
    stayed = labels.data > 0
    assert np.array_equal(labels.data[stayed], before[stayed])
    gone = len(np.unique(before)) - len(np.unique(labels.data))
    assert dock.foot.change_label.text() == f"−{gone}"
    assert sorted(labels.features["label"]) == sorted(set(np.unique(labels.data)) - {0})


def test_a_click_frames_a_nucleus_and_shows_its_values(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(pixels)
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    inside = np.argwhere(labels.data == 5)
    dock.clicked._show(mouse_event(inside[0]))
    assert dock.foot.card.text().startswith("Nucleus 5 · Area")
    starts = viewer.layers[FRAME].data[:, 0]
    assert (starts.min(axis=0) < inside.min(axis=0)).all()
    assert (starts.max(axis=0) > inside.max(axis=0)).all()
    labels.paint(tuple(inside[0]), 5)  # the table is gone with it
    dock.clicked._show(mouse_event(inside[0]))
    assert dock.foot.card.text() == "Nucleus 5"
    dock.clicked._show(mouse_event(np.argwhere(labels.data == 0)[0]))
    assert FRAME not in viewer.layers
    assert not dock.foot.card.isVisible()


def test_labels_are_outlines_until_a_button_or_a_key_says_otherwise(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(pixels)
    press_run(qtbot, dock)
    [labels] = labels_of(viewer)
    assert labels.contour > 0
    qtbot.mouseClick(dock.result_panel.display.buttons["Filled"], Qt.MouseButton.LeftButton)
    assert (labels.contour, labels.visible) == (0, True)
    dock.activateWindow()
    qtbot.waitUntil(dock.isActiveWindow, timeout=LONG)
    qtbot.keyClick(dock, Qt.Key.Key_O)
    assert not labels.visible
    qtbot.keyClick(dock, Qt.Key.Key_O)
    assert labels.visible
    assert labels.contour > 0


def test_settings_are_remembered(qtbot, viewer, dock, pixels) -> None:
    viewer.add_image(pixels)
    dock.form.size_form.control("diameter").value = 31.5
    dock.form.advanced_form.control("tile").value = 512
    press_run(qtbot, dock)
    remembered = recall(SegmentChoices)
    assert remembered.model == "tiny"
    assert remembered.settings.diameter == 31.5
    again = show_alone(qtbot, SegmentDock(viewer), viewer)
    assert again.form.settings() == remembered.settings
    assert again.form.model_picker.value() == "tiny"


def test_a_remembered_model_that_was_removed_gives_way_to_the_automatic_choice(qtbot, viewer) -> None:
    remember(SegmentChoices(SegmentSettings(diameter=31.5), model="since removed"))
    again = show_alone(qtbot, SegmentDock(viewer), viewer)
    assert again.form.model_picker.value() == AUTOMATIC
    assert again.form.settings().diameter == 31.5


def test_every_control_explains_itself(dock) -> None:
    named = (QPushButton, QComboBox, QSlider, QAbstractSpinBox, QLineEdit)
    internal = {"qt_spinbox_lineedit"}
    mute = [
        widget
        for kind in named
        for widget in dock.findChildren(kind)
        if widget.objectName() not in internal and not (widget.toolTip() or widget.parentWidget().toolTip())
    ]
    assert [(type(widget).__name__, widget.objectName()) for widget in mute] == []


def test_nothing_is_squeezed_or_cut_off_in_a_low_window(qtbot, make_napari_viewer_proxy, pixels) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1000, 480)
    dock = open_dock(viewer)
    viewer.add_image(pixels)
    press_run(qtbot, dock)
    labels = [dock.job_panel.status_label, dock.result_panel.detail_label]
    sliders = dock.result_panel.thresholds.sliders.values()
    column = dock.findChild(QScrollArea)

    def fits() -> bool:
        return (
            all(label.height() >= label.heightForWidth(label.width()) > 0 for label in labels)
            and all(slider.height() >= slider.minimumSizeHint().height() for slider in sliders)
            and column.widget().width() <= column.viewport().width()
            and column.widget().height() > column.viewport().height()
        )

    qtbot.waitUntil(fits, timeout=LONG)

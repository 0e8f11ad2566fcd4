"""Kind of image, channels, and what is doubtful, in the dock *Segment nuclei*: with clicks."""

from __future__ import annotations

import runpy
import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.batch.choices import BatchChoices
from napari_unet_nuclei.gui.segment.dock import NEITHER_WAY, PUT_BACK, SegmentDock
from napari_unet_nuclei.gui.segment.form import SegmentChoices
from napari_unet_nuclei.gui.settings.remembered import recall, remember
from tests.helpers.docks import show_alone
from tests.helpers.samples import fluorescent_nuclei, stained_tissue

pytestmark = pytest.mark.usefixtures("tiny_model")

LONG = 60_000
"""Milliseconds that a run may take on a busy machine; the first one imports PyTorch."""

DARK = fluorescent_nuclei().image[:160, :200]
BRIGHT = (DARK.max() - DARK).astype(np.uint16)


@pytest.fixture
def viewer(modest_viewer):
    return modest_viewer


@pytest.fixture
def dock(qtbot, viewer) -> SegmentDock:
    dock = show_alone(qtbot, SegmentDock(viewer), viewer)
    dock.form.model_picker.setValue("tiny")
    dock.form.size_form.control("diameter_auto").value = False
    return dock


def click(qtbot, button) -> None:
    qtbot.waitUntil(button.isVisible)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def run(qtbot, dock: SegmentDock, button=None) -> None:
    with qtbot.waitSignal(dock.session.answered, timeout=LONG):
        click(qtbot, button or dock.job_panel.run_button)
    qtbot.waitUntil(lambda: not dock.job_panel.is_running)


def choose_kind(qtbot, dock: SegmentDock, key: str) -> None:
    """Choose a kind by the letter that its title begins with, as a person at a keyboard does."""
    box = dock.form.kind_form.control("kind").native
    assert box.isVisible()
    qtbot.keyClicks(box, key)


def labels_of(viewer) -> list[Labels]:
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def test_the_kind_is_a_row_of_the_form_and_what_is_chosen_is_obeyed(qtbot, viewer, dock) -> None:
    viewer.add_image(DARK)
    box = dock.form.kind_form.control("kind").native
    assert [box.itemText(i) for i in range(box.count())] == [
        "automatic",
        "bright nuclei on dark (fluorescence)",
        "dark nuclei on bright (H&E, IHC, bright field)",
    ]
    choose_kind(qtbot, dock, "d")
    run(qtbot, dock)
    assert dock.session.live.result.kind == "brightfield"
    assert np.array_equal(labels_of(viewer)[0].data, segment(DARK, "tiny", diameter=22, kind="brightfield").labels)


def test_zero_nuclei_are_said_with_a_button_that_tries_the_other_kind(qtbot, viewer, dock) -> None:
    viewer.add_image(np.full((64, 64), 300, np.uint16), name="void")
    assert not dock.remedy_line.isVisible()
    run(qtbot, dock)
    assert dock.remedy_line.sentence.text() == "⚠ 0 nuclei."
    assert dock.remedy_line.button.text() == "Try dark nuclei on bright"
    assert "--kind" not in dock.job_panel.notice_label.text(), "said once, in words for a window"
    run(qtbot, dock, dock.remedy_line.button)
    assert [layer.name for layer in labels_of(viewer)] == ["void labels", "void labels, dark nuclei on bright"]
    assert dock.session.live.result.kind == dock.form.settings().kind == "brightfield"
    assert dock.remedy_line.sentence.text() == f"⚠ {NEITHER_WAY}"
    assert not dock.remedy_line.button.isVisible(), "what was tried is not offered again"
    assert [layer.visible for layer in labels_of(viewer)] == [False, True]
    run(qtbot, dock)
    assert dock.remedy_line.button.isVisible(), "a run of one's own begins anew"


def test_a_result_without_doubt_offers_nothing(qtbot, viewer, dock) -> None:
    viewer.add_image(DARK)
    run(qtbot, dock)
    assert dock.session.live.result.count > 5
    assert not dock.remedy_line.isVisible()


def test_what_is_not_automatic_is_said_above_the_button_and_put_back_by_a_click(qtbot, viewer, dock) -> None:
    viewer.add_image(DARK)
    choose_kind(qtbot, dock, "d")
    dock.result_panel.thresholds.sliders["foreground"].slider.setValue(62)
    line = dock.choices_line
    assert line.sentence.text() == "Not automatic: dark nuclei on bright, model tiny, edge 0.62."
    assert line.mapTo(dock, line.rect().topLeft()).y() < dock.job_panel.mapTo(dock, line.rect().topLeft()).y()
    click(qtbot, line.button)
    assert not line.isVisible()
    settings = dock.result_panel.thresholds.changed_settings(dock.form.settings())
    assert (settings.kind, settings.foreground_auto, dock.form.model_picker.value()) == ("auto", True, AUTOMATIC)


def test_a_remembered_kind_is_shown_and_not_held_against_what_an_image_evidently_is(qtbot, viewer) -> None:
    remember(SegmentChoices(SegmentSettings().changed(kind="brightfield", diameter=22), "tiny"))
    dock = show_alone(qtbot, SegmentDock(viewer), viewer)
    viewer.add_image(DARK)
    assert "dark nuclei on bright" in dock.choices_line.sentence.text()
    run(qtbot, dock)
    assert dock.session.live.result.kind == "fluorescence"
    assert PUT_BACK in dock.job_panel.status_label.text()
    assert dock.form.settings().kind == "auto"
    choose_kind(qtbot, dock, "d")
    run(qtbot, dock)
    assert dock.session.live.result.kind == "brightfield", "what is set for this image is obeyed"
    dock.form.image_panel.choose(viewer.add_image(DARK[:, ::-1], name="another"))
    run(qtbot, dock)
    assert dock.session.live.result.kind == "fluorescence", "and not carried over to the next"


def test_a_remembered_kind_that_fits_is_kept(qtbot, viewer) -> None:
    remember(SegmentChoices(SegmentSettings().changed(kind="brightfield", diameter=22), "tiny"))
    dock = show_alone(qtbot, SegmentDock(viewer), viewer)
    viewer.add_image(BRIGHT)
    run(qtbot, dock)
    assert dock.session.live.result.kind == dock.form.settings().kind == "brightfield"
    assert PUT_BACK not in dock.job_panel.status_label.text()


@pytest.mark.gui
def test_what_earlier_versions_remembered_is_understood(tmp_path) -> None:
    folder = tmp_path / "napari-settings"
    folder.mkdir()
    remembered = "segment:\n  channel: 1\n  channel_auto: false\n  invert: 'yes'\n  diameter: 31.5\n"
    (folder / "napari-unet-nuclei.yaml").write_text(remembered, encoding="utf-8")
    settings = recall(SegmentChoices).settings
    assert (settings.diameter, settings.kind, settings.channel_auto) == (31.5, "brightfield", True)
    assert "kind: brightfield" in (folder / "napari-unet-nuclei.yaml").read_text(encoding="utf-8")
    assert recall(SegmentChoices).settings == settings
    remember(SegmentChoices())
    assert recall(SegmentChoices) == SegmentChoices(), "and does not come back"


@pytest.mark.gui
@pytest.mark.parametrize(("invert", "kind"), [("auto", "auto"), ("yes", "brightfield"), ("no", "fluorescence")])
@pytest.mark.parametrize("choices", [SegmentChoices, BatchChoices])
def test_a_remembered_invert_becomes_a_kind(tmp_path, choices, invert, kind) -> None:
    folder = tmp_path / "napari-settings"
    folder.mkdir()
    old = f"{choices.dock}:\n  invert: '{invert}'\n  seed: 0.4\n  seed_auto: false\n"
    (folder / "napari-unet-nuclei.yaml").write_text(old, encoding="utf-8")
    assert recall(choices).settings == SegmentSettings(kind=kind), "a seed has lost its meaning and is dropped"


def write_channels(path: Path, *names: str) -> Path:
    described = {"axes": "CYX", "Channel": {"Name": list(names)}}
    stack = np.stack([DARK[::-1], DARK, DARK[:, ::-1]][: len(names)])
    tifffile.imwrite(path, stack, photometric="minisblack", metadata=described)
    return path


def test_a_channel_is_taken_by_its_name(qtbot, viewer, dock, tmp_path) -> None:
    viewer.open(write_channels(tmp_path / "a.ome.tif", "GFP", "DAPI"), plugin="napari")
    panel = dock.form.image_panel
    qtbot.waitUntil(lambda: panel.channel_box.isVisible(), timeout=LONG)
    titles = [panel.channel_box.itemText(i) for i in range(panel.channel_box.count())]
    assert titles == ["automatic: DAPI", "GFP", "DAPI"]
    run(qtbot, dock)
    assert dock.session.live.result.channel == "DAPI"
    assert np.array_equal(labels_of(viewer)[0].data, segment(DARK, "tiny", diameter=22).labels)
    click(qtbot, dock.result_panel.python_button)
    copied = tmp_path / "copied.py"
    copied.write_text(QApplication.clipboard().text(), encoding="utf-8")
    assert runpy.run_path(str(copied))["result"].channel == "DAPI"


def test_where_no_name_says_nuclei_the_channel_on_the_screen_is_taken(qtbot, viewer, dock, tmp_path) -> None:
    viewer.open(write_channels(tmp_path / "a.ome.tif", "GFP", "RFP"), plugin="napari")
    panel = dock.form.image_panel
    qtbot.waitUntil(lambda: panel.channel_box.itemText(0) == "automatic: on screen", timeout=LONG)
    viewer.dims.set_current_step(0, 1)
    run(qtbot, dock)
    assert dock.session.live.result.channel == "RFP"
    click(qtbot, dock.result_panel.command_button)
    words = shlex.split(QApplication.clipboard().text())
    assert words[words.index("--channel") + 1] == "1"
    panel.channel_box.setCurrentIndex(1)
    run(qtbot, dock)
    assert dock.session.live.result.channel == "GFP"
    assert recall(SegmentChoices).settings.channel == "GFP"


def test_fluorescence_in_coloured_channels_is_no_picture_but_the_channel_on_the_screen(
    qtbot, viewer, dock, tmp_path
) -> None:
    viewer.open(write_channels(tmp_path / "a.ome.tif", "Red", "Green", "Blue"), plugin="napari")
    qtbot.waitUntil(lambda: dock.form.image_panel.channel_box.count() == 4, timeout=LONG)
    viewer.dims.set_current_step(0, 2)
    run(qtbot, dock)
    assert dock.session.live.result.channel == "Blue"


def test_stained_tissue_is_read_and_its_stains_are_in_the_table(qtbot, viewer, dock) -> None:
    viewer.add_image(stained_tissue(shape=(160, 160), count=40).image, rgb=True)
    run(qtbot, dock)
    assert (dock.session.live.result.kind, dock.session.live.result.channel) == ("brightfield", "haematoxylin")
    assert {"haematoxylin_od_mean", "dab_od_mean"} <= set(labels_of(viewer)[0].features)

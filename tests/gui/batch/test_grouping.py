"""Channels in separate files, and plates, in the dock."""

from __future__ import annotations

import pytest

from napari_unet_nuclei.gui.batch.form import ChannelsBox
from napari_unet_nuclei.gui.batch.table import FIELD, NUCLEI, PARTS, WELL
from tests.helpers.batching import cell, choose, click, press_run
from tests.helpers.channel_files import write_metaxpress

pytestmark = pytest.mark.usefixtures("tiny_model")


@pytest.fixture
def metaxpress(tmp_path):
    return write_metaxpress(tmp_path / "in")


def waited(qtbot, dock) -> None:
    qtbot.waitUntil(lambda: not dock._settling.isActive() and not dock._looking.is_busy, timeout=30_000)


def test_the_table_shows_which_files_make_up_an_image_before_anything_runs(qtbot, dock, metaxpress, tmp_path) -> None:
    choose(qtbot, dock, metaxpress, tmp_path / "out")
    assert [cell(dock, "exp1_B02_s2", column) for column in (WELL, FIELD, PARTS)] == ["B02", "2", "w1, w2"]
    assert not any(dock.table.isColumnHidden(column) for column in (WELL, FIELD, PARTS))
    assert "4 files are 2 images of 2 channels (w1, w2)" in dock.form.facts_label.text()
    assert "4 thumbnails are left out" in dock.outcome_label.text()
    click(qtbot, dock, "exp1_B02_s2", WELL)
    assert "w2  exp1_B02_s2_w2" in dock.detail_label.text()
    assert "well B02 · field 2" in dock.detail_label.text()


def test_an_image_of_several_files_is_previewed_run_and_shown(qtbot, dock, metaxpress, tmp_path) -> None:
    dock.form.size_form.control("channel_auto").value = False
    dock.form.size_form.control("channel").value = "w1"
    choose(qtbot, dock, metaxpress, tmp_path / "out")
    waited(qtbot, dock)
    click(qtbot, dock, "exp1_B02_s1")
    qtbot.waitUntil(lambda: len(dock._viewer.layers) == 3, timeout=60_000)
    assert [layer.name for layer in dock._viewer.layers] == ["exp1_B02_s1 w1", "exp1_B02_s1 w2", "exp1_B02_s1 labels"]
    qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=60_000)
    press_run(qtbot, dock)
    assert cell(dock, "exp1_B02_s1", NUCLEI)
    click(qtbot, dock, "exp1_B02_s2")
    qtbot.waitUntil(lambda: len(dock._viewer.layers) == 6, timeout=60_000)


def test_files_are_taken_one_by_one_or_by_a_pattern(qtbot, dock, metaxpress, tmp_path) -> None:
    choose(qtbot, dock, metaxpress, tmp_path / "out")
    dock.form.channels.setCurrentIndex(1)
    waited(qtbot, dock)
    assert dock.table.images.rowCount() == 8
    assert dock.table.isColumnHidden(WELL)
    dock.form.channels.setEditText("*_{well}_s{field}_w{channel}0*.tif")
    waited(qtbot, dock)
    assert cell(dock, "exp1_B02_s1", PARTS) == "w1, w2"
    dock.form.channels.setEditText("{well}_{oops}")
    waited(qtbot, dock)
    assert "there is no place {oops}" in dock.form.facts_label.text()
    assert dock.table.images.rowCount() == 0


def test_the_choice_of_how_files_are_joined_is_read_back(qtbot) -> None:
    box = ChannelsBox()
    qtbot.addWidget(box)
    assert box.value() == "automatic"
    for value in ("none", "harmony", "{name}_{channel}.tif", "automatic"):
        box.setValue(value)
        assert box.value() == value
    box.setEditText("  ")
    assert box.value() == "automatic"

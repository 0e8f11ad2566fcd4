"""Settings of folder runs are saved under a name, and chosen again."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QInputDialog

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.gui.batch.choices import (
    BatchChoices,
    read_template,
    remove_template,
    save_template,
    template_names,
    templates_folder,
)


def test_a_template_brings_everything_back_but_images_and_results() -> None:
    saved = BatchChoices(images="one", out="there")
    saved = BatchChoices(
        images="one", out="there", settings=saved.settings.changed(diameter=31), batch=saved.batch.changed(rois=True)
    )
    save_template("Ki67, day 3".replace(",", ""), saved)
    assert template_names() == ["Ki67 day 3"]
    back = read_template("Ki67 day 3", BatchChoices(images="two", out="elsewhere"))
    assert (back.images, back.out) == ("two", "elsewhere")
    assert (back.settings, back.batch) == (saved.settings, saved.batch)
    remove_template("Ki67 day 3")
    remove_template("Ki67 day 3")
    assert template_names() == []


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "end.", "x" * 80])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be a template's name"):
        save_template(name, BatchChoices())


@pytest.mark.parametrize("content", ["no json", "[]", '{"diameter": -1}'])
def test_a_damaged_template_says_so(content: str) -> None:
    templates_folder().mkdir(parents=True)
    (templates_folder() / "bad.json").write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError):
        read_template("bad", BatchChoices())


def test_the_dock_saves_and_takes_templates(qtbot, dock, monkeypatch) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("mine", True))
    dock.form.switches["rois"].setChecked(True)
    dock.form.size_form.control("diameter").value = 31
    qtbot.mouseClick(dock.templates.save_button, Qt.MouseButton.LeftButton)
    assert dock.templates.box.currentData() == "mine"
    dock.form.setValue(BatchChoices(images="kept"))
    dock.templates.box.setCurrentIndex(dock.templates.box.findData("mine"))
    dock.templates.box.activated.emit(dock.templates.box.currentIndex())
    assert dock.form.switches["rois"].isChecked()
    assert dock.form.size_form.value().diameter == 31
    assert dock.form.choices().images == "kept"


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000])
def test_a_damaged_template_is_refused_in_words(text: str) -> None:
    save_template("mine", BatchChoices())
    (templates_folder() / "mine.json").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="The template"):
        read_template("mine", BatchChoices())

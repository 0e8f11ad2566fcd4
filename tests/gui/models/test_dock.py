from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from qtpy.QtCore import QEvent, QMimeData, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QInputDialog, QLabel, QLineEdit, QMessageBox, QPushButton, QWidget

from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.card import DataSource, ModelCard, TrainingRecord
from napari_unet_nuclei.core.model.header import copy_renamed, read_header
from napari_unet_nuclei.core.model.packages.content import look_into
from napari_unet_nuclei.core.model.registry import ModelEntry, default_registry
from napari_unet_nuclei.gui import PLUGIN
from napari_unet_nuclei.gui.models.card_view import card_page
from napari_unet_nuclei.gui.models.dock import ModelsDock
from napari_unet_nuclei.gui.models.picker import ModelPicker
from tests.helpers.packages import older_described, write_package

BUNDLED = "nuclei"

LONG = 60_000
"""Milliseconds that a job may take on a busy machine; the first export imports its packages."""


@pytest.fixture
def dock(qtbot) -> ModelsDock:
    return shown(qtbot, ModelsDock())


@pytest.fixture
def other_file(tiny_model_file: Path, tmp_path: Path) -> Path:
    """A model named like the tiny one, with another card."""
    return with_card(tiny_model_file, tmp_path / "other.safetensors", description="Another one.")


def with_card(source: Path, target: Path, **changes: object) -> Path:
    """Copy a model file with other words in its card."""
    header = read_header(source)
    card = {**json.loads(header.metadata["card"]), **changes}
    text = json.dumps({"__metadata__": {"card": json.dumps(card)}, **header.tensors}).encode()
    target.write_bytes(len(text).to_bytes(8, "little") + text + source.read_bytes()[header.start :])
    return target


def shown(qtbot, dock: ModelsDock) -> ModelsDock:
    qtbot.addWidget(dock)
    dock.resize(320, 680)
    dock.show()
    return dock


def listed(dock: ModelsDock) -> list[str]:
    return [dock.models.topLevelItem(row).text(0) for row in range(dock.models.topLevelItemCount())]


def choose(qtbot, dock: ModelsDock, name: str) -> None:
    row = dock.models.visualItemRect(dock.models.topLevelItem(listed(dock).index(name)))
    qtbot.mouseClick(dock.models.viewport(), Qt.MouseButton.LeftButton, pos=row.center())


def press(qtbot, button: QPushButton) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def rest(qtbot, dock: ModelsDock) -> str:
    """Wait until nothing runs, and return the status line."""
    qtbot.waitUntil(lambda: not dock.panel.is_running, timeout=LONG)
    return dock.panel.status_label.text()


def answer(qtbot, kind: type[QWidget], reply: Callable[[QWidget], None]) -> list[str]:
    """Answer the next dialog, and keep the words in which it asks."""
    asked: list[str] = []

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, kind):
            QTimer.singleShot(20, look)
            return
        asked.append(dialog.text() if isinstance(dialog, QMessageBox) else dialog.labelText())
        reply(dialog)

    QTimer.singleShot(0, look)
    return asked


def type_name(qtbot, name: str) -> Callable[[QWidget], None]:
    def reply(dialog: QWidget) -> None:
        line = dialog.findChild(QLineEdit)
        line.selectAll()
        qtbot.keyClicks(line, name)
        qtbot.keyClick(line, Qt.Key.Key_Return)

    return reply


def press_named(qtbot, text: str) -> Callable[[QWidget], None]:
    def reply(dialog: QWidget) -> None:
        press(qtbot, next(b for b in dialog.findChildren(QPushButton) if b.text().replace("&", "") == text))

    return reply


def choose_files(monkeypatch, *paths: Path) -> None:
    """Stand in for the system's file dialog, which is no part of the window."""
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(path) for path in paths], ""))


def test_models_are_listed_with_their_origin_and_the_first_card(dock):
    assert listed(dock)[0] == BUNDLED
    item = dock.models.topLevelItem(0)
    assert (item.text(1), item.text(2)) == ("fluorescence +", "bundled")
    card, text = default_registry().find(BUNDLED).card, dock.card.toPlainText()
    said = (
        card.licence,
        card.limits,
        card.training.datasets[0].name,
        card.training.command,
        card.weights_hash,
        *(name for name in card.metrics if not name.startswith("validation, ")),
        "dsb2018 brightfield",  # figures of a data set stand under its name
    )
    for words in said:
        assert words in text
    assert f"{card.training.nuclei:,}" in text


def test_a_bundled_model_can_be_exported_but_not_changed_and_the_dock_says_why(dock, tiny_model, qtbot):
    assert dock.export_button.isEnabled()
    for button in (dock.rename_button, dock.remove_button):
        assert not button.isEnabled()
        assert "bundled model can be exported" in button.toolTip()
    assert "bundled model can be exported" in dock.note.text()
    dock.refresh()
    choose(qtbot, dock, tiny_model)
    assert dock.rename_button.isEnabled()
    assert dock.remove_button.isEnabled()
    assert not dock.note.isVisible()
    assert "Your own model." in dock.card.toPlainText()


def test_a_card_from_elsewhere_is_text_and_no_page(qtbot, tiny_model_file, tmp_path):
    own = default_registry().own
    own.mkdir()
    with_card(
        tiny_model_file, own / "m.safetensors", limits="<img src='x'> <b>none</b>", parent="base 0f3a", metrics={}
    )
    dock = shown(qtbot, ModelsDock())
    choose(qtbot, dock, "tiny")
    text = dock.card.toPlainText()
    assert "<img src='x'> <b>none</b>" in text
    assert "base 0f3a" in text
    assert "not stated" in text


def test_figures_before_and_after_a_fine_tuning_share_a_line(qtbot, tiny_model_file):
    own = default_registry().own
    own.mkdir()
    metrics = {"held-out merged before": 3.0, "held-out merged after": 0.0}
    with_card(tiny_model_file, own / "m.safetensors", metrics=metrics)
    dock = shown(qtbot, ModelsDock())
    choose(qtbot, dock, "tiny")
    assert "held-out merged" in dock.card.toPlainText()
    assert "3 → 0" in dock.card.toPlainText()


def test_what_a_model_was_taught_stands_beside_what_it_was_made_for(qtbot, tiny_model_file):
    own = default_registry().own
    own.mkdir()
    with_card(tiny_model_file, own / "m.safetensors", other_kinds={"brightfield": {"taught": [8, 17.5]}})
    dock = shown(qtbot, ModelsDock())
    choose(qtbot, dock, "tiny")
    item = dock.models.currentItem()
    assert (item.text(1), item.toolTip(1)) == (
        "fluorescence +",
        "For fluorescence and brightfield images",
    )
    text = dock.card.toPlainText()
    assert "nuclei in brightfield images of 8 to 17.5 px, to which the automatic size leans" in text
    assert "Split touching, brightfield" in text


def test_a_file_is_imported_by_the_dialog(dock, qtbot, tiny_model_file, monkeypatch):
    choose_files(monkeypatch, tiny_model_file)
    press(qtbot, dock.panel.run_button)
    assert rest(qtbot, dock) == "Imported 'tiny'."
    assert dock.models.entry().name == "tiny"
    assert dock.card.toPlainText().startswith("tiny")
    installed = default_registry().find("tiny")
    assert installed.path.read_bytes() == tiny_model_file.read_bytes()


def drop(widget: QWidget, *paths: Path) -> None:
    """Drop files on the middle of a widget, through its window as the system does."""
    window = widget.window()
    place = QPointF(widget.mapTo(window, widget.rect().center()))
    contents = QMimeData()
    contents.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    mouse, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(place.toPoint(), Qt.DropAction.CopyAction, contents, mouse, keys)
    QApplication.sendEvent(window.windowHandle(), enter)
    assert enter.isAccepted()
    dropped = QDropEvent(place, Qt.DropAction.CopyAction, contents, mouse, keys, QEvent.Type.Drop)
    QApplication.sendEvent(window.windowHandle(), dropped)


@pytest.mark.parametrize("part", ["card", "models", "drop_hint"])
def test_files_are_imported_by_dropping_them_anywhere_on_the_dock(dock, qtbot, tiny_model_file, tmp_path, part):
    copy_renamed(tiny_model_file, tmp_path / "second.safetensors", "second")
    drop(getattr(dock, part), tiny_model_file, tmp_path / "second.safetensors")
    qtbot.waitUntil(lambda: len(listed(dock)) > 2)
    assert {"tiny", "second"} < set(listed(dock))
    assert rest(qtbot, dock) == "Imported 'tiny', 'second'."


def test_a_file_dropped_on_the_dock_is_no_image_for_napari(make_napari_viewer_proxy, qtbot, tiny_model_file):
    viewer = make_napari_viewer_proxy(show=True)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Models")
    window = dock.window()
    qtbot.waitUntil(lambda: window.childAt(dock.card.mapTo(window, dock.card.rect().center())) is dock.card.viewport())
    drop(dock.card, tiny_model_file)
    qtbot.waitUntil(lambda: "tiny" in listed(dock))
    rest(qtbot, dock)
    assert len(viewer.layers) == 0


def test_what_cannot_be_imported_is_said_and_stops_no_other(dock, qtbot, tiny_model_file, tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"pickle")
    (tmp_path / "half.safetensors").write_bytes(tiny_model_file.read_bytes()[:-9])
    dock.import_files([tmp_path / "weights.pt", tmp_path / "half.safetensors", tiny_model_file])
    status = rest(qtbot, dock)
    assert "Imported 'tiny'." in status
    assert "⚠ weights.pt is not a model file" in status
    assert "half.safetensors is damaged" in status
    assert [path.name for path in default_registry().own.glob("*.safetensors")] == ["tiny.safetensors"]


def test_the_very_same_model_is_not_imported_again(dock, qtbot, tiny_model, tiny_model_file):
    dock.import_files([tiny_model_file])
    assert "installed already" in rest(qtbot, dock)
    assert listed(dock).count("tiny") == 1


def test_where_a_name_is_taken_another_is_proposed(dock, qtbot, tiny_model, other_file):
    asked = answer(qtbot, QInputDialog, lambda dialog: qtbot.keyClick(dialog.findChild(QLineEdit), Qt.Key.Key_Return))
    dock.import_files([other_file])
    assert "named 'tiny' is installed already" in asked[0]
    assert rest(qtbot, dock) == "Imported 'tiny 2'."
    assert default_registry().find("tiny 2").card.description == "Another one."
    assert default_registry().find("tiny").card.description == ""


def test_giving_up_the_question_imports_nothing(dock, qtbot, tiny_model, other_file):
    answer(qtbot, QInputDialog, press_named(qtbot, "Cancel"))
    dock.import_files([other_file])
    assert rest(qtbot, dock) == "Nothing was imported."
    assert [path.name for path in default_registry().own.glob("*.safetensors")] == ["tiny.safetensors"]


def test_a_model_is_exported_to_one_file(dock, qtbot, tmp_path, monkeypatch):
    proposed = []

    def choose_target(_parent, _title, proposal, _kinds):
        proposed.append(proposal)
        return str(tmp_path / "share"), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose_target)
    press(qtbot, dock.export_button)
    assert "Exported to" in rest(qtbot, dock)
    assert proposed == [f"{BUNDLED}.safetensors"]
    assert (tmp_path / "share.safetensors").read_bytes() == default_registry().find(BUNDLED).path.read_bytes()
    press(qtbot, dock.export_button)
    assert "exists already" in rest(qtbot, dock)


def test_a_package_for_other_programs_is_exported_with_its_authors(dock, tiny_model, qtbot, tmp_path, monkeypatch):
    def choose_target(_parent, _title, proposal, kinds):
        return str(tmp_path / proposal), kinds.split(";;")[1]

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose_target)
    dock.refresh()
    choose(qtbot, dock, tiny_model)
    replies = iter(("Ada Lovelace, Mary Somerville", "MIT"))
    asked: list[str] = []

    def reply_to_both() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QInputDialog):
            QTimer.singleShot(20, reply_to_both)
            return
        asked.append(dialog.labelText())
        if len(asked) == 1:
            QTimer.singleShot(20, reply_to_both)
        type_name(qtbot, next(replies))(dialog)

    QTimer.singleShot(0, reply_to_both)
    press(qtbot, dock.export_button)
    assert "accepted by the format's own checker" in rest(qtbot, dock)
    assert [text.split(" of ")[0] for text in asked] == ["Authors", "Licence"]
    assert look_into(tmp_path / f"{tiny_model}.zip").name == tiny_model


def test_a_package_of_another_program_is_imported_and_what_was_guessed_is_said(dock, qtbot, tmp_path, monkeypatch):
    package = write_package(tmp_path / "a.zip", older_described())
    choose_files(monkeypatch, package)
    press(qtbot, dock.panel.run_button)
    assert "Imported 'Glowing things'" in rest(qtbot, dock)
    assert "Glowing things" in listed(dock)
    assert any("taken to be foreground and border" in label.text() for label in dock.panel.findChildren(QLabel))
    card = dock.card.toPlainText()
    assert "ONNX Runtime, on the processor; cannot be fine-tuned" in card
    asked = answer(qtbot, QInputDialog, type_name(qtbot, "second"))
    choose_files(monkeypatch, write_package(tmp_path / "b.zip"))
    press(qtbot, dock.panel.run_button)
    assert "Imported 'second'" in rest(qtbot, dock)
    assert "is installed already" in asked[0]


def test_a_model_is_renamed(dock, qtbot, tiny_model):
    dock.refresh(tiny_model)
    answer(qtbot, QInputDialog, type_name(qtbot, "liver 20x"))
    press(qtbot, dock.rename_button)
    assert rest(qtbot, dock) == "Renamed to 'liver 20x'."
    assert dock.models.entry().name == "liver 20x"
    assert [path.name for path in default_registry().own.glob("*.safetensors")] == ["liver 20x.safetensors"]


@pytest.mark.parametrize("name", [BUNDLED, "a/b"])
def test_a_name_that_cannot_be_given_is_refused_in_words(dock, qtbot, tiny_model, name):
    dock.refresh(tiny_model)
    answer(qtbot, QInputDialog, type_name(qtbot, name))
    press(qtbot, dock.rename_button)
    status = rest(qtbot, dock)
    assert status.startswith("⚠")
    assert name in status
    assert "tiny" in listed(dock)


def test_a_model_is_removed_after_a_question(dock, qtbot, tiny_model):
    dock.refresh(tiny_model)
    asked = answer(qtbot, QMessageBox, press_named(qtbot, "Cancel"))
    press(qtbot, dock.remove_button)
    assert asked == ["Remove 'tiny' from this computer?"]
    assert "tiny" in listed(dock)
    answer(qtbot, QMessageBox, press_named(qtbot, "Remove"))
    press(qtbot, dock.remove_button)
    assert rest(qtbot, dock) == "Removed 'tiny'."
    assert "tiny" not in listed(dock)
    assert list(default_registry().own.iterdir()) == []


def test_open_pickers_and_docks_follow_what_another_does(dock, qtbot, tiny_model_file):
    picker = ModelPicker()
    qtbot.addWidget(picker)
    registry = default_registry()
    registry.add(tiny_model_file)  # the folder is made now
    qtbot.waitUntil(lambda: picker.box.findData("tiny") > 0 and "tiny" in listed(dock))
    picker.setValue("tiny")
    registry.rename("tiny", "liver")
    qtbot.waitUntil(lambda: picker.value() == "liver")
    assert picker.box.findData("tiny") < 0
    with qtbot.waitSignal(picker.valueChanged):
        registry.remove("liver")
    assert picker.value() == "automatic"
    assert picker.box.findData("liver") < 0
    qtbot.waitUntil(lambda: "liver" not in listed(dock))
    shutil.copy(tiny_model_file, registry.own)
    qtbot.waitUntil(lambda: picker.box.findData("tiny") > 0 and "tiny" in listed(dock))


def test_a_picker_keeps_saying_what_was_used_when_other_models_come(qtbot, tiny_model_file):
    picker = ModelPicker()
    qtbot.addWidget(picker)
    picker.show_used(BUNDLED)
    default_registry().add(tiny_model_file)
    qtbot.waitUntil(lambda: picker.box.findData("tiny") > 0)
    assert picker.note.text() == f"used: {BUNDLED}"


def test_the_dock_fits_beside_an_image_in_a_small_window(dock):
    assert dock.minimumSizeHint().width() <= 330
    assert dock.minimumSizeHint().height() <= 500


def test_the_sizes_that_a_model_was_taught_are_on_its_card():
    card = ModelCard(name="ours", taught=(35.0, 12.5))
    assert "nuclei in fluorescence images of 12.5 to 35 px" in card_page(
        ModelEntry(Path("ours.safetensors"), card, bundled=False)
    )
    plain = ModelCard(name="ours")
    assert "Taught" not in card_page(ModelEntry(Path("ours.safetensors"), plain, bundled=False))


def test_every_data_set_is_credited_on_a_card_and_none_is_taken_for_html():
    sources = (DataSource(name="a", licence="CC BY 4.0", credit="<i>Them</i> 2020", images=2), DataSource(name="b"))
    card = ModelCard(name="ours", training=TrainingRecord(datasets=sources))
    page = card_page(ModelEntry(Path("ours.safetensors"), card, bundled=False))
    for words in ("&lt;i&gt;Them&lt;/i&gt; 2020 (a); CC BY 4.0; 2 images", "b; licence not stated"):
        assert words in page


def test_figures_of_a_data_set_stand_under_its_name():
    metrics = {
        "validation AP@0.5": 0.8,
        "validation, tissue stained: AP@0.5": 0.7,
        "validation, tissue stained: nuclei": 9,
    }
    page = card_page(ModelEntry(Path("ours.safetensors"), ModelCard(name="ours", metrics=metrics), bundled=False))
    assert page.count("validation, tissue stained<") == 1
    for words in ("validation AP@0.5&", "<td>AP@0.5&", "<td>nuclei&", "<b>0.7</b>", "<b>9</b>"):
        assert words in page


def test_the_classes_of_a_model_for_classes_are_on_its_card():
    architecture = Architecture(heads=("classes",), classes=2)
    card = ModelCard(name="streets", task="semantic", classes=("road", "sky"), architecture=architecture)
    page = card_page(ModelEntry(Path("streets.safetensors"), card, bundled=False))
    assert "0 road, 1 sky" in page
    assert "Diameter" not in page

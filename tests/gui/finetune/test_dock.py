from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QRect, Qt, QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QMessageBox, QPushButton, QWidget

from napari_unet_nuclei.core.corrections.store import corrections_folder, list_corrections, save_correction
from napari_unet_nuclei.core.finetune.kept import chosen_kind
from napari_unet_nuclei.core.finetune.undecided import MODEL, list_undecided, undecided_folder
from napari_unet_nuclei.core.model.card import read_card
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.gui.finetune.dock import LEARN, RESULT, TRAINING, FinetuneDock
from napari_unet_nuclei.gui.finetune.form import FinetuneChoices
from napari_unet_nuclei.gui.models.picker import ModelPicker
from napari_unet_nuclei.gui.settings.remembered import recall, remember
from napari_unet_nuclei.gui.viewer.dock import SEGMENT
from napari_unet_nuclei.gui.viewer.dock import open_dock as open_dock_by_name
from napari_unet_nuclei.gui.viewer.reviewed_layer import REVIEWED, is_plane_reviewed, mark_plane
from tests.helpers.corrections import nuclei_in_a_row
from tests.helpers.finetune_dock import (
    LONG,
    QUICK,
    add_layers,
    click_tick,
    half_written,
    listed,
    open_dock,
    rest,
    show_dock,
)
from tests.helpers.samples import fluorescent_nuclei

pytestmark = pytest.mark.usefixtures("tiny_model")


@pytest.fixture
def viewer(modest_viewer):
    return modest_viewer


@pytest.fixture
def dock(qtbot, viewer) -> FinetuneDock:
    remember(FinetuneChoices(QUICK, "tiny"))
    return show_dock(qtbot, viewer)


@pytest.fixture
def window(make_napari_viewer_proxy):
    """A viewer with its window."""
    return make_napari_viewer_proxy()


@pytest.fixture
def dock_in_window(qtbot, window) -> FinetuneDock:
    remember(FinetuneChoices(QUICK, "tiny"))
    return open_dock(qtbot, window)


def press(qtbot, button: QWidget) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def tick_whole(qtbot, dock: FinetuneDock) -> None:
    """Click into the box itself: its middle may be beside its text."""
    box = dock.corrections.detail.whole_box
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=box.rect().center().__class__(8, box.height() // 2))
    rest(qtbot, dock)


def choose(qtbot, dock: FinetuneDock, row: int) -> None:
    lines = dock.corrections.list
    place = lines.visualItemRect(lines.topLevelItem(row))
    qtbot.mouseClick(lines.viewport(), Qt.MouseButton.LeftButton, pos=place.center())


def status(dock: FinetuneDock) -> str:
    return dock.job_panel.status_label.text()


def wait_for_end(qtbot, dock: FinetuneDock) -> None:
    qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)


def train(qtbot, dock: FinetuneDock) -> None:
    press(qtbot, dock.job_panel.run_button)
    wait_for_end(qtbot, dock)


def waiting(dock: FinetuneDock):
    return list_undecided(undecided_folder(corrections_folder()))


def answer(qtbot, text: str) -> list[str]:
    """Press a button of the next question, and keep the words in which it asks."""
    asked: list[str] = []

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QMessageBox):
            QTimer.singleShot(20, look)
            return
        asked.append(f"{dialog.text()} {dialog.informativeText()}")
        press(qtbot, next(b for b in dialog.findChildren(QPushButton) if b.text().replace("&", "") == text))

    QTimer.singleShot(0, look)
    return asked


def test_without_layers_the_dock_says_what_to_do(dock):
    assert listed(dock) == []
    assert "segment it and correct the labels" in dock.corrections.reason_label.text()
    assert not dock.job_panel.run_button.isEnabled()
    assert "Tick at least one row" in status(dock)


def test_labels_count_only_once_somebody_has_reviewed_them(qtbot, viewer, dock):
    _, labels = add_layers(viewer)
    rest(qtbot, dock)
    assert listed(dock) == [("DAPI labels", "not reviewed", False)]
    assert "Nothing of 'DAPI' is marked as reviewed" in dock.corrections.reason_label.text()
    assert not dock.job_panel.run_button.isEnabled()
    tick_whole(qtbot, dock)
    count = len(np.unique(labels.data)) - 1
    assert listed(dock) == [("DAPI labels", f"{count} nuclei", True)]
    outlook = dock.corrections.outlook
    assert outlook.training > outlook.judging > 0
    assert dock.corrections.sentence_label.text().startswith(f"{outlook.training} nuclei to learn from")
    assert dock.job_panel.run_button.isEnabled()


def test_a_row_has_a_picture_and_a_box_of_its_own_for_all_of_it_is_right(qtbot, viewer, dock):
    add_layers(viewer)
    _, second = add_layers(viewer, 1, "GFP")
    rest(qtbot, dock)
    lines = dock.corrections.list
    item = lines.topLevelItem(1)
    assert not item.icon(0).isNull()
    place = lines.visualItemRect(item)
    x = lines.columnViewportPosition(1) + 10
    qtbot.mouseClick(lines.viewport(), Qt.MouseButton.LeftButton, pos=place.center().__class__(x, place.center().y()))
    rest(qtbot, dock)
    assert is_plane_reviewed(second)
    assert listed(dock)[1][1].endswith("nuclei")
    assert listed(dock)[0][1] == "not reviewed"


def test_a_region_is_drawn_in_the_layer_that_the_button_makes_ready(qtbot, viewer, dock):
    add_layers(viewer)
    rest(qtbot, dock)
    press(qtbot, dock.corrections.detail.draw_button)
    drawing = viewer.layers.selection.active
    assert (drawing.name, drawing.mode) == (REVIEWED, "add_polygon")
    drawing.add(np.array([[0, 0], [0, 90], [96, 90], [96, 0]]), shape_type="polygon")
    rest(qtbot, dock)
    [(_, state, ticked)] = listed(dock)
    assert ticked
    assert 2 < int(state.split()[0]) < fluorescent_nuclei(0, (96, 160), 20, 14).labels.max()


def test_rows_are_added_changed_and_removed(qtbot, viewer, dock):
    add_layers(viewer)
    add_layers(viewer, 1, "GFP")
    rest(qtbot, dock)
    assert [line[0] for line in listed(dock)] == ["DAPI labels", "GFP labels"]
    choose(qtbot, dock, 1)
    press(qtbot, dock.corrections.remove_button)
    rest(qtbot, dock)
    assert [line[0] for line in listed(dock)] == ["DAPI labels"]
    viewer.layers.selection.active = viewer.layers["GFP labels"]
    press(qtbot, dock.corrections.add_button)
    rest(qtbot, dock)
    assert [line[0] for line in listed(dock)] == ["DAPI labels", "GFP labels"]
    detail = dock.corrections.detail
    detail.image_line.box.setCurrentIndex(detail.image_line.box.findText("DAPI"))
    rest(qtbot, dock)
    assert dock.corrections.list.key().image == viewer.layers["DAPI"]
    assert len(listed(dock)) == 2


def test_a_row_that_does_not_fit_says_why_and_stops_the_run_only_while_it_is_ticked(qtbot, viewer, dock):
    _, labels = add_layers(viewer)
    mark_plane(labels)
    viewer.add_image(np.zeros((30, 30)), name="small")
    rest(qtbot, dock)
    viewer.layers.selection.active = labels
    press(qtbot, dock.corrections.add_button)
    detail = dock.corrections.detail
    detail.image_line.box.setCurrentIndex(detail.image_line.box.findText("small"))
    rest(qtbot, dock)
    assert listed(dock)[1][1:] == ("⚠ cannot be used", False)
    assert "differ in size" in dock.corrections.reason_label.text()
    assert dock.job_panel.run_button.isEnabled()
    click_tick(qtbot, dock, 1)
    assert not dock.job_panel.run_button.isEnabled()
    assert "differ in size" in status(dock)


def test_two_labels_of_one_image_do_not_teach_and_judge_each_other(qtbot, viewer, dock):
    _, labels = add_layers(viewer)
    mark_plane(labels)
    mark_plane(viewer.add_labels(labels.data.copy(), name="second"))
    rest(qtbot, dock)
    assert [line[2] for line in listed(dock)] == [True, False]
    choose(qtbot, dock, 1)
    assert "same image as 'DAPI labels'" in dock.corrections.reason_label.text()
    click_tick(qtbot, dock, 0)
    assert [line[2] for line in listed(dock)] == [False, True]


def test_painting_is_counted(qtbot, viewer, dock):
    _, labels = add_layers(viewer)
    mark_plane(labels)
    rest(qtbot, dock)
    before = dock.corrections.outlook.rows[dock.corrections.list.key()].nuclei
    labels.selected_label = int(labels.data[labels.data > 0][0])
    labels.fill(tuple(np.argwhere(labels.data == labels.selected_label)[0]), 0)
    rest(qtbot, dock)
    assert dock.corrections.outlook.rows[dock.corrections.list.key()].nuclei == before - 1
    labels.undo()
    rest(qtbot, dock)
    assert dock.corrections.outlook.rows[dock.corrections.list.key()].nuclei == before


def test_of_a_stack_the_shown_plane_is_taken_and_can_be_pinned(qtbot, viewer, dock):
    drawn = [fluorescent_nuclei(seed, (96, 160), 20, 14) for seed in range(3)]
    viewer.add_image(np.stack([one.image for one in drawn]), name="stack")
    labels = viewer.add_labels(np.stack([one.labels for one in drawn]), name="labels")
    viewer.dims.set_point(0, 1)
    rest(qtbot, dock)
    assert [line[0] for line in listed(dock)] == ["labels · z=1"]
    assert dock.corrections.detail.plane_label.text() == "z=1 (shown)"
    press(qtbot, dock.corrections.detail.plane_button)
    viewer.dims.set_point(0, 2)
    rest(qtbot, dock)
    assert [line[0] for line in listed(dock)] == ["labels · z=1"]
    tick_whole(qtbot, dock)
    assert labels.metadata["reviewed planes"] == ((1,),)
    assert listed(dock)[0][1:] == (f"{drawn[1].labels.max()} nuclei", True)


def test_the_whole_way_from_corrected_layers_to_a_kept_model(qtbot, viewer, dock):
    _, labels = add_layers(viewer)
    mark_plane(labels)
    rest(qtbot, dock)
    assert dock.form.name == "tiny fine-tuned"
    press(qtbot, dock.job_panel.run_button)
    assert dock.tabs.currentIndex() == TRAINING
    viewer.layers.clear()  # everything was copied
    wait_for_end(qtbot, dock)
    assert [event.epoch for event in dock.training.plot.history] == [1, 2]
    assert dock.training.found_view.has_picture
    assert dock.training.found_label.text() == "after epoch 2"
    assert dock.tabs.currentIndex() == RESULT
    assert dock.tabs.tabText(RESULT) == "Result (1)"
    [undecided] = waiting(dock)
    assert dock.result.sentence_label.text() == undecided.result.sentence
    assert dock.result.table.item(1, 0).text() == "AP at IoU 0.5"
    assert "cpu" in dock.form.device_picker.note.text()
    [entry] = list_corrections(corrections_folder())
    assert entry.name.startswith("DAPI ")
    other = ModelPicker()
    qtbot.addWidget(other)
    press(qtbot, dock.result.keep_button)
    wait_for_end(qtbot, dock)
    kept = default_registry().find("tiny fine-tuned")
    assert kept.card.parent.startswith("tiny (")
    assert kept.path.with_suffix(".report.html").is_file()
    qtbot.waitUntil(lambda: other.box.findData("tiny fine-tuned") > 0)
    assert waiting(dock) == ()
    assert dock.form.name == "tiny fine-tuned 2"
    rest(qtbot, dock)
    assert [line[0] for line in listed(dock)] == [entry.name]


def test_kept_corrections_teach_without_any_layer(qtbot, viewer, dock):
    save_correction(corrections_folder(), nuclei_in_a_row(0, name="earlier"))
    dock.corrections.refresh()
    rest(qtbot, dock)
    assert listed(dock)[0][0::2] == ("earlier", False)
    assert listed(dock)[0][1].startswith("saved 20")
    assert not dock.corrections.detail.isVisible()
    click_tick(qtbot, dock, 0)
    assert listed(dock) == [("earlier", "8 nuclei", True)]
    train(qtbot, dock)
    assert len(waiting(dock)) == 1
    press(qtbot, dock.result.discard_button)
    assert waiting(dock) == ()
    assert dock.tabs.tabText(RESULT) == "Result"
    assert [entry.name for entry in list_corrections(corrections_folder())] == ["earlier"]


def test_a_kept_correction_is_deleted_after_a_question(qtbot, viewer, dock):
    save_correction(corrections_folder(), nuclei_in_a_row(0, name="earlier"))
    dock.corrections.refresh()
    rest(qtbot, dock)
    asked = answer(qtbot, "Cancel")
    press(qtbot, dock.corrections.remove_button)
    assert "Delete the saved correction 'earlier'?" in asked[0]
    answer(qtbot, "Delete")
    press(qtbot, dock.corrections.remove_button)
    rest(qtbot, dock)
    assert listed(dock) == []
    assert list_corrections(corrections_folder()) == ()


def test_cancel_leaves_everything_as_it_was_but_keeps_the_corrections(qtbot, viewer, dock):
    _, labels = add_layers(viewer)
    mark_plane(labels)
    rest(qtbot, dock)
    dock.form.folded_form.control("steps").value = 10_000
    rest(qtbot, dock)
    press(qtbot, dock.job_panel.run_button)
    qtbot.waitUntil(lambda: len(dock.training.plot.history) > 0, timeout=LONG)
    press(qtbot, dock.job_panel.cancel_button)
    wait_for_end(qtbot, dock)
    assert status(dock) == "Stopped: nothing was changed."
    assert waiting(dock) == ()
    assert [entry.name for entry in default_registry().list() if not entry.bundled] == ["tiny"]
    assert len(list_corrections(corrections_folder())) == 1


def test_finish_keeps_the_best_so_far(qtbot, viewer, dock):
    _, labels = add_layers(viewer)
    mark_plane(labels)
    rest(qtbot, dock)
    dock.form.folded_form.control("steps").value = 10_000
    rest(qtbot, dock)
    press(qtbot, dock.job_panel.run_button)
    qtbot.waitUntil(lambda: len(dock.training.plot.history) > 0, timeout=LONG)
    press(qtbot, dock.job_panel.finish_button)
    wait_for_end(qtbot, dock)
    assert len(waiting(dock)) == 1


def test_closing_the_dock_loses_nothing_and_the_next_one_offers_the_result(qtbot, window, dock_in_window):
    _, labels = add_layers(window)
    mark_plane(labels)
    rest(qtbot, dock_in_window)
    press(qtbot, dock_in_window.job_panel.run_button)
    window.window.remove_dock_widget(dock_in_window)
    dock_in_window.close()
    dock_in_window.deleteLater()
    qtbot.waitUntil(lambda: len(list_undecided(undecided_folder(corrections_folder()))) == 1, timeout=LONG)
    again = open_dock(qtbot, window)
    assert again.tabs.tabText(RESULT) == "Result (1)"
    assert again.tabs.currentIndex() == LEARN
    assert again.result.undecided.result.name == "tiny fine-tuned"


def test_closing_the_viewer_during_a_training_cancels_it_and_keeps_the_corrections(qtbot, make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    remember(FinetuneChoices(QUICK.changed(steps=10_000), "tiny"))
    dock = open_dock(qtbot, viewer)
    _, labels = add_layers(viewer)
    mark_plane(labels)
    rest(qtbot, dock)
    press(qtbot, dock.job_panel.run_button)
    qtbot.waitUntil(lambda: len(dock.training.plot.history) > 0, timeout=LONG)
    tasks = viewer.window._task_status_manager  # what napari asks about when a person closes the window
    assert any("Fine-tuning tiny" in task for task in tasks.get_status())
    with qtbot.waitSignal(dock.job_panel._worker.finished, timeout=LONG):
        viewer.close()
    assert waiting(dock) == ()
    assert len(list_corrections(corrections_folder())) == 1
    assert [entry.name for entry in default_registry().list() if not entry.bundled] == ["tiny"]
    assert half_written() == []


def test_layers_that_change_during_a_training_change_nothing_of_it(qtbot, viewer, dock):
    image, labels = add_layers(viewer)
    mark_plane(labels)
    rest(qtbot, dock)
    train(qtbot, dock)
    undisturbed = read_card(waiting(dock)[0].folder / MODEL)
    press(qtbot, dock.result.discard_button)
    rest(qtbot, dock)
    press(qtbot, dock.job_panel.run_button)
    labels.fill(tuple(np.argwhere(labels.data > 0)[0]), 99)
    image.data[:] = 0
    image.data = np.zeros((30, 40))
    labels.data = np.zeros((30, 40), int)
    viewer.layers.remove(labels)
    add_layers(viewer, 1, "other")
    wait_for_end(qtbot, dock)
    assert read_card(waiting(dock)[0].folder / MODEL).weights_hash == undisturbed.weights_hash


@pytest.fixture
def as_worse(monkeypatch):
    """Let the comparison come out badly."""
    from napari_unet_nuclei.core.finetune import before_after

    compare = before_after.compare_models

    def worse(*arguments):
        return replace(compare(*arguments), outcome="worse")

    monkeypatch.setattr(before_after, "compare_models", worse)


@pytest.mark.usefixtures("as_worse")
def test_a_worse_model_is_kept_only_after_a_question(qtbot, viewer, dock):
    _, labels = add_layers(viewer)
    mark_plane(labels)
    rest(qtbot, dock)
    train(qtbot, dock)
    asked = answer(qtbot, "Cancel")
    press(qtbot, dock.result.keep_button)
    assert "'tiny fine-tuned' is worse on your own images than 'tiny'" in asked[0]
    assert len(waiting(dock)) == 1
    answer(qtbot, "Keep")
    press(qtbot, dock.result.keep_button)
    wait_for_end(qtbot, dock)
    assert default_registry().find("tiny fine-tuned")


def test_a_full_disk_that_is_injected_is_told_and_loses_nothing(qtbot, viewer, dock, full_disk):
    _, labels = add_layers(viewer)
    mark_plane(labels)
    rest(qtbot, dock)
    full_disk[:] = ["index.json"]
    train(qtbot, dock)
    assert "the disk is full" in status(dock)
    assert waiting(dock) == list_corrections(corrections_folder()) == ()
    full_disk[:] = ["undecided"]
    train(qtbot, dock)
    assert "The new model is in memory" in status(dock)
    assert half_written() == []
    full_disk.clear()
    assert dock.job_panel.run_button.text() == "Save the new model"
    train(qtbot, dock)
    assert dock.job_panel.run_button.text() == "Fine-tune"
    for place in ("fine-tuned.safetensors", "fine-tuned.report.html"):
        full_disk[:] = [place]
        press(qtbot, dock.result.keep_button)
        wait_for_end(qtbot, dock)
        assert "the disk is full" in status(dock)
        assert len(waiting(dock)) == 1
        assert [entry.name for entry in default_registry().list() if not entry.bundled] == ["tiny"]
    full_disk.clear()
    press(qtbot, dock.result.keep_button)
    wait_for_end(qtbot, dock)
    assert default_registry().find("tiny fine-tuned").path.with_suffix(".report.html").is_file()
    assert waiting(dock) == ()
    assert half_written() == []


def test_the_model_that_made_the_labels_is_suggested_until_another_is_chosen(qtbot, viewer, dock, tiny_model_file):
    default_registry().add(tiny_model_file, "maker")
    qtbot.waitUntil(lambda: dock.form.base_picker.box.findData("maker") >= 0)
    _, labels = add_layers(viewer)
    labels.metadata = {"nuclei": {"provenance": {"model": "maker"}}}
    rest(qtbot, dock)
    assert (dock.form.base_picker.value(), dock.form.name) == ("maker", "maker fine-tuned")
    box = dock.form.base_picker.box
    qtbot.keyClicks(box, "tiny")  # Qt tells of the index before it tells that a person did it
    rest(qtbot, dock)
    labels.metadata = {"nuclei": {"provenance": {"model": "nuclei"}}}
    rest(qtbot, dock)
    assert dock.form.base_picker.value() == "tiny"


@pytest.mark.parametrize(
    ("name", "problem"), [("tiny", "model named 'tiny' already"), ("a/b", "cannot be a model's name")]
)
def test_a_name_that_cannot_be_given_is_told_before_the_run(qtbot, viewer, dock, name, problem):
    _, labels = add_layers(viewer)
    mark_plane(labels)
    dock.form.name_edit.selectAll()
    qtbot.keyClicks(dock.form.name_edit, name)
    rest(qtbot, dock)
    assert problem in status(dock)
    assert not dock.job_panel.run_button.isEnabled()


def test_both_models_are_scored_on_reference_images_and_the_report_opens_in_a_browser(qtbot, viewer, dock, monkeypatch):
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    save_correction(corrections_folder(), nuclei_in_a_row(0, name="earlier"))
    dock.corrections.refresh()
    rest(qtbot, dock)
    click_tick(qtbot, dock, 0)
    qtbot.keyClicks(dock.form.reference_edit.edit, "/nowhere")
    rest(qtbot, dock)
    assert "nowhere is neither a folder nor a CSV file" in status(dock)
    dock.form.reference_edit.setValue(str(corrections_folder()))  # which is images and labels, too
    rest(qtbot, dock)
    train(qtbot, dock)
    assert "2 steps" in status(dock)
    heads = [dock.result.table.item(row, 0).text() for row in range(dock.result.table.rowCount())]
    assert "Reference images (8)" in heads
    press(qtbot, dock.result.report_button)
    assert Path(opened[0].toLocalFile()) == waiting(dock)[0].report


def test_what_was_chosen_is_remembered(qtbot, viewer, dock):
    settings = QUICK.changed(time=60.0, strength=0.8, learning_rate=0.0005, epochs=3)
    remember(FinetuneChoices(settings, "tiny", "/somewhere"))
    dock.close()
    again = show_dock(qtbot, viewer)
    assert again.form.choices() == FinetuneChoices(settings, "tiny", "/somewhere")
    assert recall(FinetuneChoices).settings == settings


def test_the_curves_follow_the_theme(viewer, dock):
    figure = dock.training.plot.canvas.figure
    dark = figure.get_facecolor()
    viewer.theme = "light"
    assert sum(figure.get_facecolor()[:3]) > sum(dark[:3]) + 1
    viewer.theme = "dark"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_an_empty_tick_box_is_seen(qtbot, window, dock_in_window, theme):
    window.theme = theme
    for seed, name in enumerate(("DAPI", "GFP")):
        add_layers(window, seed, name)
    rest(qtbot, dock_in_window)
    lines = dock_in_window.corrections.list
    row = lines.visualItemRect(lines.topLevelItem(1))
    seen = lines.viewport().grab(QRect(0, row.top(), 20, row.height())).toImage()
    lightness = [seen.pixelColor(x, y).lightness() for x in range(seen.width()) for y in range(seen.height())]
    assert max(lightness) - min(lightness) > 60
    window.theme = "dark"


def test_a_long_name_in_a_sentence_does_not_widen_the_dock(qtbot, window, dock_in_window):
    name = "0a7d30b252359a10fd298b638b90cb9ada3acced4e0c0e5a3692013f432ee4e9"
    window.add_labels(np.ones((9, 9), np.int32), name=name)
    press(qtbot, dock_in_window.corrections.add_button)
    rest(qtbot, dock_in_window)
    said = f"Choose the image that '{name}' belongs to: several have its size."
    assert dock_in_window.corrections.reason_label.toolTip() == said
    dock_in_window.form.name_edit.setText(f"{name}/")
    assert "cannot be a model's name" in dock_in_window.job_panel.status_label.toolTip()
    assert dock_in_window.minimumSizeHint().width() <= 340


def test_the_dock_fits_beside_an_image_in_a_small_window(dock_in_window):
    assert dock_in_window.minimumSizeHint().width() <= 340
    assert dock_in_window.minimumSizeHint().height() <= 500


def test_every_control_has_a_tooltip(qtbot, viewer, dock):
    add_layers(viewer)
    rest(qtbot, dock)
    kinds: tuple[type[QWidget], ...] = (QPushButton, QComboBox, QAbstractSpinBox, QLineEdit)
    internal = ("qt_spinbox_lineedit",)
    mute = [
        (type(widget).__name__, widget.objectName())
        for kind in kinds
        for widget in dock.findChildren(kind)
        if widget.objectName() not in internal and not (widget.toolTip() or widget.parentWidget().toolTip())
    ]
    assert mute == []


def test_a_row_that_was_segmented_as_another_kind_is_unticked_until_the_user_says_so(qtbot, viewer, dock):
    _, labels = add_layers(viewer)
    labels.metadata = {"nuclei": {"provenance": {"model": "tiny", "kind": "brightfield"}}}
    rest(qtbot, dock)
    tick_whole(qtbot, dock)
    assert listed(dock) == [("DAPI labels", "14 nuclei", False)]
    assert dock.corrections.list.topLevelItem(0).text(2) == "⚠ bright on dark"
    assert "segmented as dark nuclei on bright" in dock.corrections.reason_label.text()
    assert not dock.job_panel.run_button.isEnabled()
    [left_out] = dock.corrections.left_out()
    assert left_out.startswith("DAPI labels: it was segmented as")
    click_tick(qtbot, dock, 0)
    assert listed(dock) == [("DAPI labels", "14 nuclei", True)]
    assert dock.corrections.left_out() == ()
    assert dock.job_panel.run_button.isEnabled()


def test_choosing_how_a_row_is_read_settles_it(qtbot, viewer, dock):
    _, labels = add_layers(viewer)
    labels.metadata = {"nuclei": {"provenance": {"model": "tiny", "kind": "brightfield"}}}
    rest(qtbot, dock)
    tick_whole(qtbot, dock)
    assert not listed(dock)[0][2]
    box = dock.corrections.kind_box
    box.setCurrentIndex(box.findData("fluorescence"))
    box.activated.emit(box.currentIndex())
    rest(qtbot, dock)
    assert listed(dock)[0][2]
    assert dock.corrections.list.topLevelItem(0).text(2) == "bright on dark"
    [correction] = dock.corrections.copied()
    assert chosen_kind(correction) == "fluorescence"


def test_the_best_of_the_models_on_the_ticked_nuclei_is_started_from(qtbot, viewer, dock):
    add_layers(viewer)
    rest(qtbot, dock)
    assert not dock.form.best_button.isEnabled()
    tick_whole(qtbot, dock)
    press(qtbot, dock.form.best_button)
    wait_for_end(qtbot, dock)
    assert "Best of your models on these" in status(dock)
    assert "'tiny' finds" in status(dock)
    assert "'nuclei' finds" in status(dock)
    best = status(dock).split("'")[1]
    assert dock.form.base_picker.value() == best
    assert dock.form.base_picker.note.text().startswith(f"Best of your models on these nuclei. '{best}' finds")


def test_the_best_model_on_the_ticked_nuclei_is_proposed_until_the_user_chooses_one(qtbot, viewer):
    remember(FinetuneChoices(QUICK))
    dock = show_dock(qtbot, viewer)
    _, labels = add_layers(viewer)
    mark_plane(labels)
    rest(qtbot, dock)
    note = dock.form.base_picker.note
    qtbot.waitUntil(lambda: note.text().startswith("Best of your models"), timeout=LONG)
    assert note.text().split("'")[1] == dock.form.base_picker.value()
    assert dock.form.to_remember().base == "", "the next images may need another one"
    qtbot.keyClicks(dock.form.base_picker.box, "tiny")
    assert dock.form.to_remember().base == "tiny"
    assert not dock.form.awaits_proposal


def test_keep_and_segment_again_leads_to_the_labels_of_the_new_model(qtbot, window, dock_in_window):
    image, labels = add_layers(window)
    mark_plane(labels)
    rest(qtbot, dock_in_window)
    train(qtbot, dock_in_window)
    press(qtbot, dock_in_window.result.again_button)
    wait_for_end(qtbot, dock_in_window)
    segment_dock = open_dock_by_name(window, SEGMENT)
    assert segment_dock.form.model_picker.value() == "tiny fine-tuned"
    qtbot.waitUntil(lambda: not segment_dock.job_panel.is_running, timeout=LONG)
    assert segment_dock.session.live is not None, segment_dock.job_panel.status_label.text()
    live = segment_dock.session.live
    assert live.result.model == "tiny fine-tuned"
    assert live.image.layer_id == str(image.unique_id)
    assert waiting(dock_in_window) == ()

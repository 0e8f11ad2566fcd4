from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDesktopServices, QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog
from typer.testing import CliRunner

from napari_unet_nuclei import segment
from napari_unet_nuclei.cli import app
from napari_unet_nuclei.core.executors import cluster
from napari_unet_nuclei.core.executors.executors import Serial
from napari_unet_nuclei.core.folder.dry_run import Prospect
from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.settings import BatchSettings
from napari_unet_nuclei.gui.batch.choices import BatchChoices
from napari_unet_nuclei.gui.batch.dock import BatchDock
from napari_unet_nuclei.gui.batch.table import ACTION, IMAGE, NUCLEI, STATE, BatchTable, BatchTableModel
from tests.helpers.batching import LONG, cell, choose, choose_model, click, press, press_run
from tests.helpers.docks import show_alone
from tests.helpers.samples import fluorescent_nuclei

pytestmark = pytest.mark.usefixtures("tiny_model")


def test_before_the_run_the_table_tells_how_images_are_read(qtbot, dock, folder, tmp_path) -> None:
    choose(qtbot, dock, folder, tmp_path / "out")
    assert dock.table.model().index(0, IMAGE).data() == "notes.tif"
    assert cell(dock, "notes.tif", STATE).startswith("✗ cannot be read as an image")
    assert cell(dock, "a.png", STATE).startswith("pixel size unknown · 120 × 160 px · uint16")
    assert [cell(dock, name, ACTION) for name in ("notes.tif", "a.png")] == ["", "Preview"]
    assert dock.form.facts_label.text() == "⚠ 4 images: 3 to segment, 1 cannot be used. See the tab Images."
    assert dock.job_panel.run_button.text() == "Segment 3 images"
    assert not (tmp_path / "out").exists()
    click(qtbot, dock, "notes.tif", IMAGE)
    assert "It may be damaged, incomplete, or not an image" in dock.detail_label.text()


def test_a_run_writes_the_labels_of_python_and_of_the_command_line(qtbot, dock, folder, tmp_path) -> None:
    choose(qtbot, dock, folder, tmp_path / "out")
    press_run(qtbot, dock)
    assert dock.tabs.currentIndex() == 1
    assert "1 of 4 failed" in dock.job_panel.status_label.text()
    command = ["segment", str(folder), "--out", str(tmp_path / "cli"), "--model", "tiny", "--diameter", "22"]
    assert CliRunner().invoke(app, command).exit_code == 1
    for name in ("a", "b", "deep/c"):
        labels = tifffile.imread(tmp_path / "out" / f"{name}_labels.tif")
        np.testing.assert_array_equal(labels, tifffile.imread(tmp_path / "cli" / f"{name}_labels.tif"))
        same = segment(iio.imread(folder / f"{name}.png"), "tiny", axes="YX", diameter=22.0)
        np.testing.assert_array_equal(labels, same.labels)
        assert cell(dock, f"{Path(name).name}.png", NUCLEI) == str(same.count)
    for file in ("nuclei.csv", "a_table.csv"):
        assert (tmp_path / "out" / file).read_bytes() == (tmp_path / "cli" / file).read_bytes()
    assert (tmp_path / "out" / "report.html").exists()


def test_what_is_ticked_is_written_and_nothing_else(qtbot, dock, folder, tmp_path) -> None:
    for name in ("table", "joint_table", "rois", "geojson", "overlay"):
        press(qtbot, dock.form.switches[name])
    dock.form.labels.setCurrentIndex(1)
    press(qtbot, dock.form.recursive)
    choose(qtbot, dock, folder / "a.png", tmp_path / "out")
    press_run(qtbot, dock)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".nuclei",
        "a_labels.ome.tif",
        "a_nuclei.geojson",
        "a_overlay.png",
        "a_rois.zip",
        "report.html",
        "run.json",
        "summary.csv",
    ]


def test_a_list_of_paths_is_taken_as_on_the_command_line(qtbot, dock, folder, tmp_path) -> None:
    (tmp_path / "fields.txt").write_text(f"{folder / 'b.png'}\n\n{folder / 'deep' / '*.png'}\n")
    choose(qtbot, dock, tmp_path / "fields.txt", tmp_path / "out")
    assert [Path(row.prospect.image).name for row in dock.table.images.rows] == ["b.png", "c.png"]
    (tmp_path / "broken.txt").write_bytes(b"\xff\xfe\xff")
    dock.form.images.setValue(str(tmp_path / "broken.txt"))
    qtbot.waitUntil(lambda: "cannot be read as a list" in dock.form.facts_label.text(), timeout=LONG)


def test_an_image_that_fails_in_the_run_comes_first(qtbot, dock, folder, tmp_path) -> None:
    choose(qtbot, dock, folder, tmp_path / "out")
    damaged = folder / "deep" / "c.png"  # after it was looked at
    damaged.write_bytes(damaged.read_bytes()[:200])
    press_run(qtbot, dock)
    names = [Path(row.prospect.image).name for row in dock.table.images.rows]
    assert (set(names[:2]), names[2:]) == ({"notes.tif", "c.png"}, ["a.png", "b.png"])
    assert cell(dock, "c.png", STATE).startswith("✗")


def test_doubtful_results_come_before_the_others_and_say_what_to_try(qtbot, dock, folder, tmp_path) -> None:
    iio.imwrite(folder / "void.png", np.zeros((60, 60), np.uint8))
    dock.form.size_form.control("kind").value = "fluorescence"
    choose(qtbot, dock, folder, tmp_path / "out")
    press_run(qtbot, dock)
    names = [Path(row.prospect.image).name for row in dock.table.images.rows]
    assert names[:2] == ["notes.tif", "void.png"]
    assert cell(dock, "void.png", STATE).startswith("⚠ 0 nuclei. Try dark nuclei on bright. · ✓")
    assert "1 to check (⚠)" in dock.outcome_label.text()
    click(qtbot, dock, "a.png", IMAGE)
    assert "bright nuclei on dark" in dock.detail_label.text()
    summary = pd.read_csv(tmp_path / "out" / "summary.csv").set_index("image")
    assert summary.kind[str(folder / "a.png")] == "fluorescence"


def test_a_record_asks_for_few_cells_of_a_table_of_thousands(qtbot, monkeypatch) -> None:
    table = BatchTable()
    qtbot.addWidget(table)
    table.show_prospects([Prospect(f"/in/{number}.png", 1000, "Y 9 · X 9", "uint8") for number in range(3000)])
    with qtbot.waitExposed(table):
        table.show()
    asked = []
    answer = BatchTableModel.data

    def data(self, index, role=Qt.ItemDataRole.DisplayRole):
        asked.append(index.row())
        return answer(self, index, role)

    monkeypatch.setattr(BatchTableModel, "data", data)
    table.show_record(FileRecord("/in/7.png", nuclei=3))
    QApplication.processEvents()
    assert len(asked) < 2000


def test_results_lie_where_workers_find_them_too(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    assert BatchChoices(out="results").folder == tmp_path / "results"


def test_a_scheduler_and_workers_are_not_both_taken(qtbot, dock, folder, tmp_path) -> None:
    choose(qtbot, dock, folder, tmp_path / "out")
    dock.form.scheduler.setText("tcp://host:8786")
    dock.form.workers.setValue(2)
    assert "not both" in dock.job_panel.status_label.text()
    assert not dock.job_panel.run_button.isEnabled()


def test_workers_are_started_as_many_as_asked_for_simulated(qtbot, dock, folder, tmp_path, monkeypatch) -> None:
    asked = []

    @contextmanager
    def dask_cluster(scheduler: str, workers: int):
        asked.append((scheduler, workers))
        yield Serial()

    monkeypatch.setattr(cluster, "dask_cluster", dask_cluster)
    dock.form.workers.setValue(3)
    choose(qtbot, dock, folder / "a.png", tmp_path / "out")
    press_run(qtbot, dock)
    assert asked == [("", 3)]
    assert (tmp_path / "out" / "a_labels.tif").exists()


def test_a_scheduler_that_does_not_answer_is_told_in_words(qtbot, dock, folder, tmp_path) -> None:
    pytest.importorskip("distributed")
    dock.form.scheduler.setText("nonsense://nowhere:1")
    choose(qtbot, dock, folder / "a.png", tmp_path / "out")
    press_run(qtbot, dock)
    assert "no Dask scheduler at nonsense" in dock.job_panel.status_label.text()


def test_cancel_keeps_what_is_done_and_a_second_run_goes_on_from_there(qtbot, dock, tmp_path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(24):
        iio.imwrite(tmp_path / "in" / f"{number:02}.png", fluorescent_nuclei(number, (120, 160), 22.0, 12).image)
    choose(qtbot, dock, tmp_path / "in", tmp_path / "out")
    press(qtbot, dock.job_panel.run_button)
    qtbot.waitUntil(lambda: any(row.record for row in dock.table.images.rows), timeout=LONG)
    assert " of 24 done · " in dock.job_panel.status_label.text()
    press(qtbot, dock.job_panel.cancel_button)
    qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)
    done = len(list((tmp_path / "out").glob("*_labels.tif")))
    assert 0 < done < 24
    assert "are kept" in dock.job_panel.status_label.text()
    press_run(qtbot, dock)
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert summary.status.value_counts().to_dict() == {"skipped": done, "done": 24 - done}


def test_choices_are_remembered(qtbot, viewer, dock, folder, tmp_path) -> None:
    dock.form.stacks.setCurrentText("mean along z")
    press(qtbot, dock.form.switches["rois"])
    press(qtbot, dock.form.overwrite)
    dock.form.advanced_form.control("flips").value = True
    choose(qtbot, dock, folder / "a.png", tmp_path / "out")
    press_run(qtbot, dock)
    second = show_alone(qtbot, BatchDock(viewer), viewer)
    choices = second.form.choices()
    assert (choices.images, choices.out, choices.stacks) == (
        str(folder / "a.png"),
        str(tmp_path / "out"),
        "mean along z",
    )
    assert (choices.model, choices.settings.diameter, choices.settings.flips) == ("tiny", 22.0, True)
    assert choices.batch == BatchSettings(rois=True)


def test_without_images_the_reason_is_told(qtbot, dock, folder, tmp_path) -> None:
    assert not dock.job_panel.run_button.isEnabled()
    assert "Choose a folder of images" in dock.job_panel.status_label.text()
    (tmp_path / "void").mkdir()
    dock.form.images.setValue(str(tmp_path / "void"))
    qtbot.waitUntil(lambda: "No image found" in dock.form.facts_label.text(), timeout=LONG)


def test_folders_and_files_are_chosen_in_dialogs_or_dropped(qtbot, dock, folder, tmp_path, monkeypatch) -> None:
    from qtpy.QtWidgets import QPushButton

    buttons = {button.text(): button for button in dock.form.images.findChildren(QPushButton)}
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    press(qtbot, buttons["Folder…"])
    assert dock.form.images.value() == str(folder)
    assert dock.form.out.value() == str(folder / "nuclei")
    monkeypatch.setattr(
        QFileDialog, "getOpenFileNames", lambda *_: ([str(folder / "a.png"), str(folder / "b.png")], "")
    )
    press(qtbot, buttons["Files…"])
    assert dock.form.choices().given == [folder / "a.png", folder / "b.png"]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    press(qtbot, buttons["Folder…"])
    assert len(dock.form.choices().given) == 2
    dropped = QMimeData()
    dropped.setUrls([QUrl.fromLocalFile(str(folder / "deep"))])
    left = Qt.MouseButton.LeftButton
    dock.form.images.edit.dropEvent(
        QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, dropped, left, Qt.KeyboardModifier.NoModifier)
    )
    assert dock.form.images.value() == str(folder / "deep")
    dock.form.out.setValue(str(tmp_path / "mine"))
    dock.form.images.setValue(str(folder))
    assert dock.form.out.value() == str(tmp_path / "mine")


def test_folder_and_report_open_with_one_click(qtbot, dock, folder, tmp_path, monkeypatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    choose(qtbot, dock, folder / "a.png", tmp_path / "out")
    assert not dock.report_button.isEnabled()
    press_run(qtbot, dock)
    press(qtbot, dock.folder_button)
    press(qtbot, dock.report_button)
    assert opened == [str(tmp_path / "out"), str(tmp_path / "out" / "report.html")]


def test_closing_the_dock_does_not_lose_the_run(qtbot, make_napari_viewer_proxy, folder, tmp_path) -> None:
    viewer = make_napari_viewer_proxy()
    dock = BatchDock(viewer)
    viewer.window.add_dock_widget(dock, name="Batch segment folder")
    choose_model(dock)
    choose(qtbot, dock, folder, tmp_path / "out")
    press(qtbot, dock.job_panel.run_button)
    viewer.window.remove_dock_widget(dock)
    dock.close()
    dock.deleteLater()
    qtbot.waitUntil(lambda: (tmp_path / "out" / "report.html").exists(), timeout=LONG)


def test_the_dock_is_in_the_menus(make_napari_viewer) -> None:
    from tests.helpers.menus import open_menu

    window = make_napari_viewer().window
    assert "Batch segment folder (Nuclei)" in open_menu(window.file_menu, "IO Utilities")
    assert "Batch segment folder (Nuclei)" in open_menu(window.plugins_menu, "Nuclei")

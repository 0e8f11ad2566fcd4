"""Corrections outlive the viewer: they are saved by hand and by themselves, come back, and failures are said."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QMessageBox

from napari_unet_nuclei.core.corrections.store import corrections_folder, list_corrections, read_correction
from napari_unet_nuclei.core.finetune.kept import keep_corrections
from napari_unet_nuclei.gui.finetune.corrections import CorrectionsPanel
from napari_unet_nuclei.gui.finetune.dock import FinetuneDock
from napari_unet_nuclei.gui.viewer.reviewed_layer import REVIEWED, reviewed_mask
from tests.helpers.correcting import Bench, segmented
from tests.helpers.finetune_dock import LONG, listed


@pytest.fixture(autouse=True)
def no_question(monkeypatch) -> None:
    """A question that nobody answers would hold up the tests for ever."""
    monkeypatch.setattr(QMessageBox, "warning", lambda *_: QMessageBox.StandardButton.Discard)


def viewer_on(planes: int = 0, *, labels: bool = True, shift: int = 0, name: str = "DAPI") -> ViewerModel:
    viewer = ViewerModel()
    image, nuclei, metadata = segmented(planes)
    viewer.add_image(image + np.uint16(shift), name=name)
    if labels:
        viewer.add_labels(nuclei, name="DAPI labels", metadata=metadata)
    return viewer


def correct_a_little(bench: Bench) -> None:
    """Accept one nucleus, delete another."""
    bench.dock.do("next")
    if bench.dock.navigator.framed.is_missed:
        bench.dock.do("delete")
    bench.dock.do("accept")
    bench.dock.do("delete")
    bench.settle()


def block_folder() -> Path:
    """Let saving fail, as on a disk that cannot be written to."""
    folder = corrections_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    return folder


def test_what_is_saved_comes_back_with_the_same_image(modest_bench):
    bench = modest_bench(viewer_on())
    correct_a_little(bench)
    shapes = bench.viewer.add_shapes(name=REVIEWED)
    shapes.add([[-1, -1], [-1, 69.5], [59.5, 69.5], [59.5, -1]], shape_type="rectangle")
    bench.press(bench.dock.panel.run_button)
    assert "Saved" in bench.status
    [entry] = list_corrections(corrections_folder())
    assert entry.name.startswith("DAPI ")
    saved = read_correction(corrections_folder(), entry.name)
    np.testing.assert_array_equal(saved.labels, bench.layer.data)
    assert saved.reviewed.sum() == 60 * 70
    assert saved.provenance["model"] == "tiny"

    again = modest_bench(viewer_on())
    assert "were saved on" in again.dock.picker.restore_banner.sentence.text()
    assert not np.array_equal(again.layer.data, bench.layer.data)
    again.press(again.dock.picker.restore_banner.button)
    np.testing.assert_array_equal(again.layer.data, bench.layer.data)
    assert again.session.verdicts.accepted == bench.session.verdicts.accepted
    assert again.session.verdicts.dismissed == bench.session.verdicts.dismissed
    table = again.layer.features.set_index("label")
    assert table.index[table["accepted"]].tolist() == sorted(one for _, one in bench.session.verdicts.accepted)
    np.testing.assert_array_equal(reviewed_mask(again.viewer, again.layer), saved.reviewed)
    again.dock.do("undo")
    assert not again.session.verdicts.accepted, "bringing back can be taken back"


@pytest.mark.parametrize(("first", "background"), [(2**40, 0), (0, -1)])
def test_ids_as_other_programs_write_them_are_corrected_and_saved(modest_bench, first, background):
    viewer = viewer_on()
    [layer] = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    layer.data = np.where(layer.data > 0, layer.data.astype(np.int64) + first, background)
    bench = modest_bench(viewer)
    bench.dock.press("next")
    bench.dock.press("delete")
    bench.press(bench.dock.panel.run_button)
    assert "Saved" in bench.status
    [entry] = list_corrections(corrections_folder())
    saved = read_correction(corrections_folder(), entry.name)
    np.testing.assert_array_equal(saved.labels, np.maximum(bench.layer.data, 0))


def test_labels_that_are_as_saved_get_their_decisions_without_a_question(modest_bench):
    bench = modest_bench(viewer_on())
    correct_a_little(bench)
    bench.dock.save()
    bench.settle()
    viewer = viewer_on(labels=False)
    viewer.add_labels(bench.layer.data.copy(), name="opened from a file")
    again = modest_bench(viewer)
    assert again.session.verdicts.accepted == bench.session.verdicts.accepted
    assert not again.dock.picker.restore_banner.isVisible()


def test_an_image_without_labels_gets_its_corrected_ones_back(modest_bench):
    bench = modest_bench(viewer_on(planes=3))
    bench.viewer.dims.set_point(0, 1)
    correct_a_little(bench)
    bench.dock.reviewed_panel.whole_box.click()
    bench.dock.save()
    bench.settle()
    again = modest_bench(viewer_on(planes=3, labels=False))
    assert again.session is None
    again.press(again.dock.picker.restore_banner.button)
    np.testing.assert_array_equal(again.layer.data[1], bench.layer.data[1])
    assert not again.layer.data[[0, 2]].any()
    assert reviewed_mask(again.viewer, again.layer, (1,)).all()
    assert reviewed_mask(again.viewer, again.layer, (0,)) is None


def test_another_image_of_the_same_name_and_size_is_another_correction(modest_bench):
    for shift in (0, 7):
        bench = modest_bench(viewer_on(shift=shift))
        assert not bench.dock.picker.restore_banner.isVisible()
        correct_a_little(bench)
        bench.dock.save()
        bench.settle()
    assert len(list_corrections(corrections_folder())) == 2


def test_corrections_that_were_not_restored_are_not_replaced(modest_bench):
    first = modest_bench(viewer_on())
    correct_a_little(first)
    first.dock.save()
    first.settle()
    [before] = list_corrections(corrections_folder())
    second = modest_bench(viewer_on())
    second.dock.do("next")
    second.dock.do("accept_rest")
    for _ in range(2):
        second.dock.save()
        second.settle()
    assert len(list_corrections(corrections_folder())) == 2
    np.testing.assert_array_equal(read_correction(corrections_folder(), before.name).labels, first.layer.data)


def test_what_both_docks_save_of_a_layer_is_one_correction(modest_bench, qtbot):
    bench = modest_bench(viewer_on(planes=3))
    bench.viewer.dims.set_point(0, 1)
    panel = CorrectionsPanel(bench.viewer, corrections_folder())
    qtbot.addWidget(panel)
    bench.dock.reviewed_panel.whole_box.click()
    correct_a_little(bench)
    for _ in range(2):
        panel.refresh()
        keep_corrections(corrections_folder(), panel.copied())
        bench.dock.do("accept")
        bench.viewer.layers[0].name = "renamed"
        bench.dock.save()
        bench.settle()
    [entry] = list_corrections(corrections_folder())
    assert entry.name.startswith("DAPI [z=1] ")
    assert set(entry.accepted) == {one for _, one in bench.session.verdicts.accepted}
    copy = bench.viewer.add_layer(Labels.create(*bench.layer.as_layer_data_tuple()))
    copy.name = "copy"
    bench.dock.picker.choose(copy)
    bench.dock.do("next")
    bench.dock.do("delete")
    bench.dock.save()
    bench.settle()
    assert len(list_corrections(corrections_folder())) == 2, "a copy of the layer is other work"


def test_only_what_has_changed_is_saved(modest_bench):
    bench = modest_bench(viewer_on(planes=3))
    bench.dock.save()
    bench.settle()
    assert "nothing new" in bench.status
    correct_a_little(bench)
    bench.dock.save()
    bench.settle()
    [entry] = list_corrections(corrections_folder())
    assert "[z=1]" in entry.name
    bench.dock.save()
    bench.settle()
    assert "nothing new" in bench.status
    bench.dock.reviewed_panel.whole_box.click()
    bench.dock.save()
    bench.settle()
    [entry] = list_corrections(corrections_folder())
    assert read_correction(corrections_folder(), entry.name).reviewed.all()


def test_corrections_are_saved_by_themselves_after_a_rest(modest_bench):
    bench = modest_bench(viewer_on())
    correct_a_little(bench)
    assert bench.dock.saver._rest.isActive()
    bench.dock.saver._rest.setInterval(1)
    bench.dock.saver.note_change()
    bench.qtbot.waitUntil(lambda: len(list_corrections(corrections_folder())) == 1)
    bench.settle()


def test_a_removed_layer_is_saved_before_it_goes_and_its_regions_too(modest_bench):
    bench = modest_bench(viewer_on())
    correct_a_little(bench)
    bench.dock.reviewed_panel.draw_button.click()
    bench.viewer.layers[REVIEWED].add([[-1, -1], [-1, 9.5], [9.5, 9.5], [9.5, -1]], shape_type="rectangle")
    layer = bench.layer
    bench.viewer.layers.clear()
    [entry] = list_corrections(corrections_folder())
    saved = read_correction(corrections_folder(), entry.name)
    np.testing.assert_array_equal(saved.labels, layer.data)
    assert saved.reviewed.sum() == 100
    bench.settle()
    assert bench.session is None


def test_the_closing_dock_saves(open_bench):
    bench = open_bench()
    correct_a_little(bench)
    bench.viewer.window.remove_dock_widget(bench.dock)
    assert len(list_corrections(corrections_folder())) == 1


def test_the_closing_window_saves_and_where_it_cannot_the_user_decides(open_bench, monkeypatch):
    bench = open_bench()
    correct_a_little(bench)
    folder, asked = block_folder(), []
    buttons = QMessageBox.StandardButton

    def answer(_parent, _title, text, *_buttons):
        asked.append(text)
        return buttons.Cancel

    monkeypatch.setattr(QMessageBox, "warning", answer)
    window = bench.dock.saver._window
    window.close()
    assert window.isVisible(), "nothing is lost"
    assert "could not be saved" in asked[0]
    folder.unlink()
    assert not bench.dock.saver.eventFilter(window, QCloseEvent()), "the window may close"
    assert len(list_corrections(corrections_folder())) == 1
    assert len(asked) == 1


def test_a_failure_to_save_is_said_and_tried_again(modest_bench):
    bench = modest_bench(viewer_on())
    correct_a_little(bench)
    folder = block_folder()
    bench.press(bench.dock.panel.run_button)
    assert bench.status.startswith("⚠")
    folder.unlink()
    bench.press(bench.dock.panel.run_button)
    assert len(list_corrections(corrections_folder())) == 1


@pytest.mark.parametrize("place", [f"{os.sep}labels{os.sep}", f"{os.sep}reviewed{os.sep}", "index.json"])
def test_a_full_disk_that_is_injected_costs_neither_what_was_saved_nor_what_is_new(modest_bench, full_disk, place):
    bench = modest_bench(viewer_on())
    correct_a_little(bench)
    bench.press(bench.dock.panel.run_button)
    [before] = list_corrections(corrections_folder())
    bench.dock.reviewed_panel.whole_box.click()
    correct_a_little(bench)
    full_disk[:] = [place]
    bench.press(bench.dock.panel.run_button)
    assert bench.status.startswith("⚠")
    assert "the disk is full" in bench.status
    assert list_corrections(corrections_folder()) == (before,)
    assert read_correction(corrections_folder(), before.name).accepted == before.accepted
    assert list(corrections_folder().rglob(".*")) == []
    full_disk.clear()
    bench.press(bench.dock.panel.run_button)
    [after] = list_corrections(corrections_folder())
    np.testing.assert_array_equal(read_correction(corrections_folder(), after.name).labels, bench.layer.data)


def test_a_layer_that_cannot_be_saved_comes_back(open_bench):
    bench = open_bench()
    correct_a_little(bench)
    folder, layer = block_folder(), bench.layer
    bench.viewer.layers.remove(layer)
    bench.settle()
    assert layer in bench.viewer.layers
    assert bench.status.startswith("⚠")
    folder.unlink()
    bench.dock.save()
    bench.settle()
    assert len(list_corrections(corrections_folder())) == 1


def test_a_damaged_list_of_corrections_is_said_and_left(modest_bench):
    folder = corrections_folder()
    folder.mkdir(parents=True)
    (folder / "index.json").write_text("{")
    bench = modest_bench(viewer_on())
    assert "cannot be used" in bench.status
    assert (folder / "index.json").read_text() == "{"


def test_channels_and_pixel_size_are_kept(modest_bench):
    viewer = ViewerModel()
    image, nuclei, metadata = segmented()
    metadata["nuclei"]["provenance"] |= {"channel": "channel 1", "axes": "CYX"}
    viewer.add_image(
        np.stack([image * 0, image, image]), name="cells", scale=(1, 0.5, 0.5), units=("pixel", "µm", "µm")
    )
    viewer.add_labels(nuclei, metadata=metadata, scale=(0.5, 0.5), units=("µm", "µm"))
    bench = modest_bench(viewer)
    correct_a_little(bench)
    bench.dock.save()
    bench.settle()
    [entry] = list_corrections(corrections_folder())
    assert (entry.axes, entry.channel, entry.pixel_size_um) == ("CYX", 1, (0.5, 0.5))
    saved = read_correction(corrections_folder(), entry.name)
    np.testing.assert_array_equal(saved.image[1], image)


def test_labels_of_a_part_of_an_image_are_saved_with_that_part(modest_bench):
    viewer = ViewerModel()
    image, nuclei, metadata = segmented(planes=3)
    metadata["nuclei"] |= {"origin": (2, 10, 0), "maps": metadata["nuclei"]["maps"][2:, :, 10:, :100]}
    metadata["nuclei"]["provenance"] |= {"region": [10, 120, 0, 100]}
    viewer.add_image(image, name="stack")
    viewer.add_labels(nuclei[2:, 10:, :100], metadata=metadata, translate=(2, 10, 0))
    viewer.dims.set_point(0, 2)
    bench = modest_bench(viewer)
    correct_a_little(bench)
    bench.dock.save()
    bench.settle()
    [entry] = list_corrections(corrections_folder())
    assert (entry.origin, entry.provenance["plane"]) == ((10, 0), [2])
    np.testing.assert_array_equal(read_correction(corrections_folder(), entry.name).image, image[2, 10:, :100])
    whole = modest_bench(viewer_on_stack(image))
    whole.press(whole.dock.picker.restore_banner.button)
    np.testing.assert_array_equal(whole.layer.data[2, 10:, :100], bench.layer.data[0])
    assert not whole.layer.data[2, :10].any()


def viewer_on_stack(image: np.ndarray) -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(image, name="stack")
    return viewer


def test_large_planes_are_saved_where_they_were_worked_on(modest_bench, monkeypatch):
    monkeypatch.setattr("napari_unet_nuclei.core.corrections.correction.LARGEST_WHOLE", 1000)
    monkeypatch.setattr("napari_unet_nuclei.core.corrections.correction.CONTEXT", 5)
    bench = modest_bench(viewer_on())
    correct_a_little(bench)
    bench.dock.save()
    bench.settle()
    [entry] = list_corrections(corrections_folder())
    assert entry.shape[0] * entry.shape[1] < 120 * 160
    again = modest_bench(viewer_on())
    again.press(again.dock.picker.restore_banner.button)
    np.testing.assert_array_equal(again.layer.data, bench.layer.data)


def test_fine_tuning_begins_with_the_corrections_saved_and_listed(open_bench):
    bench = open_bench()
    bench.dock.do("next")
    bench.dock.do("accept")
    bench.settle()
    bench.press(bench.dock.finetune_button)
    bench.settle()
    [entry] = list_corrections(corrections_folder())
    assert entry.name.startswith("DAPI ")
    frames = bench.viewer.window.dock_widgets.values()
    [finetune] = [widget for widget in frames if isinstance(widget, FinetuneDock)]
    bench.qtbot.waitUntil(lambda: not finetune.corrections.is_checking, timeout=LONG)
    assert "DAPI labels" in {row[0] for row in listed(finetune)}

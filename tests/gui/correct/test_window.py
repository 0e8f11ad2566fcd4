"""The dock *Correct nuclei* beside napari's own tools: keys, planes, transforms, layers of others."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.key_bindings import KeymapHandler
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDockWidget, QLineEdit, QPushButton

from napari_unet_nuclei.gui.correct.keys import COMMANDS
from napari_unet_nuclei.gui.correct.overlay import OVERLAY
from napari_unet_nuclei.gui.viewer.reviewed_layer import REVIEWED, reviewed_mask
from tests.helpers.correcting import FAINT, segmented


def test_letters_are_free_for_labels_and_undo_is_the_only_key_of_napari(make_napari_viewer):
    viewer = make_napari_viewer()
    napari_keys = KeymapHandler()
    napari_keys.keymap_providers = [viewer.add_labels(np.zeros((4, 4), np.int32)), viewer]
    taken = {str(key) for key in napari_keys.active_keymap}
    assert taken >= {"M", "P", "Escape", "Ctrl+Z"}
    keys = {command.key for command in COMMANDS if command.key}
    assert keys & taken == {"Ctrl+Z", "Ctrl+Shift+Z"}
    assert {key for key in keys if len(key) == 1} <= set("ACDGHJKNQRSTUW")


def test_every_key_is_listed_on_a_button(modest_bench):
    bench = modest_bench(ViewerModel())
    texts = " ".join(button.text() for button in bench.dock.findChildren(QPushButton))
    assert all(f"({command.key})" in texts for command in COMMANDS if command.key)


def test_keys_are_napari_s_while_another_layer_is_active(open_bench):
    bench = open_bench()
    bench.click(20, 20)
    bench.viewer.layers.selection.active = bench.viewer.layers["DAPI"]
    bench.key("D")
    assert bench.plane[20, 20] > 0
    bench.viewer.layers.selection.active = bench.layer
    bench.key("D")
    assert bench.plane[20, 20] == 0


def test_napari_keeps_its_own_keys(open_bench):
    bench = open_bench()
    bench.layer.selected_label = 1
    bench.key("M")
    assert bench.layer.selected_label == bench.plane.max() + 1
    bench.key("P")
    assert bench.layer.mode == "paint"


def test_keys_act_from_the_canvas_while_the_dock_floats(open_bench):
    bench = open_bench()
    floating = bench.dock.parent()
    while not isinstance(floating, QDockWidget):
        floating = floating.parent()
    floating.setFloating(True)
    bench.settle()
    bench.activate()
    bench.click(20, 20)
    bench.key("D")
    assert bench.plane[20, 20] == 0
    bench.undo()
    assert bench.plane[20, 20] > 0


def test_two_viewers_do_not_answer_the_same_key(open_bench):
    first, second = open_bench(), open_bench()
    for bench, other in ((first, second), (second, first)):
        bench.activate()
        bench.click(20, 20)
        bench.key("D")
        assert bench.plane[20, 20] == 0
        assert other is first or other.plane[20, 20] > 0


def test_next_leads_back_from_a_nucleus_that_was_clicked(open_bench):
    bench = open_bench()
    bench.key("N")
    place = bench.dock.navigator.candidate
    center = bench.viewer.scene.camera.center[-2:]
    bench.click(center[0] + 15, center[1])
    assert bench.dock.navigator.framed is None or bench.dock.navigator.framed.candidate != place
    bench.key("N")
    assert bench.dock.navigator.framed.candidate == place
    bench.key("N")
    assert bench.dock.navigator.framed.candidate != place


def test_classes_of_pixels_are_no_nuclei(modest_bench):
    viewer = ViewerModel()
    metadata = {"nuclei": {"provenance": {"classes": ["background", "gland"]}}}
    viewer.add_labels(np.zeros((20, 20), np.int32), metadata=metadata)
    bench = modest_bench(viewer)
    assert bench.session is None
    assert "classes of pixels" in bench.dock.picker.problem_label.text()


def test_letters_typed_into_a_field_are_typed(open_bench):
    bench = open_bench()
    bench.click(20, 20)
    field = QLineEdit(bench.dock)
    field.show()
    field.setFocus()
    QTest.keyClicks(field, "dad")
    bench.settle()
    assert field.text() == "dad"
    assert bench.plane[20, 20] > 0


def test_a_key_that_is_held_down_or_pressed_while_drawing_does_nothing_more(open_bench):
    bench = open_bench()
    assert not bench.dock.keys.shortcuts["D"].autoRepeat()
    bench.layer.mode, bench.layer.selected_label = "paint", 80
    bench.point_at(105, 20)
    QTest.mousePress(bench.canvas, Qt.MouseButton.LeftButton, pos=bench.at(105, 20))
    assert 80 in bench.plane
    QTest.mouseRelease(bench.canvas, Qt.MouseButton.LeftButton, pos=bench.at(105, 20))
    bench.settle()
    assert bench.session.history.undo_title == "Paint"


@pytest.mark.parametrize(
    "place",
    [
        {"scale": (3, 0.5, 0.5), "translate": (30, -7, 11), "rotate": 25, "units": ("µm",) * 3},
        {"scale": (1, 2, 1), "shear": (0.0, 0.0, 0.3), "affine": np.diag([1, 1, -1, 1])},
    ],
)
def test_planes_of_a_stack_in_any_place_and_unit(open_bench, place):
    bench = open_bench(planes=4, **place)
    viewer = bench.viewer
    if "units" in place:
        viewer.add_image(np.zeros((9, 9)), scale=(40, 40), units=("nm", "nm"), name="in nm")
        viewer.layers.selection.active = bench.layer
        assert str(viewer.dims.units[-1]) == "nanometer"
    viewer.dims.set_point(0, viewer.dims.range[0].start + 2 * viewer.dims.range[0].step)
    bench.settle()
    place_of = bench.session.corrected
    bench.dock.navigator._bring_into_view((2,), (0, 120, 0, 160))
    viewer.scene.camera.zoom *= 300 / (160 * place_of.labels.place.canvas_pixels(viewer))
    bench.settle()
    assert bench.dock.navigator.plane == (2,)
    before = bench.layer.data.copy()
    bench.click(50, 80)
    [nucleus] = bench.framed
    assert nucleus == before[2, 50, 80]
    bench.key("D")
    assert (bench.layer.data[2] == nucleus).sum() == 0
    np.testing.assert_array_equal(bench.layer.data[[0, 1, 3]], before[[0, 1, 3]])
    bench.key("K")
    bench.drag((50, 35), (50, 65))
    assert bench.layer.data[2, 44, 50] != bench.layer.data[2, 56, 50]
    bench.key("N")
    assert bench.dock.navigator.candidate.plane == (2,)
    overlay = viewer.layers[OVERLAY]
    assert set(overlay.data[:, 0, 0].tolist()) == {2.0}
    np.testing.assert_allclose(overlay.data_to_world((2, 5, 6)), bench.layer.data_to_world((2, 5, 6)))
    viewer.dims.set_point(0, viewer.dims.range[0].start)
    bench.undo()
    assert bench.dock.navigator.plane == (2,), "what is taken back is shown"
    bench.undo()
    np.testing.assert_array_equal(bench.layer.data, before)
    bench.press(bench.dock.reviewed_panel.draw_button)
    bench.drag((20, 20), (80, 120))
    mask = reviewed_mask(viewer, bench.layer, (2,))
    assert mask[50, 70]
    assert mask.sum() == pytest.approx(60 * 100, rel=0.1)
    assert reviewed_mask(viewer, bench.layer, (1,)) is None


def test_all_planes_of_a_stack_are_gone_through_in_one_queue(open_bench):
    bench = open_bench(planes=3)
    bench.dock.queue_panel.scope_box.setCurrentIndex(1)
    bench.settle()
    planes = set()
    for _ in range(12):
        bench.key("N")
        planes.add(bench.dock.navigator.candidate.plane)
    assert len(planes) > 1
    assert bench.dock.navigator.candidate.plane == bench.dock.navigator.plane


def test_in_3d_the_dock_says_that_planes_are_corrected(open_bench):
    bench = open_bench(planes=3)
    bench.viewer.dims.ndisplay = 3
    bench.key("N")
    assert "in 2-D" in bench.status


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_labels_from_elsewhere_are_corrected_by_their_shapes(modest_bench, dtype):
    viewer = ViewerModel()
    image, labels, _ = segmented()
    viewer.add_image(image, name="DAPI")
    viewer.add_labels(labels.astype(dtype), name="foreign")
    bench = modest_bench(viewer)
    bench.dock.do("next")
    assert len(bench.framed) == 1
    bench.dock.do("split")
    assert len(bench.framed) == 2
    assert bench.layer.data.dtype == dtype
    viewer.mouse_over_canvas, viewer.cursor.position = True, FAINT
    bench.dock.navigator.release()
    bench.dock.do("add")
    assert bench.status.startswith("Added nucleus"), "grown from the image, as there is nothing that a network saw"
    bench.dock.do("box")
    assert "not kept" in bench.status


def test_labels_without_an_image_are_corrected_and_not_saved(modest_bench):
    viewer = ViewerModel()
    _, labels, _ = segmented()
    viewer.add_image(np.zeros((7, 9)), name="other size")
    viewer.add_labels(labels)
    bench = modest_bench(viewer)
    assert bench.dock.picker.image is None
    bench.dock.do("next")
    bench.dock.do("delete")
    bench.press(bench.dock.panel.run_button)
    assert "Choose the image" in bench.status


def test_labels_that_are_read_piece_by_piece_are_copied_first(modest_bench):
    import dask.array

    viewer = ViewerModel()
    image, labels, _ = segmented()
    viewer.add_image(image)
    viewer.add_labels(dask.array.from_array(labels, chunks=(60, 80)), name="lazy", scale=(2, 2), translate=(5, 6))
    bench = modest_bench(viewer)
    assert bench.session is None
    assert "copy in memory" in bench.dock.picker.copy_banner.sentence.text()
    bench.press(bench.dock.picker.copy_banner.button)
    assert bench.layer.name == "lazy corrected"
    np.testing.assert_array_equal(bench.layer.scale, (2, 2))
    np.testing.assert_array_equal(bench.layer.translate, (5, 6))
    bench.dock.do("next")
    bench.dock.do("delete")
    assert bench.status.startswith("Deleted nucleus")


def test_an_image_of_another_size_is_named(modest_bench):
    viewer = ViewerModel()
    image, labels, _ = segmented()
    viewer.add_image(image, name="right")
    viewer.add_image(image[:50], name="small")
    viewer.add_labels(labels)
    bench = modest_bench(viewer)
    assert bench.dock.picker.image.name == "right"
    box = bench.dock.picker.image_line.box
    box.setCurrentIndex(box.findText("small"))
    assert "differ in size" in bench.dock.picker.problem_label.text()
    assert not bench.dock.queue_panel.isEnabled()


def test_ids_that_the_layer_cannot_hold_are_refused_in_words(modest_bench):
    viewer = ViewerModel()
    labels = np.zeros((40, 40), np.uint8)
    labels[5:30, 5:15] = 255
    viewer.add_labels(labels)
    bench = modest_bench(viewer)
    bench.dock.do("next")
    bench.dock.do("split")
    assert "hold ids up to 255" in bench.status


def test_each_layer_keeps_its_history_while_others_are_corrected(modest_bench):
    viewer = ViewerModel()
    image, labels, metadata = segmented()
    viewer.add_image(image)
    first = viewer.add_labels(labels.copy(), name="first", metadata=metadata)
    second = viewer.add_labels(labels.copy(), name="second", metadata=metadata)
    bench = modest_bench(viewer)
    assert bench.layer == second
    bench.dock.do("next")
    bench.dock.picker.choose(first)
    bench.settle()
    assert bench.framed == []
    bench.dock.do("next")
    bench.dock.do("next")
    bench.dock.do("delete")
    assert np.array_equal(second.data, labels)
    bench.dock.picker.choose(second)
    bench.dock.picker.choose(first)
    bench.dock.do("undo")
    np.testing.assert_array_equal(first.data, labels)


def test_the_frame_goes_with_the_dock(open_bench):
    bench = open_bench()
    bench.key("N")
    assert OVERLAY in bench.viewer.layers
    bench.viewer.window.remove_dock_widget(bench.dock)
    assert OVERLAY not in bench.viewer.layers
    assert not any(shortcut.isEnabled() for shortcut in bench.dock.keys.shortcuts.values())
    assert bench.session is None


def test_every_plane_that_is_done_is_offered_to_be_marked(open_bench):
    bench = open_bench(planes=2)
    bench.viewer.dims.set_point(0, 0)
    bench.press(bench.dock.queue_panel.commands.buttons["accept_rest"])
    assert "this plane" in bench.dock.queue_panel.banner.sentence.text()
    bench.dock.queue_panel.scope_box.setCurrentIndex(1)
    bench.settle()
    bench.key("N")
    assert bench.dock.navigator.plane == (1,), "the other plane is not done"
    bench.press(bench.dock.queue_panel.commands.buttons["accept_rest"])
    assert "2 planes" in bench.dock.queue_panel.banner.sentence.text()
    bench.press(bench.dock.queue_panel.banner.button)
    assert all(reviewed_mask(bench.viewer, bench.layer, (plane,)).all() for plane in range(2))


def test_regions_are_drawn_on_the_canvas_and_counted(open_bench):
    bench = open_bench()
    button = bench.dock.reviewed_panel.draw_button
    bench.press(button)
    assert bench.viewer.layers.selection.active.name == REVIEWED
    bench.drag((20, 20), (80, 120))
    mask = reviewed_mask(bench.viewer, bench.layer)
    assert mask.sum() == pytest.approx(60 * 100, rel=0.1)
    bench.key("D")
    assert bench.plane.any(), "keys are of the shapes while they are drawn"
    assert f"{100 * mask.mean():.0f} % of this plane" in bench.dock.reviewed_panel.share_label.text()
    bench.press(button)
    assert bench.viewer.layers.selection.active == bench.layer
    assert button.text() == "Draw regions"
    bench.dock.reviewed_panel.whole_box.click()
    bench.settle()
    assert reviewed_mask(bench.viewer, bench.layer).all()

"""Correcting in a real window, by real keys and clicks on the canvas."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.gui.correct.overlay import OVERLAY
from tests.helpers.correcting import FAINT, Bench


def nucleus_at(bench: Bench, y: int, x: int) -> int:
    return int(bench.plane[y, x])


def features(bench: Bench):
    return bench.layer.features.set_index("label")


def test_the_review_goes_from_the_most_doubtful_to_the_last_and_offers_to_mark_the_plane(open_bench):
    bench = open_bench()
    count = len(np.unique(bench.plane)) - 1
    tally = bench.session.review.tally(())
    assert (tally.decided, tally.doubtful + tally.right) == (0, count + 1)
    assert bench.dock.queue_panel.count_label.text() == f"{tally.doubtful} doubtful · {tally.right} look right"
    queue = bench.session.review.pending(())
    bench.key("N")
    assert bench.dock.navigator.framed.candidate == queue[0]
    y0, y1, x0, x1 = queue[0].box
    middle = ((y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2)
    assert bench.viewer.scene.camera.center[-2:] == pytest.approx(middle)
    overlay = bench.viewer.layers[OVERLAY]
    assert overlay.data[:, 0].min(axis=0).tolist() == [y0 - 3.5, x0 - 3.5]
    assert bench.viewer.layers.selection.active == bench.layer
    bench.key("N")
    assert bench.dock.navigator.framed.candidate == queue[1]
    for _ in range(2 * count):
        if bench.dock.navigator.framed is None:
            break
        bench.key("D" if bench.dock.navigator.framed.is_missed else "A")
    assert features(bench)["accepted"].all()
    assert bench.dock.queue_panel.count_label.text() == "0 doubtful · 0 look right"
    assert bench.dock.queue_panel.bar.value() == bench.dock.queue_panel.bar.maximum() == tally.doubtful
    assert bench.dock.queue_panel.banner.isVisible()
    assert not bench.dock.reviewed_panel.whole_box.isChecked()
    bench.press(bench.dock.queue_panel.banner.button)
    assert bench.dock.reviewed_panel.whole_box.isChecked()
    assert "100 %" in bench.dock.reviewed_panel.share_label.text()
    bench.undo()
    assert sum(map(int, bench.dock.queue_panel.count_label.text().split()[::3][:1])) <= 1
    assert bench.dock.navigator.framed is not None, "what was decided by mistake is asked again"


def test_one_key_each_for_what_a_doubtful_nucleus_needs(open_bench):
    bench = open_bench()
    before = bench.layer.data.copy()
    bench.click(30, 120)
    [upper] = bench.framed
    bench.key("J")
    assert nucleus_at(bench, 49, 120) == upper
    assert features(bench).loc[upper, "area_px"] == np.count_nonzero(bench.plane == upper)
    assert features(bench).loc[upper, "accepted"]
    bench.key("S")
    assert len(bench.framed) == 2
    assert nucleus_at(bench, 49, 120) != nucleus_at(bench, 30, 120)
    bench.click(20, 20)
    [corner] = bench.framed
    bench.key("D")
    assert nucleus_at(bench, 20, 20) == 0
    assert corner not in features(bench).index
    for _ in range(3):
        bench.undo()
    np.testing.assert_array_equal(bench.layer.data, before)
    assert not features(bench)["accepted"].any()
    for _ in range(3):
        bench.redo()
    assert nucleus_at(bench, 20, 20) == 0


def test_one_key_adds_a_missed_nucleus_and_one_says_that_there_is_none(open_bench):
    bench = open_bench()
    missed = [one for one in bench.session.review.pending(()) if one.kind == "missed"]
    assert [one.box[0] <= FAINT[0] < one.box[1] for one in missed] == [True]
    while not (bench.dock.navigator.framed and bench.dock.navigator.framed.is_missed):
        bench.key("N")
    assert "Missed?" in bench.dock.queue_panel.reason_label.text()
    bench.press(bench.dock.queue_panel.missed_commands.buttons["accept"])
    added = nucleus_at(bench, *FAINT)
    assert bench.framed == [added]
    assert features(bench).loc[added, "accepted"]
    bench.undo()
    assert nucleus_at(bench, *FAINT) == 0
    while not (bench.dock.navigator.framed and bench.dock.navigator.framed.is_missed):
        bench.key("N")
    bench.key("A")
    assert nucleus_at(bench, *FAINT) > 0, "A answers yes here as well"
    bench.undo()
    while not (bench.dock.navigator.framed and bench.dock.navigator.framed.is_missed):
        bench.key("N")
    left = bench.session.review.count(())[1]
    bench.press(bench.dock.queue_panel.missed_commands.buttons["delete"])
    assert bench.session.review.count(()) == (1, left - 1)


def test_an_accepted_nucleus_is_in_doubt_no_longer(open_bench):
    bench = open_bench()
    while not bench.framed:  # places where one may have been missed come first
        bench.key("N")
    [nucleus] = bench.framed
    assert "doubt" in bench.dock.queue_panel.reason_label.text()
    bench.key("A")
    bench.click(*np.argwhere(bench.plane == nucleus).mean(axis=0).round())
    assert bench.dock.queue_panel.reason_label.text() == f"Nucleus {nucleus}, accepted."
    bench.undo()
    assert "doubt" in bench.dock.queue_panel.reason_label.text()


def test_a_deleted_nucleus_is_not_offered_as_missed(open_bench):
    bench = open_bench()
    bench.click(20, 20)
    bench.key("D")
    bench.layer.data = bench.layer.data.copy()
    bench.settle()
    again = bench.session.review.pending(())
    assert any(one.kind == "missed" for one in again), "other labels are looked at anew"
    assert bench.session.history.undo_title == ""


def test_tools_act_on_the_nucleus_under_the_mouse_outside_the_queue(open_bench):
    bench = open_bench()
    bench.layer.data_setitem((np.array([20, 20, 21]), np.array([50, 51, 50])), 0)  # a hole
    bench.settle()
    nucleus = nucleus_at(bench, 14, 50)
    bench.point_at(14, 50)
    bench.key("H")
    assert nucleus_at(bench, 20, 50) == nucleus
    bench.click(5, 5)  # background: no frame
    bench.layer.data_setitem((np.full(8, 50), np.arange(60, 68)), nucleus_at(bench, 50, 50))  # a spike
    bench.settle()
    bench.point_at(50, 50)
    bench.key("R")
    assert nucleus_at(bench, 50, 66) == 0
    bench.click(5, 5)
    bench.point_at(80, 20)
    bench.key("D")
    assert nucleus_at(bench, 80, 20) == 0
    bench.point_at(5, 5)
    bench.key("D")
    assert "no nucleus under the mouse" in bench.status


def test_drawing_tools_cut_merge_split_outline_and_redo_a_box(open_bench):
    bench = open_bench()
    before = bench.layer.data.copy()
    bench.key("K")
    bench.drag((20, 5), (20, 35))
    assert nucleus_at(bench, 14, 20) != nucleus_at(bench, 26, 20)
    assert bench.viewer.scene.camera.mouse_pan, "the camera moves again"
    bench.key("U")
    bench.click(14, 20)
    bench.click(26, 20)
    assert nucleus_at(bench, 14, 20) == nucleus_at(bench, 26, 20)
    bench.key("T")
    for point in ((50, 15), (50, 25)):
        bench.click(*point)
    bench.key("T")
    assert nucleus_at(bench, 50, 13) != nucleus_at(bench, 50, 27)
    bench.key("Q")
    bench.drag((105, 10), (105, 30), (115, 30), (115, 10))
    added = nucleus_at(bench, 110, 20)
    assert added == bench.plane.max()
    assert features(bench).loc[added, "accepted"]
    bench.key("D")
    assert nucleus_at(bench, 110, 20) == 0, "what was drawn has the frame"
    bench.dock.tools_panel.thresholds.sliders["foreground"].box.setValue(0.3)
    bench.key("W")
    bench.drag((75, 85), (105, 115))
    assert nucleus_at(bench, *FAINT) > 0
    assert not features(bench).loc[nucleus_at(bench, *FAINT), "accepted"], "found by the network, not by the user"
    bench.dock.tools_panel.thresholds.sliders["foreground"].box.setValue(0.6)
    assert nucleus_at(bench, *FAINT) == 0, "the sliders act on the box at once"
    while bench.session.history.undo_title:
        bench.undo()
    np.testing.assert_array_equal(bench.layer.data, before)


def test_a_tool_that_waits_can_be_left_and_leaves_napari_as_it_was(open_bench):
    bench = open_bench()
    bench.layer.mode = "paint"
    bench.key("K")
    assert (bench.layer.mode, bench.viewer.scene.camera.mouse_pan) == ("pan_zoom", False)
    bench.key("K")
    assert (bench.layer.mode, bench.status) == ("paint", "Cancelled.")
    bench.key("Q")
    bench.viewer.layers.selection.active = bench.viewer.layers["DAPI"]
    assert not bench.dock.canvas_input.is_waiting
    assert bench.layer.mode == "paint"


def test_clearing_the_edge_removes_what_it_cuts(open_bench):
    bench = open_bench()
    bench.layer.data_setitem((np.array([0, 0]), np.array([0, 1])), 90)
    bench.settle()
    bench.dock.tools_panel.more_commands.buttons["clear_border"].click()
    bench.settle()
    assert 90 not in bench.plane
    assert nucleus_at(bench, 20, 20) > 0


def test_strokes_of_napari_share_the_history(open_bench):
    bench = open_bench()
    before = bench.layer.data.copy()
    bench.layer.mode, bench.layer.selected_label, bench.layer.brush_size = "paint", 70, 6
    bench.drag((105, 20), (105, 40))
    assert features(bench).loc[70, "area_px"] == np.count_nonzero(bench.plane == 70)
    bench.layer.mode = "pan_zoom"
    bench.click(105, 30)
    bench.key("D")
    assert 70 not in bench.plane
    bench.undo()
    assert 70 in bench.plane
    bench.undo()
    np.testing.assert_array_equal(bench.layer.data, before)
    bench.undo()
    assert "nothing to undo" in bench.status
    bench.redo()
    bench.redo()
    np.testing.assert_array_equal(bench.layer.data, before)
    assert bench.session.history.undo_title == "Delete nucleus 70"


@pytest.mark.parametrize("seed", range(2))
def test_any_sequence_of_clicks_keys_and_strokes_is_taken_back_to_the_last_pixel(open_bench, seed):
    bench, random = open_bench(), np.random.default_rng(seed)
    first = bench.layer.data.copy()
    places = [(20, 20), (20, 50), (50, 80), (80, 20), (30, 120), (49, 120), FAINT]
    for _ in range(12):
        y, x = places[random.integers(len(places))]
        kind = random.choice(["key", "stroke", "undo", "redo", "cut"])
        if kind == "key":
            bench.click(y, x)
            bench.point_at(y, x)
            bench.key(str(random.choice(list("DSJGHRA"))))
        elif kind == "stroke":
            bench.layer.mode = str(random.choice(["paint", "erase", "fill"]))
            bench.drag((y, x), (y + 8, x + 8))
            bench.layer.mode = "pan_zoom"
        elif kind == "cut":
            bench.key("K")
            bench.drag((y, x - 15), (y, x + 15))
        else:
            bench.undo() if kind == "undo" else bench.redo()
        table = features(bench)
        ids, areas = np.unique(bench.plane[bench.plane > 0], return_counts=True)
        assert table["area_px"].to_dict() == dict(zip(ids.tolist(), areas.tolist(), strict=True))
    last, steps = bench.layer.data.copy(), 0
    while bench.session.history.undo_title:
        bench.undo()
        steps += 1
    np.testing.assert_array_equal(bench.layer.data, first)
    for _ in range(steps):
        bench.redo()
    np.testing.assert_array_equal(bench.layer.data, last)


def test_what_a_tool_waits_for_and_why_it_failed_is_said_on_the_canvas(open_bench):
    bench = open_bench()
    overlay = bench.viewer.canvas.overlays.text
    overlay.text, overlay.visible = "mine", True
    bench.press(bench.dock.tools_panel.commands.buttons["unite"])
    assert overlay.visible
    assert overlay.text.startswith("Click the two nuclei")
    bench.click(5, 5)
    bench.click(20, 20)
    assert overlay.text.startswith("⚠ There is only background")
    bench.key("N")
    assert (overlay.text, overlay.visible) == ("mine", True), "what was there comes back"


def test_a_click_adds_a_missed_nucleus_with_maps_and_without(open_bench):
    bench = open_bench()
    button = bench.dock.queue_panel.commands.buttons["add"]
    bench.press(button)
    assert "Click where a nucleus was missed" in bench.viewer.canvas.overlays.text.text
    bench.click(*FAINT)
    seen = bench.plane == nucleus_at(bench, *FAINT)
    assert 200 < np.count_nonzero(seen) < 400
    bench.undo()
    bench.layer.metadata = {}
    bench.settle()
    bench.dock.picker.changed.emit()
    bench.press(button)
    bench.click(*FAINT)
    grown = bench.plane == nucleus_at(bench, *FAINT)
    assert np.count_nonzero(grown & seen) > 0.8 * np.count_nonzero(grown | seen)
    bench.press(button)
    bench.click(5, 150)
    assert "Nothing stands out" in bench.status


def test_the_rest_is_offered_to_be_accepted_once_no_doubtful_one_is_left(open_bench):
    bench = open_bench()
    panel = bench.dock.queue_panel
    while bench.session.review.tally(()).doubtful:
        bench.key("N")
        bench.key("D" if bench.dock.navigator.framed.is_missed else "A")
    right = bench.session.review.tally(()).right
    assert panel.banner.sentence.text() == f"Looks done: the other {right} look right."
    bench.press(panel.banner.button)
    assert bench.session.review.tally(()).right == 0
    assert panel.banner.button.text() == "Mark the plane as reviewed"

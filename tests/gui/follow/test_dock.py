from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Tracks
from qtpy.QtCore import QPoint, Qt

from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.gui.follow.dock import FollowDock
from napari_unet_nuclei.gui.viewer import measure_request
from napari_unet_nuclei.gui.viewer.followed_layer import is_followed
from napari_unet_nuclei.gui.viewer.frame import FRAME
from napari_unet_nuclei.gui.viewer.layers import table_features
from tests.helpers.docks import job_done, mouse_event
from tests.helpers.movies import discs, shuffled

MOTHER = {1: (8, 50, 50)}
TRUTH = discs([MOTHER] * 3 + [{2: (6, 50, 42 - t), 3: (6, 50, 58 + t)} for t in range(3)])
"""A division in frame 3."""

GAP = discs([{1: (6, 30, 30), 2: (6, 70, 70)}] * 2 + [{1: (6, 30, 30)}] + [{1: (6, 30, 30), 2: (6, 70, 70)}] * 2)
"""The second nucleus is not there in frame 2."""


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def dock(viewer, qtbot) -> FollowDock:
    dock = FollowDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(380, 800)
    dock.show()
    return dock


def press(qtbot, dock: FollowDock) -> None:
    with job_done(qtbot, dock.panel):
        qtbot.mouseClick(dock.panel.run_button, Qt.MouseButton.LeftButton)


def answer(qtbot, dock: FollowDock, verb: str) -> None:
    qtbot.mouseClick(dock.review.buttons[verb], Qt.MouseButton.LeftButton)


def click_row(qtbot, dock: FollowDock, row: int) -> None:
    item = dock.review.list.topLevelItem(row)
    place = dock.review.list.visualItemRect(item).center()
    qtbot.mouseClick(dock.review.list.viewport(), Qt.MouseButton.LeftButton, pos=place)


def listed(dock: FollowDock) -> list[list[str]]:
    items = [dock.review.list.topLevelItem(row) for row in range(dock.review.list.topLevelItemCount())]
    return [[item.text(column) for column in range(3)] for item in items]


def ids(layer, time: int) -> list[int]:
    return np.unique(layer.data[time])[1:].tolist()


def tracks_layer(viewer) -> Tracks:
    [found] = [layer for layer in viewer.layers if isinstance(layer, Tracks)]
    return found


def test_the_same_layer_gets_one_id_per_track_and_a_layer_of_tracks_beside_it(viewer, dock, qtbot):
    layer = viewer.add_labels(shuffled(TRUTH), name="cells", scale=(1, 0.5, 0.5), units=("s", "µm", "µm"))
    press(qtbot, dock)
    assert np.array_equal(layer.data, TRUTH)
    tracks = tracks_layer(viewer)
    assert tracks.name == "cells tracks"
    assert np.array_equal(tracks.scale, layer.scale)
    assert {track: list(mothers) for track, mothers in tracks.graph.items()} == {2: [1], 3: [1]}
    assert tracks.data[tracks.data[:, 0] == 2].round().tolist() == [[2, 3, 50, 42], [2, 4, 50, 41], [2, 5, 50, 40]]
    assert layer.features.set_index("index")["parent"].to_dict() == {1: 0, 2: 1, 3: 1}
    assert dock.count_label.text() == "3 tracks and 1 division; nothing is doubtful."
    assert dock.session.result.minutes.tolist() == [0, 1 / 60, 2 / 60, 3 / 60, 4 / 60, 5 / 60]


def test_labels_without_time_say_why_they_cannot_be_followed(viewer, dock):
    assert "no labels layer" in dock.panel.status_label.text()
    layer = viewer.add_labels(TRUTH[0])
    assert "no time axis" in dock.panel.status_label.text()
    assert not dock.panel.run_button.isEnabled()
    viewer.layers.remove(layer)
    viewer.add_labels(TRUTH)
    assert dock.panel.run_button.isEnabled()


def test_a_row_leads_to_its_frame_and_nucleus_and_right_takes_it_off_the_list(viewer, dock, qtbot):
    layer = viewer.add_labels(GAP)
    press(qtbot, dock)
    assert listed(dock) == [["Link: not seen for 1 frame", "2", "3"]]
    click_row(qtbot, dock, 0)
    assert viewer.dims.point[0] == 3
    assert viewer.scene.camera.center[-2:] == pytest.approx((70, 70))
    assert layer.selected_label == 2
    assert dock.review.picked.text() == "Chosen: 2 in frame 1, 2 in frame 3."
    answer(qtbot, dock, "accept")
    assert listed(dock) == []


def test_cut_link_and_undo_change_labels_tracks_and_list_at_once(viewer, dock, qtbot):
    layer = viewer.add_labels(GAP)
    press(qtbot, dock)
    click_row(qtbot, dock, 0)
    answer(qtbot, dock, "cut")
    assert [ids(layer, time) for time in (1, 3)] == [[1, 2], [1, 3]]
    assert set(tracks_layer(viewer).data[:, 0]) == {1, 2, 3}
    assert ["Link: not seen for 1 frame", "2", "3"] not in listed(dock)
    assert is_followed(layer)
    answer(qtbot, dock, "link")  # the same two are still chosen
    assert [ids(layer, time) for time in (1, 3)] == [[1, 2], [1, 2]]
    answer(qtbot, dock, "undo")
    assert ids(layer, 3) == [1, 3]
    answer(qtbot, dock, "undo")
    assert np.array_equal(layer.data, GAP)
    assert not dock.review.buttons["undo"].isEnabled()
    answer(qtbot, dock, "redo")
    assert ids(layer, 3) == [1, 3]


def test_keys_do_what_the_buttons_do_while_the_dock_is_in_front(viewer, dock, qtbot):
    layer = viewer.add_labels(GAP)
    press(qtbot, dock)
    dock.activateWindow()
    qtbot.waitUntil(dock.isActiveWindow)
    click_row(qtbot, dock, 0)
    qtbot.keyClick(dock, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    assert ids(layer, 3) == [1, 3]
    qtbot.keyClick(dock, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert ids(layer, 3) == [1, 2]
    qtbot.keyClick(dock, Qt.Key.Key_N)
    assert dock.review.place() == 0
    qtbot.keyClick(dock, Qt.Key.Key_A)
    assert listed(dock) == []


def test_a_click_on_a_nucleus_chooses_it_with_the_one_clicked_before(viewer, dock, qtbot):
    layer = viewer.add_labels(GAP)
    press(qtbot, dock)
    for frame, place in ((1, (70, 70)), (3, (70, 70)), (3, (30, 30))):
        viewer.dims.set_point(0, frame)
        dock._pick_clicked(mouse_event((frame, *place)))
    assert dock.review.picked.text() == "Chosen: 2 in frame 3, 1 in frame 3."
    assert layer in viewer.layers
    assert viewer.layers[FRAME].data[:, 0].mean(axis=0).tolist() == [3, 30, 30], "the last one is framed"
    dock._pick_clicked(mouse_event((3, 5, 5)))
    assert FRAME not in viewer.layers
    assert "Click a nucleus" in dock.review.picked.text()


def test_a_division_is_marked_and_drawn_and_a_click_in_the_picture_leads_to_the_nucleus(viewer, dock, qtbot):
    layer = viewer.add_labels(TRUTH)
    dock.form.control("divisions").value = False
    press(qtbot, dock)
    assert dock.session.result.divisions == 0
    session = dock.session
    mother, daughter = session.row_of(1, 2), session.row_of(2, 3)
    dock._picked = [mother, daughter]
    dock._show_picked()
    answer(qtbot, dock, "divide")
    assert session.result.divisions == 1
    assert tracks_layer(viewer).graph
    assert len(dock.tree.family) == 3
    branch = dock.tree.family[0]
    place = dock.tree.point(branch, 1)
    qtbot.mouseClick(dock.tree, Qt.MouseButton.LeftButton, pos=QPoint(round(place.x()), round(place.y())))
    assert viewer.dims.point[0] == 1
    assert layer.selected_label == branch.track


def test_what_is_impossible_says_why_and_changes_nothing(viewer, dock, qtbot):
    layer = viewer.add_labels(GAP)
    press(qtbot, dock)
    session = dock.session
    dock._picked = [session.row_of(1, 0), session.row_of(2, 0)]
    dock._show_picked()
    before = layer.data.copy()
    answer(qtbot, dock, "link")
    assert "same frame" in dock.panel.status_label.text()
    assert np.array_equal(layer.data, before)


def test_labels_that_a_slider_replaces_are_followed_again_and_keep_their_ids(viewer, dock, qtbot):
    frames = [{1: (6, 60, 30), 2: (6, 60, 70)}] * 4
    layer = viewer.add_labels(discs(frames))
    press(qtbot, dock)
    more = [{1: (6, 20, 50), 2: (5, 60, 30), 3: (7, 60, 70)}] * 4
    with job_done(qtbot, dock.panel):
        layer.data = shuffled(discs(more))
    assert [int(layer.data[time, y, x]) for time in (0, 3) for y, x in ((60, 30), (60, 70), (20, 50))] == [1, 2, 3] * 2


def test_painting_says_that_tracks_are_out_of_date_and_following_again_keeps_ids(viewer, dock, qtbot):
    layer = viewer.add_labels(GAP)
    press(qtbot, dock)
    layer.data[2][GAP[1] == 2] = 9
    layer.refresh()
    layer.events.paint(value=[])
    assert "press Follow again" in dock.panel.status_label.text()
    assert not is_followed(layer)
    press(qtbot, dock)
    assert [ids(layer, time) for time in range(5)] == [[1, 2]] * 5
    assert len(viewer.layers) == 2


def test_pixels_that_were_corrected_are_never_overwritten_by_corrections_of_tracks(viewer, dock, qtbot, tmp_path):
    layer = viewer.add_labels(GAP)
    press(qtbot, dock)
    click_row(qtbot, dock, 0)
    answer(qtbot, dock, "cut")
    layer.data[4, :5, :5] = 77  # as the dock Correct nuclei does, without an event of napari's
    for verb in ("link", "undo"):
        answer(qtbot, dock, verb)
        assert "press Follow again" in dock.panel.status_label.text()
    dock.save(tmp_path)
    assert "press Follow again" in dock.panel.status_label.text()
    assert not list(tmp_path.iterdir())
    assert (layer.data[4, :5, :5] == 77).all()


def test_other_orders_of_axes_are_kept(viewer, dock, qtbot):
    layer = viewer.add_labels(shuffled(TRUTH).transpose(1, 2, 0), axis_labels=("y", "x", "t"))
    press(qtbot, dock)
    assert np.array_equal(layer.data, TRUTH.transpose(1, 2, 0))
    assert tracks_layer(viewer).data[0].round().tolist() == [1, 50, 50, 0]


def test_depth_is_followed_too(viewer, dock, qtbot):
    truth = discs([{1: (4, 6, 15, 15 + t), 2: (4, 14, 15, 15 + t)} for t in range(4)], (20, 32, 32))
    layer = viewer.add_labels(shuffled(truth), scale=(1, 2, 1, 1))
    press(qtbot, dock)
    assert np.array_equal(layer.data, truth)
    assert tracks_layer(viewer).data.shape[1] == 5


def test_tracks_are_saved_with_their_corrections(viewer, dock, qtbot, tmp_path):
    viewer.add_labels(GAP, name="cells labels")
    dock.minutes.setValue(5)
    press(qtbot, dock)
    click_row(qtbot, dock, 0)
    answer(qtbot, dock, "cut")
    dock.ctc.setChecked(True)
    with job_done(qtbot, dock.panel):
        dock.save(tmp_path)
    assert len(pd.read_csv(tmp_path / "cells_tracks.csv")) == 3
    assert np.array_equal(read_image(tmp_path / "cells_tracked.tif").array, viewer.layers["cells labels"].data)
    assert (tmp_path / "cells_ctc" / "res_track.txt").read_text().count("\n") == 3
    with job_done(qtbot, dock.panel):
        dock.save(tmp_path)
    assert "exists already" in dock.panel.status_label.text()


def test_the_dock_is_narrow(viewer, dock, qtbot):
    viewer.add_labels(GAP, name="0a7d30b252359a10fd298b638b90cb9ada3acced4e0c0e5a3692013f432ee4e9")
    press(qtbot, dock)
    assert dock.minimumSizeHint().width() <= 380


def test_measuring_takes_the_columns_of_tracks_over(viewer, dock, qtbot):
    layer = viewer.add_labels(TRUTH, axis_labels=("t", "y", "x"))
    press(qtbot, dock)
    request = measure_request.ask(layer, [])
    for _ in range(2):  # also when it is measured again
        table = measure_request.measure_layers(request, request.labels.copied(), layer.features, Silent()).table
        assert table[["t", "track", "parent", "generation", "root"]].to_numpy().tolist() == [
            *([time, 1, 0, 0, 1] for time in range(3)),
            *([time, track, 1, 1, 1] for time in range(3, 6) for track in (2, 3)),
        ]
        layer.features = table_features(table)

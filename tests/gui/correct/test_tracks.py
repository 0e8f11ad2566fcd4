"""Nuclei that were followed over time in the dock *Correct nuclei*: one queue, one set of keys, one undo."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.settings import TrackSettings
from napari_unet_nuclei.core.tracking.edit import TrackEditor
from napari_unet_nuclei.gui.tracks.request import ask, follow
from napari_unet_nuclei.gui.tracks.session import FollowSession
from tests.helpers.movies import discs

GAP = discs([{1: (6, 30, 30), 2: (6, 70, 70)}] * 2 + [{1: (6, 30, 30)}] + [{1: (6, 30, 30), 2: (6, 70, 70)}] * 2)
"""The second nucleus is not there in frame 2."""


@pytest.fixture
def followed(modest_bench):
    viewer = ViewerModel()
    layer = viewer.add_labels(GAP.copy(), name="cells")
    bench = modest_bench(viewer)
    tracks = FollowSession(viewer, follow(ask(layer, TrackSettings()), Silent()))
    bench.settle()
    yield bench, tracks
    tracks.close()


def ids(bench, time: int) -> list[int]:
    return np.unique(bench.layer.data[time])[1:].tolist()


def click(bench, frame: int, y: int, x: int) -> None:
    """Click as the canvas would tell it."""
    bench.viewer.dims.set_point(0, frame)
    waiting = bench.dock.canvas_input._waiting
    waiting.index = (frame,)
    waiting.points.append(np.array([y, x], float))
    waiting.planes.append((frame,))
    if len(waiting.points) == waiting.count:
        bench.dock.canvas_input.finish()
    bench.settle()


def do(bench, verb: str) -> None:
    bench.dock.do(verb)
    bench.settle()


def test_next_leads_to_the_frame_of_a_doubtful_link_and_accepting_answers_it(followed):
    bench, tracks = followed
    do(bench, "next")
    assert bench.viewer.dims.point[0] == 3
    assert bench.framed == [2]
    assert "link: not seen for 1 frame" in bench.dock.queue_panel.reason_label.text()
    assert not bench.dock.queue_panel.scope_box.isVisible()
    do(bench, "accept")
    assert not tracks.doubts()
    assert (bench.viewer.dims.point[0], bench.framed) != (3, [2]), "its shape looks right, and is asked for later"
    do(bench, "undo")
    assert len(tracks.doubts()) == 1
    assert bench.viewer.dims.point[0] == 3


def test_a_track_is_cut_and_linked_again_and_one_undo_takes_back_links_and_pixels_in_order(followed):
    bench, tracks = followed
    do(bench, "next")
    do(bench, "cut_track")
    assert [ids(bench, time) for time in (1, 3)] == [[1, 2], [1, 3]]
    assert bench.framed == [3]
    do(bench, "link")
    click(bench, 1, 70, 70)
    assert [ids(bench, time) for time in (1, 3)] == [[1, 2], [1, 2]]
    bench.viewer.dims.set_point(0, 4)
    bench.dock.navigator.frame_nuclei((4,), [2])
    do(bench, "delete")
    assert ids(bench, 4) == [1]
    with pytest.raises(EditError, match="press Follow again"):
        tracks.edit(TrackEditor.cut, 0)
    do(bench, "undo")
    assert ids(bench, 4) == [1, 2]
    do(bench, "undo")
    assert ids(bench, 3) == [1, 3]
    do(bench, "undo")
    assert np.array_equal(bench.layer.data, GAP)
    do(bench, "redo")
    assert ids(bench, 3) == [1, 3]


def test_decisions_follow_the_ids_and_steps_of_the_dock_follow_are_in_the_same_history(followed):
    bench, tracks = followed
    bench.dock.navigator.visit((4,), 2)
    do(bench, "accept")
    assert bench.session.verdicts.accepted == {((4,), 2)}
    tracks.edit(TrackEditor.cut, tracks.row_of(2, 3))
    bench.settle()
    assert bench.session.verdicts.accepted == {((4,), 3)}
    assert bench.session.review.find((4,), 3) is not None
    assert bench.session.history.undo_title == "Cut track"
    tracks.undo()
    assert bench.session.verdicts.accepted == {((4,), 2)}
    assert bench.session.history.undo_title == "Accept"
    assert bench.session.history.redo_title == "Cut track"


def test_the_keys_of_tracks_are_napari_s_where_nuclei_were_not_followed(followed, modest_bench):
    bench, _ = followed
    told = {"L", "V", "Shift+K", "Shift+J"}
    assert told <= {key for key, _ in bench.dock.keys_told()}
    assert not bench.dock.tools_panel.track_commands.isHidden()
    viewer = ViewerModel()
    viewer.add_labels(GAP.copy(), name="cells")
    other = modest_bench(viewer).dock
    assert not told & {key for key, _ in other.keys_told()}
    assert not told & other.keys.shortcuts.keys()
    assert not any(shortcut.isEnabled() for shortcut in other.track_keys.shortcuts.values())


def test_without_tracks_the_keys_say_what_is_missing(modest_bench):
    viewer = ViewerModel()
    viewer.add_labels(GAP.copy(), name="cells")
    bench = modest_bench(viewer)
    bench.dock.navigator.visit((3,), 2)
    do(bench, "cut_track")
    assert "Follow over time" in bench.status

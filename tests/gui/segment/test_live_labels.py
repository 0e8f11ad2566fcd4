from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel

from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.segment.table import measure_result
from napari_unet_nuclei.gui.segment.job import SegmentAnswer, labels_layer
from napari_unet_nuclei.gui.segment.live_labels import LiveLabels
from napari_unet_nuclei.gui.segment.result import ResultFoot
from napari_unet_nuclei.gui.viewer.followed_layer import mark_followed
from napari_unet_nuclei.gui.viewer.layers import describe_layer, replace_labels

SMALLER_DROPPED = DecodeThresholds(0.5, 0.5, 50)
DIM_DROPPED = DecodeThresholds(0.8, 0.5, 10)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def live(qtbot, viewer, squares) -> LiveLabels:
    request, result = squares
    image = describe_layer(viewer.add_image(request.source.array, name="DAPI"), "YX")
    table = measure_result(result, request)
    layer = labels_layer(result, image, table)
    return LiveLabels(
        viewer, SegmentAnswer(image=image, request=request, result=result, layer=layer, table=table, devices=("cpu",))
    )


def apply(qtbot, live: LiveLabels, thresholds: DecodeThresholds) -> None:
    with qtbot.waitSignal(live.labels_changed):
        live.apply(thresholds)


def test_other_thresholds_change_the_same_layer(qtbot, viewer, live) -> None:
    layer = live.layer
    assert live.result.count == 3
    apply(qtbot, live, SMALLER_DROPPED)
    assert live.layer is layer
    assert live.result.count == 2
    assert np.array_equal(layer.data > 0, live.result.labels > 0)
    assert layer.metadata["nuclei"]["provenance"]["settings"]["min_size"] == 50
    assert len(viewer.layers) == 2


def test_other_edges_are_prepared_once_nothing_else_is_to_be_done(qtbot, live, monkeypatch) -> None:
    prepared = []
    monkeypatch.setattr(type(live.result.decoder), "prepare", lambda self, _checkpoint: prepared.append(self))
    qtbot.waitUntil(lambda: live.doubtful is not None and bool(prepared))
    assert prepared == [live.result.decoder]


def test_the_table_goes_with_the_old_labels_and_comes_with_the_new(qtbot, live) -> None:
    assert live.layer.features["index"].tolist() == [1, 2, 3]
    apply(qtbot, live, SMALLER_DROPPED)
    assert live.table is None
    assert live.layer.features.empty
    with qtbot.waitSignal(live.table_changed):
        pass
    assert live.layer.features["area_px"].tolist() == [64, 100]


def test_only_the_last_of_many_requests_counts(qtbot, live) -> None:
    for min_size in range(11, 60):
        live.apply(replace(SMALLER_DROPPED, min_size=min_size))
    qtbot.waitUntil(lambda: not live.is_busy)
    assert live.result.thresholds.min_size == 59
    assert live.layer.features["index"].tolist() == [2, 3]


def test_undo_after_a_slider_moved_writes_no_old_ids(qtbot, live) -> None:
    live.layer.mode = "paint"
    live.layer.data_setitem((np.array([12]), np.array([7])), 9)
    live.layer.undo()
    apply(qtbot, live, SMALLER_DROPPED)
    shown = live.layer.data.copy()
    live.layer.undo()
    live.layer.redo()
    assert np.array_equal(live.layer.data, shown)
    assert live.layer.mode == "paint"
    assert live.layer.editable


def test_painted_labels_are_left_alone(qtbot, viewer, live) -> None:
    painted = live.layer
    painted.data_setitem((np.array([1]), np.array([1])), 9)
    assert live.layer.features.empty
    with qtbot.waitSignal(live.layer_added) as added:
        live.apply(SMALLER_DROPPED)
    assert painted.data[1, 1] == 9
    assert painted.data.max() == 9
    assert live.layer is not painted
    assert added.args == [f"You changed '{painted.name}', so the sliders now write to '{live.layer.name}'."]
    apply(qtbot, live, DIM_DROPPED)
    assert len(viewer.layers) == 3


def test_painting_while_the_thresholds_are_applied_counts(qtbot, live) -> None:
    painted = live.layer
    live.apply(SMALLER_DROPPED)
    painted.data_setitem((np.array([1]), np.array([1])), 9)
    with qtbot.waitSignal(live.layer_added):
        pass
    assert painted.data[1, 1] == 9


def test_labels_that_were_changed_behind_naparis_back_are_left_alone(qtbot, live) -> None:
    painted = live.layer
    painted.data[1, 1] = 9
    with qtbot.waitSignal(live.layer_added):
        live.apply(SMALLER_DROPPED)
    assert painted.data[1, 1] == 9


def test_a_removed_layer_comes_back_as_a_new_one(qtbot, viewer, live) -> None:
    viewer.layers.remove(live.layer)
    with qtbot.waitSignal(live.layer_added):
        live.apply(SMALLER_DROPPED)
    assert live.layer in viewer.layers


def follow(live: LiveLabels) -> np.ndarray:
    """Put other ids into the layer, as following over time does."""
    tracked = np.where(live.layer.data > 0, live.layer.data + 10, 0)
    replace_labels(live.layer, tracked)
    mark_followed(live.layer)
    return tracked


def test_labels_that_were_followed_over_time_still_go_with_the_sliders(qtbot, viewer, live) -> None:
    layer = live.layer
    follow(live)
    assert not live.is_edited()
    assert "followed over time" in live.table_state or live.table is not None
    apply(qtbot, live, SMALLER_DROPPED)
    assert live.layer is layer
    assert np.array_equal(layer.data > 0, live.result.labels > 0)
    assert len(viewer.layers) == 2


def test_followed_labels_that_a_person_changed_are_kept(qtbot, viewer, live) -> None:
    tracked = follow(live)
    tracked[0, 0] = 99
    assert live.is_edited()
    apply(qtbot, live, SMALLER_DROPPED)
    assert len(viewer.layers) == 3
    assert tracked[0, 0] == 99


def test_a_table_of_the_ids_before_does_not_come_over_those_of_tracks(qtbot, live) -> None:
    apply(qtbot, live, SMALLER_DROPPED)
    follow(live)
    live.layer.features = pd.DataFrame({"index": [12]})
    qtbot.waitUntil(lambda: not live.is_busy)
    qtbot.wait(50)
    assert live.layer.features["index"].tolist() == [12]


@pytest.fixture
def large(monkeypatch, live) -> LiveLabels:
    """The labels of a plane that counts as large, of which about half is in view."""
    monkeypatch.setattr("napari_unet_nuclei.gui.segment.written_labels.LARGE", 1)
    monkeypatch.setattr("napari_unet_nuclei.gui.segment.written_labels.PIECE", 16)
    monkeypatch.setattr("napari_unet_nuclei.gui.segment.view_first.IN_VIEW", 1200)
    monkeypatch.setattr("napari_unet_nuclei.gui.segment.written_labels.TURN", 0.0)
    return live


def test_what_is_in_view_of_a_large_plane_comes_first(qtbot, viewer, large) -> None:
    layer, array, told = large.layer, large.layer.data, []
    layer.contour = 1
    layer.events.data.connect(lambda: told.append(layer.data.max()))
    large.apply(SMALLER_DROPPED)
    qtbot.waitUntil(lambda: bool(large.in_view))
    foot = ResultFoot()
    qtbot.addWidget(foot)
    foot.show_result(large)
    assert (foot.count_label.text(), foot.busy_label.text()) == ("2 in the middle of the view", "the rest follows…")
    assert large.result.count == 3
    assert large.table is None
    assert large.is_decoding
    with qtbot.waitSignal(large.labels_changed):
        pass
    assert (large.in_view, large.result.count, large.change_text) == ("", 2, "−1")
    qtbot.waitUntil(lambda: not large.is_busy)
    assert layer.data is array
    assert np.unique(array).tolist() == [0, 2, 3]
    assert np.array_equal(array > 0, large.result.labels > 0)
    assert told == [3]
    assert large.table["label"].tolist() == [2, 3]
    assert not large.is_edited()
    layer.undo()
    assert array.max() == 3
    assert len(viewer.layers) == 2


def test_napari_draws_what_changes_in_a_large_plane_once_and_refreshes_nothing(qtbot, large) -> None:
    layer, refreshed, drawn = large.layer, [], []
    layer.contour = 1
    layer.events.set_data.connect(lambda: refreshed.append("layer"))
    layer.events.colormap.connect(lambda: refreshed.append("colours"))
    layer.events.labels_update.connect(lambda event: drawn.append(event.data.size))
    before = layer.data.copy()
    large.apply(SMALLER_DROPPED)
    qtbot.waitUntil(lambda: not large.is_busy)
    changed = int((layer.data != before).sum())
    assert refreshed == []
    assert 0 < changed <= sum(drawn) < layer.data.size


def test_another_move_stops_what_follows_the_one_before(qtbot, large) -> None:
    large.apply(SMALLER_DROPPED)
    qtbot.waitUntil(lambda: bool(large.in_view))
    counts = []
    large.labels_changed.connect(lambda: counts.append(large.result.thresholds.foreground))
    large.apply(DIM_DROPPED)
    qtbot.waitUntil(lambda: not large.is_busy)
    assert counts == [0.8]
    assert np.array_equal(large.layer.data > 0, large.result.labels > 0)


def test_painting_while_pieces_are_written_counts(qtbot, viewer, large) -> None:
    painted = large.layer
    with qtbot.waitSignal(large.labels_changed):
        large.apply(SMALLER_DROPPED)
    assert large.is_decoding
    painted.data_setitem((np.array([1]), np.array([1])), 9)
    with qtbot.waitSignal(large.layer_added):
        pass
    qtbot.waitUntil(lambda: not large.is_busy)
    assert painted.data[1, 1] == 9
    assert large.layer is not painted
    assert np.array_equal(large.layer.data > 0, large.result.labels > 0)


def test_labels_that_are_hidden_while_pieces_are_written_are_all_there_when_they_are_shown(qtbot, viewer, large):
    with qtbot.waitSignal(large.labels_changed):
        large.apply(SMALLER_DROPPED)
    assert large.is_decoding
    large.layer.visible = False
    viewer.dims.ndisplay = 3  # napari then has no picture of the layer
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: not large.is_busy)
    assert np.array_equal(large.layer.data > 0, large.result.labels > 0)
    assert not large.is_edited()

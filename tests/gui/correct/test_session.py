"""Edits, strokes, undo and redo of one layer: labels, table and queue never disagree, whatever the order."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_unet_nuclei.core.corrections.review import ACCEPT
from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.edit import Edit
from napari_unet_nuclei.core.labels.edit.single import clear_border, delete
from napari_unet_nuclei.core.labels.edit.split_merge import merge, split_in_two
from napari_unet_nuclei.gui.correct.session import CorrectSession

SHAPE = (3, 40, 60)


def squares() -> np.ndarray:
    labels = np.zeros(SHAPE, np.int32)
    for plane in range(3):
        for number, (y, x) in enumerate([(5, 5), (5, 15), (20, 0), (22, 40)], start=1):
            labels[plane, y : y + 10, x : x + 10] = 4 * plane + number
    return labels


def wait(qtbot, session: CorrectSession) -> None:
    qtbot.waitUntil(lambda: not session.is_busy, timeout=20_000)
    qtbot.wait(1)  # strokes are taken over in the next turn of the event loop


def labels_layer(**arguments) -> Labels:
    return ViewerModel().add_labels(squares(), **arguments)


@pytest.fixture
def session(qtbot) -> CorrectSession:
    session = CorrectSession(labels_layer())
    for index in session.corrected.plane_indices:
        session.look(index)
    wait(qtbot, session)
    return session


def check(session: CorrectSession) -> None:
    """Table and queue tell of the nuclei that are there."""
    view = session.corrected.view
    there = {
        (plane, nucleus): int((view[plane] == nucleus).sum())
        for plane in range(len(view))
        for nucleus in np.unique(view[plane][view[plane] > 0]).tolist()
    }
    table = session.layer.features
    rows = dict(zip(zip(table["z"], table["label"], strict=True), table["area_px"], strict=True))
    assert rows == there
    assert table["index"].equals(table["label"])
    accepted = set(zip(table["z"][table["accepted"]], table["label"][table["accepted"]], strict=True))
    assert accepted == {(plane, one) for (plane,), one in session.verdicts.accepted if (plane, one) in there}
    listed = {
        (*index, one)
        for index in session.corrected.plane_indices
        for one in range(60)
        if session.review.find(index, one)
    }
    assert listed == set(there)


def planned(session: CorrectSession, random: np.random.Generator) -> tuple[int, Edit]:
    """An edit of any nucleus of any plane."""
    plane = int(random.integers(3))
    view = session.corrected.view[plane]
    nucleus = int(random.choice(np.unique(view)))
    kind = random.integers(4)
    if kind == 0:
        return plane, clear_border(view)
    if kind == 1:
        return plane, split_in_two(view, nucleus, session.next_id)
    if kind == 2:
        return plane, merge(view, nucleus, int(random.choice(np.unique(view))))
    return plane, delete(view, nucleus)


@pytest.mark.parametrize("seed", range(12))
def test_any_sequence_of_strokes_edits_undo_and_redo_agrees(qtbot, session, seed):
    random, layer = np.random.default_rng(seed), session.layer
    before, after = [], []  # labels as undo and redo must bring them
    for _ in range(30):
        choice, now = random.integers(8), layer.data.copy()
        if choice < 2:
            with layer.block_history():
                for _ in range(2):
                    point = (random.integers(3), random.integers(40), random.integers(60))
                    layer.paint(point, int(random.integers(9)))
        elif choice == 2:
            layer.fill((random.integers(3), random.integers(40), random.integers(60)), int(random.integers(9)))
        elif choice < 5:
            try:
                plane, edit = planned(session, random)
                session.edit((plane,), edit)
            except EditError:
                continue
        elif choice == 5:
            found = [one for one in session.review.pending(None) if one.id]
            if found:
                session.decide(ACCEPT, found[0].plane, found[0].box, [(found[0].plane, found[0].id)])
        elif choice == 6:
            expected = before.pop() if before else now
            if session.undo() is not None:
                after.append(now)
            np.testing.assert_array_equal(layer.data, expected)
        else:
            expected = after.pop() if after else now
            if session.redo() is not None:
                before.append(now)
            np.testing.assert_array_equal(layer.data, expected)
        if choice < 6 and ((choice == 5 and found) or not np.array_equal(layer.data, now)):
            before.append(now)
            after.clear()
        wait(qtbot, session)
        check(session)
    while before:
        assert session.undo() is not None
        np.testing.assert_array_equal(layer.data, before.pop())
    assert session.undo() is None
    check(session)
    np.testing.assert_array_equal(layer.data, squares())


def test_more_steps_are_kept_than_napari_keeps(session, qtbot):
    layer = session.layer
    for step in range(110):
        layer.paint((0, step % 40, 30), 20 + step)
    wait(qtbot, session)
    for _ in range(110):
        assert session.undo() is not None
    np.testing.assert_array_equal(layer.data, squares())


def test_napari_never_writes_what_was_before_an_edit(session, qtbot):
    layer = session.layer
    layer.paint((0, 20, 30), 50)
    wait(qtbot, session)
    session.edit((0,), delete(session.corrected.view[0], 50))
    layer.undo()
    assert 50 not in layer.data
    session.undo()
    session.undo()
    layer.undo()
    layer.redo()
    np.testing.assert_array_equal(layer.data, squares())


def test_undo_and_redo_of_napari_are_followed_also_below_decisions(session, qtbot):
    layer = session.layer
    layer.paint((0, 20, 30), 50)
    wait(qtbot, session)
    session.decide(ACCEPT, (0,), (5, 15, 5, 15), [((0,), 1)])
    layer.undo()
    wait(qtbot, session)
    assert session.undo() is None
    check(session)
    assert session.redo() is not None
    wait(qtbot, session)
    assert 50 in layer.data
    check(session)


def test_looking_around_changes_no_history(qtbot):
    viewer = ViewerModel()
    session = CorrectSession(viewer.add_labels(squares()))
    wait(qtbot, session)
    session.layer.paint((0, 20, 30), 50)
    session.decide(ACCEPT, (0,), (5, 15, 5, 15), [((0,), 1)])
    wait(qtbot, session)
    viewer.dims.set_point(0, 2)
    session.layer.contour = 1
    assert session.undo().title == "Accept"
    assert session.undo().title == "Paint"


def test_other_labels_in_the_layer_begin_anew(session, qtbot):
    session.edit((0,), delete(session.corrected.view[0], 1))
    session.layer.data = squares() * 2
    wait(qtbot, session)
    check(session)
    assert session.undo() is None
    assert session.next_id == 25
    assert not session.verdicts.accepted


def test_accepted_nuclei_are_features_and_are_read_from_them(session, qtbot):
    session.decide(ACCEPT, (1,), (5, 15, 15, 25), [((1,), 6)])
    session.edit((0,), split_in_two(session.corrected.view[0], 1, session.next_id))
    table = session.layer.features
    assert table["label"][table["accepted"]].tolist() == [1, 13, 6]
    again = CorrectSession(session.layer)
    assert again.verdicts.accepted == {((0,), 1), ((0,), 13), ((1,), 6)}


def test_own_columns_of_the_user_stay_with_their_nuclei(qtbot):
    layer = labels_layer(features={"index": [1, 2, 5], "kind": ["a", "b", "c"]})
    session = CorrectSession(layer)
    wait(qtbot, session)
    session.edit((0,), split_in_two(session.corrected.view[0], 2, session.next_id))
    kinds = layer.features.set_index("label")["kind"]
    assert kinds.loc[[1, 2, 5]].tolist() == ["a", "b", "c"]
    assert kinds.isna().sum() == 10


def test_features_that_others_clear_or_replace_come_back_right(session, qtbot):
    table = session.layer.features
    session.decide(ACCEPT, (1,), (5, 15, 15, 25), [((1,), 6)])
    session.layer.features = {}
    wait(qtbot, session)
    check(session)
    session.layer.features = table.drop(columns="accepted")
    wait(qtbot, session)
    check(session)


def test_nuclei_touched_while_the_table_is_made_are_measured_again(qtbot):
    session = CorrectSession(labels_layer())
    for index in session.corrected.plane_indices:
        session.look(index)
    session.edit((0,), delete(session.corrected.view[0], 1))
    session.layer.paint((2, 30, 30), 30)
    wait(qtbot, session)
    check(session)


def test_labels_with_other_axes_are_corrected_as_well(qtbot):
    array = np.ascontiguousarray(squares().transpose(2, 0, 1))[:, :, np.newaxis]
    layer = ViewerModel().add_labels(array, axis_labels=("x", "z", "c", "y"))
    session = CorrectSession(layer)
    for index in session.corrected.plane_indices:
        session.look(index)
    wait(qtbot, session)
    layer.n_edit_dimensions = 2
    layer.data_setitem((np.array([30]), np.array([1]), np.array([0]), np.array([20])), 77)
    wait(qtbot, session)
    assert session.corrected.view[1, 20, 30] == 77
    session.edit((1,), delete(session.corrected.view[1], 77))
    session.edit((0,), delete(session.corrected.view[0], 1))
    check(session)
    for _ in range(3):
        session.undo()
    np.testing.assert_array_equal(session.corrected.view, squares())
    check(session)


def test_a_locked_layer_is_not_edited(session):
    session.layer.editable = False
    with pytest.raises(EditError, match="locked"):
        session.edit((0,), delete(session.corrected.view[0], 1))
    np.testing.assert_array_equal(session.layer.data, squares())


def test_what_was_measured_of_cells_is_void_for_nuclei_that_change(qtbot):
    session = CorrectSession(labels_layer())
    wait(qtbot, session)
    layer = session.layer
    layer.features = layer.features.assign(GFP_mean_ring=1.0, mine=2.0)
    session = CorrectSession(layer)
    wait(qtbot, session)
    session.edit((0,), split_in_two(session.corrected.view[0], 2, session.next_id))
    changed = layer.features[layer.features["label"] == 2]
    assert changed["GFP_mean_ring"].isna().all()
    assert changed["mine"].tolist() == [2.0]
    assert layer.features["GFP_mean_ring"].notna().sum() == len(layer.features) - 2


def test_doubtful_nuclei_are_listed_before_the_table_is_measured(qtbot):
    session = CorrectSession(labels_layer())
    measured: list[bool] = []
    session.changed.connect(lambda: measured.append(not session.layer.features.empty))
    index = session.corrected.plane_indices[0]
    session.look(index)
    wait(qtbot, session)
    assert session.review.is_listed(index)
    assert measured == [False, True]


def test_hidden_labels_are_shown_when_they_are_corrected(qtbot):
    viewer = ViewerModel()
    layer = viewer.add_labels(squares())
    layer.visible = False
    viewer.dims.set_point(0, 0)  # napari then has no picture of the layer
    session = CorrectSession(layer)
    session.edit((0,), delete(layer.data[0], 1))
    assert layer.visible
    assert not (layer.data[0] == 1).any()

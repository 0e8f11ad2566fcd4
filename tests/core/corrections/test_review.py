"""The review queue and decisions, without a window."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.corrections import review
from napari_unet_nuclei.core.corrections.history import Entry, History, Stroke
from napari_unet_nuclei.core.corrections.review import (
    Review,
    Verdicts,
    boxes_after_edit,
    candidates_after_edit,
)
from napari_unet_nuclei.core.labels.doubt import JUST_CHANGED, Candidate, doubt
from tests.helpers.drawn import discs

BOX = (slice(0, 1), slice(0, 9), slice(0, 9))


def found(nucleus: int, how_doubtful: float, plane: int = 0) -> Candidate:
    return Candidate(nucleus, "found", how_doubtful, "odd", (5.0, 5.0), (0, 9, 0, 9), (plane,))


def missed(y: float, x: float) -> Candidate:
    box = (int(y) - 2, int(y) + 3, int(x) - 2, int(x) + 3)
    return Candidate(0, "missed", 0.5, "may be one", (y, x), box, (0,))


def test_the_most_doubtful_comes_first_and_what_was_skipped_last():
    queue = Review(Verdicts(), lambda _: True)
    queue.list_plane((0,), [found(1, 0.2), found(2, 0.9), missed(20, 20)])
    queue.list_plane((1,), [found(7, 1.0, plane=1)])
    assert [one.id for one in queue.pending((0,))] == [2, 0, 1]
    queue.skip(queue.pending((0,))[0])
    assert [one.id for one in queue.pending((0,))] == [0, 1, 2]
    assert [one.id for one in queue.pending(None)] == [7, 0, 1, 2]
    queue.verdicts.accepted.add(((0,), 1))
    assert queue.count((0,)) == (1, 2)


def test_a_dismissed_place_stays_dismissed_when_it_is_found_a_pixel_further():
    queue = Review(Verdicts(dismissed={((0,), (18, 23, 18, 23))}), lambda _: True)
    queue.list_plane((0,), [missed(21, 19), missed(30, 30)])
    assert [one.centre for one in queue.pending((0,))] == [(30, 30)]


def test_a_place_that_carries_a_label_by_now_is_no_candidate():
    labels = np.zeros((40, 40), np.int32)
    queue = Review(Verdicts(), lambda one: labels[tuple(map(int, one.centre))] == 0)
    queue.list_plane((0,), [missed(20, 20)])
    assert queue.count((0,)) == (0, 1)
    labels[20, 20] = 3
    assert queue.count((0,)) == (0, 0)


@given(st.lists(st.tuples(st.sets(st.integers(1, 5)), st.sets(st.integers(1, 5))), max_size=8))
def test_decisions_are_undone_exactly(decisions):
    verdicts, history, labels = Verdicts({((0,), 1)}), History(), np.zeros((1, 9, 9), np.int32)
    states = [(set(verdicts.accepted), set(verdicts.dismissed))]
    for accepted, dismissed in decisions:
        verdict = verdicts.verdict(
            BOX, [((0,), one) for one in accepted], [((0,), (one, one + 1, 0, 1)) for one in dismissed]
        )
        if not verdict.is_empty:
            history.make(labels, Entry([verdict], "Accept"))
            states.append((set(verdicts.accepted), set(verdicts.dismissed)))
    for state in reversed(states[:-1]):
        history.undo(labels)
        assert (verdicts.accepted, verdicts.dismissed) == state
    assert history.undo(labels) is None


def test_a_stroke_that_the_viewer_undoes_below_decisions_is_followed_whatever_they_are_called():
    labels, history, verdicts = np.zeros((1, 9, 9), np.int32), History(), Verdicts()
    labels[0, 2, 2:5] = 4
    atom = ((np.zeros(3, int), np.full(3, 2), np.arange(2, 5)), np.zeros(3, np.int32), 4)
    history.push(Entry([Stroke.of_paint([atom], labels.shape)], "Paint"))
    history.make(labels, Entry([verdicts.verdict(BOX, [((0,), 4)])], "any title"))
    assert history.follow(labels) == 0
    assert verdicts.accepted == {((0,), 4)}
    labels[:] = 0
    assert history.follow(labels) == -1
    assert not verdicts.accepted
    assert history.last is None


def test_strokes_are_counted_along_the_axes_of_the_labels():
    layer = np.zeros((6, 1, 5), np.int32)  # X, C, Y
    layer[4, 0, 1] = 8
    stroke = Stroke.of_paint([((np.array([4]), np.array([0]), np.array([1])), np.array([0]), 8)], layer.shape, (2, 0))
    assert stroke.shape == (5, 6)
    assert stroke.box == (slice(1, 2), slice(4, 5))


def test_only_edited_nuclei_are_examined_and_as_if_all_had_been():
    plane = discs((200, 200), *[(20 + 40 * row, 20 + 40 * column, 8) for row in range(4) for column in range(4)])
    plane[16:60, 18:22] = 1  # an odd nucleus that reaches into the next one
    known = {one.id: one.box for one in doubt(plane)}
    boxes = boxes_after_edit(plane, [1, 5, 99], (16, 60, 18, 22), known)
    assert set(boxes) == {1, 5}
    assert boxes == boxes_after_edit(plane, [1, 5, 99], (16, 60, 18, 22), None)
    again = candidates_after_edit(plane, None, None, (), boxes)
    everything = {one.id: one for one in doubt(plane)}
    assert {one.id: one.box for one in again} == {nucleus: everything[nucleus].box for nucleus in (1, 5)}
    assert candidates_after_edit(plane, None, None, (), {}) == []


def test_in_a_large_window_edited_nuclei_are_not_compared(monkeypatch):
    monkeypatch.setattr(review, "LARGEST_WINDOW", 100)
    [one] = candidates_after_edit(discs((50, 50), (20, 20, 8)), None, None, (3,), {1: (12, 29, 12, 29)})
    assert (one.reason, one.doubt, one.plane, one.centre) == (JUST_CHANGED, 0.0, (3,), (20.0, 20.0))

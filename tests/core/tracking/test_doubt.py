from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.tracking.track import TrackResult, track
from tests.helpers.movies import discs


def reasons(found: TrackResult) -> list[tuple[str, int, int, str]]:
    """Kind, track, frame and reason of every doubt."""
    lineages = found.lineages
    return [
        (doubt.kind, int(lineages.track[doubt.row]), int(lineages.spots.frame[doubt.row]), doubt.reason)
        for doubt in found.doubts
    ]


def test_slow_nuclei_that_stay_are_beyond_doubt():
    assert track(discs([{1: (6, 30, 30 + t), 2: (6, 60, 60)} for t in range(5)])).doubts == ()


def test_a_link_over_a_gap_is_doubtful():
    frames = [{1: (6, 20, 20), 2: (6, 50, 50)} for _ in range(6)]
    frames[2] = {1: (6, 20, 20)}
    assert reasons(track(discs(frames))) == [("link", 2, 3, "not seen for 1 frame")]


def test_a_frame_without_any_nuclei_is_said_once_and_makes_no_link_doubtful():
    frames = [{1: (6, 20, 20), 2: (6, 50, 50)} for _ in range(6)]
    frames[2] = {}
    found = track(discs(frames))
    assert found.count == 2
    assert found.doubts == ()
    assert any("No nuclei in frame 2" in notice for notice in found.notices)


def test_a_long_step_and_a_sudden_change_of_size_are_doubtful():
    jump = [{1: (6, 50, 30 + (11 if t > 2 else 0))} for t in range(6)]
    assert reasons(track(discs(jump), largest_step=1)) == [("link", 1, 3, "a step of 0.9 diameters")]
    growth = [{1: (9 if t > 2 else 6, 50, 50)} for t in range(6)]
    assert reasons(track(discs(growth))) == [("link", 1, 3, "more than twice as large as before")]


def test_a_link_is_doubtful_where_another_nucleus_is_as_near():
    before = {1: (5, 50, 40), 2: (5, 50, 62)}
    after = {1: (5, 50, 50.5), 2: (5, 50, 73)}
    found = reasons(track(discs([before, before, after, after]), divisions=False))
    assert ("link", 2, 2, "another nucleus is as near") in found


def test_a_young_mother_did_most_likely_not_divide():
    two = {1: (6, 50, 42), 2: (6, 50, 56)}
    seen_as_one = {1: (8, 50, 49)}
    found = track(discs([{}, {}, {}, seen_as_one, two, two]))
    assert reasons(found)[0][::3] == ("division", "the mother was there for only 1 frame")


def test_nuclei_that_appear_or_vanish_within_the_picture_are_named_last_and_those_at_the_rim_never():
    inside, rim = (6, 50, 50), (6, 50, 3)
    found = reasons(track(discs([{}, {1: inside, 2: rim}, {1: inside, 2: rim}, {}, {}, {}, {}])))
    assert [(kind, reason) for kind, _, _, reason in found] == [("begin", "appears from nowhere"), ("end", "vanishes")]


def test_nothing_is_doubtful_where_there_is_nothing():
    assert track(np.zeros((4, 20, 20), int)).doubts == ()

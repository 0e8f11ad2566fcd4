from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.tracking.keep_ids import keep_ids_of_labels
from napari_unet_nuclei.core.tracking.track import track
from tests.helpers.movies import discs


def test_tracks_found_anew_keep_their_ids_where_another_nucleus_now_comes_first():
    former = track(discs([{1: (6, 50, 30), 2: (6, 80, 60)}] * 4)).labels
    anew = track(discs([{1: (5, 20, 20), 2: (5, 50, 31), 3: (7, 80, 60)}] * 4))
    kept = keep_ids_of_labels(anew.lineages, former, anew.labels)
    assert {int(kept.track[row]) for row in kept.spots.rows(0)} == {1, 2, 3}
    by_place = dict(zip(kept.spots.centre[:, 0].round().astype(int), kept.track, strict=False))
    assert (by_place[50], by_place[80], by_place[20]) == (1, 2, 3)


def test_of_a_track_that_fell_apart_the_larger_part_keeps_the_id():
    whole = discs([{1: (6, 50, 30)}] * 6)
    former = track(whole).labels
    broken = whole.copy()
    broken[1] = 0
    anew = track(broken, bridge=0)
    kept = keep_ids_of_labels(anew.lineages, former, anew.labels)
    assert kept.track.tolist() == [2, 1, 1, 1, 1]


def test_ids_that_are_gone_are_not_given_to_others():
    former = track(discs([{1: (6, 20, 20), 2: (6, 80, 80)}] * 3)).labels
    anew = track(discs([{1: (6, 50, 50)}] * 3))
    kept = keep_ids_of_labels(anew.lineages, former, anew.labels)
    assert set(kept.track.tolist()) == {3}


def test_parents_and_roots_follow_the_ids():
    frames = [{1: (8, 50, 50)}] * 3 + [{2: (6, 50, 42), 3: (6, 50, 58)}] * 3
    former = np.where(discs(frames) > 0, discs(frames) + 10, 0)
    anew = track(discs(frames))
    kept = keep_ids_of_labels(anew.lineages, former, anew.labels)
    assert kept.ids.tolist() == [11, 12, 13]
    assert kept.parent.tolist() == [0, 11, 11]
    assert kept.root.tolist() == [11, 11, 11]

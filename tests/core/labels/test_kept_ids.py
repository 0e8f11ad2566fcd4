"""Other thresholds leave the ids of unchanged nuclei, and the change is told."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.labels.kept_ids import keep_ids
from napari_unet_nuclei.core.labels.numbering import whole_labels


def discs(*chosen: int) -> np.ndarray:
    """Labels 1..n of some of six separate squares."""
    labels = np.zeros((20, 80), np.int32)
    for number, place in enumerate(chosen, start=1):
        labels[3 : 9 + place, 3 + 12 * place : 12 + 12 * place] = number
    return labels


def plain(labels: np.ndarray) -> np.ndarray:
    return np.arange(labels.max() + 1, dtype=np.int32)


def test_nuclei_that_stay_keep_their_ids_and_those_that_come_back_get_theirs() -> None:
    first = discs(0, 1, 2, 3)
    fewer = discs(0, 2)
    kept = keep_ids(fewer, first, plain(first), first, 5)
    assert (kept.added, kept.gone) == (0, 2)
    assert kept.ids.tolist() == [0, 1, 3]
    again = keep_ids(first, fewer, kept.ids, first, 5)
    assert (again.added, again.gone) == (2, 0)
    np.testing.assert_array_equal(again.ids[first], first)


def test_a_nucleus_that_is_new_gets_an_id_that_none_had() -> None:
    first = discs(0, 1)
    more = discs(0, 4, 1)
    kept = keep_ids(more, first, plain(first), first, 9)
    assert kept.ids.tolist() == [0, 1, 9, 2]


def test_a_nucleus_that_is_cut_in_two_is_the_larger_part() -> None:
    whole = discs(3)
    halves = whole.copy()
    halves[:, 39 + 6 :][whole[:, 39 + 6 :] > 0] = 2
    kept = keep_ids(halves, whole, plain(whole), whole, 2)
    assert kept.ids.tolist() == [0, 1, 2]
    assert (kept.added, kept.gone) == (1, 0)


def test_a_wider_edge_changes_no_id_although_neighbours_overlap_their_former_places() -> None:
    first = np.zeros((12, 30), np.int32)
    first[2:10, 2:10], first[2:10, 12:20] = 1, 2
    wider = np.zeros_like(first)
    wider[1:11, 1:12], wider[1:11, 12:21] = 1, 2
    assert keep_ids(wider, first, plain(first), first, 3).ids.tolist() == [0, 1, 2]


@given(st.integers(0, 2**32 - 1))
def test_ids_are_never_given_twice(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(3):
        order = rng.permutation(rng.choice(6, rng.integers(1, 6), replace=False))
        images.append(discs(*order.tolist()))
    first, before, now = images
    kept = keep_ids(now, before, np.append(0, rng.permutation(50)[: before.max()] + 1).astype(np.int32), first, 100)
    assert len(np.unique(kept.ids)) == len(kept.ids)
    assert kept.ids[0] == 0


@given(st.integers(0, 2**32 - 1))
def test_a_nucleus_is_the_same_exactly_where_more_than_half_is_shared(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, now = (whole_labels(rng.integers(0, 5, (3, 8)).repeat(3, axis=1)) for _ in range(2))
    shown = np.append(0, 10 + rng.permutation(before.max())).astype(np.int32)
    kept = keep_ids(now, before, shown, before, 100)
    expected = {
        (new, old)
        for new in range(1, now.max() + 1)
        for old in range(1, before.max() + 1)
        if 2 * np.sum((now == new) & (before == old)) > np.sum((now == new) | (before == old))
    }
    known = np.flatnonzero(kept.ids[1:] < 100) + 1
    assert {(new, int(np.flatnonzero(shown == kept.ids[new])[0])) for new in known.tolist()} == expected
    assert (kept.added, kept.gone) == (now.max() - len(expected), before.max() - len(expected))

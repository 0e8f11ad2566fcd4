from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.split_merge import (
    merge,
    merge_with_neighbour,
    split_by_line,
    split_by_seeds,
    split_in_two,
)
from napari_unet_nuclei.core.labels.metrics.overlaps import find_overlaps
from tests.helpers.drawn import applied, discs, maps_of, pieces

PAIR = discs((50, 70), (24, 22, 14), (26, 46, 12))


def joined(labels: np.ndarray) -> np.ndarray:
    return (labels > 0).astype(np.int32)


def agreement(after: np.ndarray, truth: np.ndarray) -> float:
    """IoU of the worse matched of the true nuclei."""
    return float(np.sort(find_overlaps(truth, after).ious)[-int(truth.max()) :].min())


@pytest.mark.parametrize("maps", [None, maps_of(PAIR)])
def test_two_touching_nuclei_are_told_apart(maps):
    after = applied(joined(PAIR), split_in_two(joined(PAIR), 1, 9, maps=maps))
    assert set(np.unique(after)) == {0, 1, 9}
    assert agreement(after, PAIR) > 0.95
    assert np.count_nonzero(after == 1) > np.count_nonzero(after == 9)


def test_the_network_knows_a_border_that_no_outline_shows():
    truth = np.where(discs((40, 40), (20, 20, 15)) > 0, 1, 0)
    truth[:, 27:] *= 2
    after = applied(joined(truth), split_in_two(joined(truth), 1, 2, maps=maps_of(truth)))
    assert agreement(after, truth) > 0.85


def test_a_nucleus_without_a_neck_is_cut_across_its_long_axis():
    y, x = np.mgrid[:40, :70]
    ellipse = (((y - 20) / 10) ** 2 + ((x - 35) / 25) ** 2 <= 1).astype(np.int32)
    after = applied(ellipse, split_in_two(ellipse, 1, 2))
    areas = np.bincount(after.ravel())[1:]
    assert areas.min() > 0.4 * areas.sum()
    assert abs(np.nonzero(after == 1)[1].mean() - np.nonzero(after == 2)[1].mean()) > 15


@pytest.mark.parametrize("shape", [(1, 3), (2, 2), (1, 9)])
def test_what_is_too_small_to_split_says_so(shape):
    labels = np.zeros((10, 12), np.int32)
    labels[: shape[0], : shape[1]] = 1
    with pytest.raises(EditError, match="too small"):
        split_in_two(labels, 1, 2)


def test_a_line_cuts_all_nuclei_that_it_goes_right_through():
    labels = discs((60, 90), (30, 20, 10), (30, 45, 10), (30, 70, 10))
    line = [(30, 5), (30, 50)]  # ends within the second, so that only the first is cut
    after = applied(labels, split_by_line(labels, line, 10))
    assert set(np.unique(after)) == {0, 1, 2, 3, 10}
    after = applied(labels, split_by_line(labels, [(30, -50), (30, 500)], 10))
    assert set(np.unique(after)) == {0, 1, 2, 3, 10, 11, 12}
    assert all(pieces(after, nucleus) == 1 for nucleus in (1, 2, 3, 10, 11, 12))
    assert np.array_equal(after > 0, labels > 0)


def test_a_line_for_one_nucleus_leaves_the_others():
    labels = discs((60, 90), (30, 20, 10), (30, 45, 10))
    after = applied(labels, split_by_line(labels, [(30, 0), (30, 89)], 10, nucleus=2))
    assert set(np.unique(after)) == {0, 1, 2, 10}
    assert np.array_equal(after == 1, labels == 1)


def test_a_bent_line_makes_several_pieces():
    labels = discs((60, 60), (30, 30, 20))
    after = applied(labels, split_by_line(labels, [(0, 20), (59, 22), (59, 40), (0, 38)], 2))
    assert set(np.unique(after)) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    "line",
    [[(5, 5), (5, 50)], [(30, 0), (30, 30)], [(11, 15), (11, 45)], [(500, 500), (900, 900)], [(30, 5)], [[1, 2, 3]]],
)
def test_a_line_that_cuts_nothing_says_what_to_do(line):
    with pytest.raises(EditError, match=r"across one|two points"):
        split_by_line(discs((60, 60), (30, 30, 20)), line, 2)


def test_seeds_cut_at_necks_or_midway():
    after = applied(joined(PAIR), split_by_seeds(joined(PAIR), 1, [(20, 18), (30, 48)], 5))
    assert agreement(after, PAIR) > 0.95
    disc = discs((40, 40), (20, 20, 15))
    after = applied(disc, split_by_seeds(disc, 1, [(20, 10), (20, 20), (20, 30)], 5))
    assert set(np.unique(after[20])) == {0, 1, 5, 6}
    assert abs(np.flatnonzero(after[20] == after[20, 20]).mean() - 20) < 1


@pytest.mark.parametrize("brightness", [1.0, -1.0])
def test_seeds_follow_the_valley_of_an_image(brightness):
    disc = discs((40, 40), (20, 20, 15))
    image = brightness * (disc * (1.0 - 0.5 * (np.arange(40) == 25)))
    after = applied(disc, split_by_seeds(disc, 1, [(20, 10), (20, 32)], 2, image=image))
    assert abs(np.flatnonzero(after[20] == 2).min() - 25) <= 1 or abs(np.flatnonzero(after[20] == 2).max() - 25) <= 1


@pytest.mark.parametrize("points", [[(20, 20)], [(20, 20), (20, 20)], [(20, 20), (1, 1)], [(20, 20), (99, 1)], []])
def test_seeds_that_cannot_split_are_refused(points):
    with pytest.raises(EditError, match=r"at least twice|outside"):
        split_by_seeds(discs((40, 40), (20, 20, 15)), 1, points, 2)


@given(st.integers(0, 2**31), st.data())
def test_pieces_hang_together_and_share_out_every_pixel(seed, data):
    rng = np.random.default_rng(seed)
    blobs, _ = ndimage.label(ndimage.gaussian_filter(rng.standard_normal((40, 40)), 2.5) > 0.02)
    areas = np.bincount(blobs.ravel())
    areas[0] = 0
    nucleus = int(areas.argmax())
    labels, next_id = blobs.astype(np.int32), int(blobs.max()) + 1
    way = data.draw(st.sampled_from(["two", "line", "seeds"]))
    try:
        if way == "two":
            edit = split_in_two(labels, nucleus, next_id)
        elif way == "line":
            edit = split_by_line(labels, rng.uniform(-5, 45, (3, 2)), next_id)
        else:
            edit = split_by_seeds(labels, nucleus, rng.permutation(np.argwhere(labels == nucleus))[:3], next_id)
    except EditError:
        return
    after = applied(labels, edit)
    assert np.array_equal(after > 0, labels > 0)
    assert all(pieces(after, one) == 1 for one in np.unique(after[after > 0]))
    for new in edit.touched:
        assert len(np.unique(labels[after == new])) == 1


def test_a_nucleus_cut_by_a_thin_line_becomes_whole_again():
    whole = discs((40, 40), (20, 20, 14))
    labels = whole.copy()
    labels[:, 20:] *= 2
    labels[:, 19:21] = 0
    after = applied(labels, merge(labels, 1, 2))
    assert np.count_nonzero(after != whole) <= 4
    after = applied(labels, merge(labels, 2, 1))
    assert set(np.unique(after)) == {0, 2}


@pytest.mark.parametrize("gap", [0, 1, 4, 10])
def test_gaps_of_a_few_pixels_are_closed(gap):
    labels = discs((40, 70), (20, 15, 10), (20, 36 + gap, 10))
    after = applied(labels, merge(labels, 1, 2))
    assert set(np.unique(after)) == {0, 1}
    assert pieces(after, 1) == 1
    assert (after[labels > 0] == 1).all()


def test_even_single_pixels_that_slant_are_joined():
    labels = np.zeros((20, 20), np.int32)
    labels[5, 5], labels[9, 8] = 1, 2
    assert pieces(applied(labels, merge(labels, 1, 2)), 1) == 1


def test_nuclei_far_apart_or_behind_another_are_not_merged():
    labels = discs((40, 90), (20, 15, 10), (20, 70, 10))
    with pytest.raises(EditError, match="between them"):
        merge(labels, 1, 2)
    labels = discs((41, 60), (20, 10, 8), (20, 30, 8))
    labels[:, 20] = 3
    with pytest.raises(EditError, match="between them"):
        merge(labels, 1, 2)


def test_a_nucleus_is_not_merged_with_itself_or_with_none():
    labels = discs((30, 30), (15, 15, 8))
    with pytest.raises(EditError, match="two different"):
        merge(labels, 1, 1)
    with pytest.raises(EditError, match="no nucleus 4"):
        merge(labels, 1, 4)


def test_the_neighbour_with_most_shared_border_is_taken():
    labels = discs((60, 60), (30, 30, 12), (12, 30, 7), (30, 50, 3))
    labels[(labels == 0) & (discs((60, 60), (46, 30, 9)) > 0)] = 4
    after = applied(labels, merge_with_neighbour(labels, 1))
    assert set(np.unique(after)) == {0, 1, 2, 3}
    assert pieces(after, 1) == 1


def test_one_pixel_of_background_between_neighbours_counts_as_touching():
    labels = discs((40, 60), (20, 15, 10), (20, 37, 10))
    assert set(np.unique(applied(labels, merge_with_neighbour(labels, 2)))) == {0, 2}
    with pytest.raises(EditError, match="touches no other"):
        merge_with_neighbour(discs((40, 60), (20, 15, 10), (20, 40, 10)), 2)

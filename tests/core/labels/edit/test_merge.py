from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.merge import merge, merge_with_neighbour
from tests.helpers.drawn import applied, discs, pieces


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

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.single import clear_border, delete, fill_holes, smooth
from tests.helpers.drawn import applied, discs, pieces


def test_delete_removes_one_nucleus_and_no_other():
    labels = discs((30, 40), (15, 12, 8), (15, 26, 8))
    after = applied(labels, delete(labels, 1))
    assert np.array_equal(after, np.where(labels == 2, 2, 0))


def test_holes_are_filled_but_not_gaps_among_several_nuclei():
    labels = discs((40, 40), (20, 20, 15))
    labels[14:20, 14:20] = 0
    labels[24:30, 20:26] = 0
    labels[26, 22] = 9  # another nucleus in the second hole: what lies round it belongs to neither
    after = applied(labels, fill_holes(labels, 1))
    assert (after[14:20, 14:20] == 1).all()
    assert np.array_equal(after[24:30, 20:26], labels[24:30, 20:26])
    with pytest.raises(EditError, match="no holes"):
        fill_holes(after, 1)


def test_smoothing_takes_spikes_and_keeps_area_and_neighbours():
    labels = discs((60, 60), (30, 25, 14), (30, 46, 7))
    labels[30, 5:12] = 1
    labels[16:22, 25] = 0
    after = applied(labels, smooth(labels, 1, 2.0))
    assert not (after[30, 5:9] == 1).any()
    assert (after[18:22, 25] == 1).all()
    assert abs(np.count_nonzero(after == 1) / np.count_nonzero(labels == 1) - 1) < 0.03
    assert np.array_equal(after == 2, labels == 2)
    assert pieces(after, 1) == 1


def test_smoothing_does_not_round_off_what_the_image_cuts():
    labels = discs((40, 40), (0, 20, 12))
    with_spike = labels.copy()
    with_spike[12:18, 20] = 1
    after = applied(with_spike, smooth(with_spike, 1, 2.0))
    assert (after[0] == labels[0]).mean() > 0.94


@pytest.mark.parametrize("radius", [0, -1, float("nan"), 1e9])
def test_a_radius_that_makes_no_sense_is_refused(radius):
    with pytest.raises(EditError, match="radius"):
        smooth(discs((20, 20), (10, 10, 5)), 1, radius)


def test_clearing_the_edge_takes_whole_nuclei_that_touch_it():
    labels = discs((60, 60), (0, 20, 8), (30, 59, 6), (30, 30, 10), (55, 10, 3))
    after = applied(labels, clear_border(labels))
    assert set(np.unique(after)) == {0, 3, 4}


def test_clearing_the_edge_of_a_region_leaves_the_rest():
    labels = discs((60, 90), (30, 20, 6), (30, 40, 6), (30, 60, 6), (5, 85, 3))
    after = applied(labels, clear_border(labels, (20, 40, 20, 52)))
    assert set(np.unique(after)) == {0, 2, 3, 4}
    with pytest.raises(EditError, match="No nucleus touches"):
        clear_border(after, (20, 40, 20, 52))
    with pytest.raises(EditError, match="outside the image"):
        clear_border(labels, (70, 80, 0, 9))

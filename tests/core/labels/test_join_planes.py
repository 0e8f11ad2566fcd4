"""Sections of neighbouring planes that belong to one nucleus."""

from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.labels.join_planes import flatness, join_planes


def columns(*planes: tuple[int, ...]) -> np.ndarray:
    """Planes of one row, each of four pixels by letter of the section."""
    return np.array(planes, np.int32)[:, None, :]


def test_a_nucleus_goes_on_beyond_a_plane_that_lacks_it():
    labels = columns((1, 1, 0, 0), (0, 0, 0, 0), (2, 2, 0, 0))
    assert join_planes(labels).tolist() == [0, 1, 1]
    assert join_planes(labels, gap=0).tolist() == [0, 1, 2]


def test_the_best_overlap_wins_both_ways():
    # The second plane's section lies over both, and more over the first.
    labels = columns((1, 1, 1, 2, 0, 0), (3, 3, 3, 3, 0, 0))
    assert join_planes(labels).tolist() == [0, 1, 2, 1]


def test_small_overlaps_join_nothing():
    labels = columns((1, 1, 1, 0, 0), (0, 0, 2, 2, 2))
    assert join_planes(labels).tolist() == [0, 1, 2]


def test_an_empty_stack_has_no_nuclei():
    assert join_planes(np.zeros((3, 4, 4), np.int32)).tolist() == [0]
    assert flatness(np.zeros((3, 4, 4), np.int32)).size == 0


def test_flatness_is_the_spacing_of_planes_and_leaves_cut_nuclei_out():
    z, y, x = np.ogrid[:11, :31, :61]
    labels = ((3 * (z - 5)) ** 2 + (y - 15) ** 2 + (x - 15) ** 2 < 100).astype(np.int32)
    labels[(3 * z) ** 2 + (y - 15) ** 2 + (x - 45) ** 2 < 100] = 2
    assert flatness(labels).round(1).tolist() == [2.9]

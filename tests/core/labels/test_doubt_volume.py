"""Which nuclei of a volume to look at first."""

from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.labels.doubt_volume import WAIST_REASON, doubt_of_volumes, sections_of


def stack() -> np.ndarray:
    """Nine balls, the last of which is two on top of each other; the first is cut by the edge."""
    labels = np.zeros((20, 120, 120), np.int32)
    zz, yy, xx = np.mgrid[:20, :120, :120]
    for nucleus in range(1, 10):
        y, x = 20 + 40 * ((nucleus - 1) // 3), 20 + 40 * ((nucleus - 1) % 3)
        for z in (5, 13) if nucleus == 9 else (5,):
            labels[((zz - z) * 2.5) ** 2 + (yy - y) ** 2 + (xx - x) ** 2 < 12**2] = nucleus
    labels[labels == 1] = 0
    labels[(2.5 * (zz - 5)) ** 2 + (yy + 8) ** 2 + (xx - 20) ** 2 < 12**2] = 1
    return labels


def test_each_nucleus_is_listed_once_in_its_middle_plane_with_its_box_over_all_planes():
    labels = stack()
    found = {one.id: one for one in doubt_of_volumes(labels)}
    assert sorted(found) == list(range(1, 10))
    assert found[5].plane == (5,)
    assert found[5].box == (49, 72, 49, 72)
    assert found[5].centre == (60, 60)
    assert not found[5].doubt


def test_two_on_top_of_each_other_are_the_most_doubtful_and_a_cut_one_is_not_small():
    found = doubt_of_volumes(stack())
    assert (found[0].id, found[0].reason) == (9, WAIST_REASON)
    assert found[0].is_doubtful
    assert not next(one for one in found if one.id == 1).is_doubtful


def test_a_stack_without_nuclei_has_nothing_to_review():
    assert doubt_of_volumes(np.zeros((3, 10, 10), np.int32)) == ()
    assert sections_of(np.zeros((0, 10, 10), np.int32)) == {}

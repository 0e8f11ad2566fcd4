"""Splitting nuclei that extend through planes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.volume import split_volume, split_volume_by_points
from tests.helpers.stack_edits import applied

SPACING = 2.5


def ball(*middles: tuple[float, float, float]) -> np.ndarray:
    """One nucleus of balls of radius 12 px, and a bystander."""
    zz, yy, xx = np.mgrid[:20, :70, :60]
    labels = np.zeros((20, 70, 60), np.int32)
    for z, y, x in middles:
        labels[((zz - z) * SPACING) ** 2 + (yy - y) ** 2 + (xx - x) ** 2 < 12**2] = 3
    labels[2, 60:65, 50:55] = 8
    return labels


@pytest.mark.parametrize("other", [(13, 30, 25), (6, 50, 25), (11, 44, 34)])
def test_two_balls_are_split_where_they_meet(other):
    middle = (5, 30, 25)
    labels = ball(middle, other)
    for edit in (
        split_volume(labels, 3, 9, SPACING),
        split_volume_by_points(labels, 3, [(4, 30, 25), other], 9, SPACING),
    ):
        after = applied(labels, edit)
        assert np.array_equal(after > 0, labels > 0)
        assert {after[middle], after[other]} == {3, 9}
        sizes = np.bincount(after.ravel())
        assert sizes[9] <= sizes[3] < 1.25 * sizes[9]
        assert sizes[8] == 25


def test_points_split_a_ball_without_a_waist_midway():
    labels = ball((6, 30, 25))
    after = applied(labels, split_volume_by_points(labels, 3, [(3, 30, 25), (8, 30, 25)], 9, SPACING))
    assert set(np.unique(after[:5])) <= {0, 3, 8, 9}
    assert after[3, 30, 25] != after[8, 30, 25]
    with pytest.raises(EditError, match="no waist"):
        split_volume(labels, 3, 9, SPACING)


def test_what_cannot_be_split_says_why():
    labels = ball((6, 30, 25))
    for points, message in (
        ([(6, 30, 25)], "at least twice"),
        ([(6, 30, 25), (6, 60, 25)], "outside nucleus 3"),
        ([(6, 30, 25), (19, 30, 25)], "outside nucleus 3"),
    ):
        with pytest.raises(EditError, match=message):
            split_volume_by_points(labels, 3, points, 9)

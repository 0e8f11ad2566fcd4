"""Filling planes between painted sections."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.volume import fill_between
from tests.helpers.stack_edits import applied


def cone(*planes: int) -> np.ndarray:
    """Discs of radius 4 plus the plane's number, in some planes of nine; a bystander in all."""
    labels = np.zeros((9, 40, 40), np.int32)
    yy, xx = np.mgrid[:40, :40]
    for z in planes:
        labels[z, np.hypot(yy - 20, xx - 20) <= 4 + z] = 2
    labels[:, 20:24, 30:36] = 5
    return labels


def test_outlines_go_over_from_one_painted_section_to_the_next():
    labels, whole = cone(0, 4, 8), cone(*range(9))
    after = applied(labels, fill_between(labels, 2))
    assert np.array_equal(after == 5, labels == 5)
    for z in range(9):
        both, either = (after[z] == 2) & (whole[z] == 2), (after[z] == 2) | (whole[z] == 2)
        assert both.sum() > 0.9 * either.sum()


def test_what_cannot_be_filled_says_why():
    with pytest.raises(EditError, match="leaves no plane out"):
        fill_between(cone(3, 4), 2)
    labels = np.zeros((3, 40, 40), np.int32)
    labels[0, 2:6, 2:6] = labels[2, 30:34, 30:34] = 1
    with pytest.raises(EditError, match="plane 1 would stay empty"):
        fill_between(labels, 1)

"""Edits of nuclei that extend through planes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.volume import (
    cut_from,
    delete_volume,
    merge_volumes,
    merge_with_touching,
)
from tests.helpers.stack_edits import applied


def stack() -> np.ndarray:
    """Nucleus 1 in planes 0 to 2 and 4, nucleus 2 below it, nucleus 3 beside it, nucleus 4 far away."""
    labels = np.zeros((8, 30, 40), np.int32)
    labels[0:3, 5:12, 5:12] = labels[4, 5:12, 5:12] = 1
    labels[5:8, 5:12, 5:12] = 2
    labels[1, 5:12, 12:18] = 3
    labels[6, 20:25, 30:36] = 4
    return labels


def test_a_nucleus_is_deleted_from_all_planes_also_beyond_a_gap():
    labels = stack()
    after = applied(labels, delete_volume(labels, 1))
    assert np.array_equal(after, np.where(labels == 1, 0, labels))
    with pytest.raises(EditError, match="no nucleus 9"):
        delete_volume(labels, 9)


def test_nuclei_that_do_not_touch_get_one_id_in_all_planes():
    labels = stack()
    edit = merge_volumes(labels, 4, 1)
    assert np.array_equal(applied(labels, edit), np.where(labels == 1, 4, labels))
    assert edit.touched == (1, 4)
    with pytest.raises(EditError, match="Both are"):
        merge_volumes(labels, 1, 1)


def test_the_neighbour_with_most_contact_is_joined_across_planes_as_well():
    labels = stack()
    # 49 voxels of nucleus 2 lie under nucleus 1; of nucleus 3 fewer lie beside it.
    assert np.array_equal(applied(labels, merge_with_touching(labels, 1)), np.where(labels == 2, 1, labels))
    with pytest.raises(EditError, match="touches no other"):
        merge_with_touching(labels, 4)


def test_a_nucleus_becomes_another_from_a_plane_on():
    labels = stack()
    after = applied(labels, cut_from(labels, 1, 3, 7))
    assert set(np.unique(after[:3])) == {0, 1, 3}
    assert set(np.unique(after[4])) == {0, 7}
    for plane in (0, 5):
        with pytest.raises(EditError, match="planes 0 to 4"):
            cut_from(labels, 1, plane, 7)


def test_what_undo_keeps_is_as_small_as_the_nucleus():
    edit = delete_volume(stack(), 2)
    assert {z: one.region for z, one in edit.planes.items()} == dict.fromkeys((5, 6, 7), (5, 12, 5, 12))

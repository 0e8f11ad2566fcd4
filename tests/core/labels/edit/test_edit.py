from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.edit import Change, edit_of, find_box
from napari_unet_nuclei.core.labels.edit.single import delete
from tests.helpers.drawn import applied, discs


class Counted:
    """Labels that remember how many pixels were read, as a slide on disk would notice."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels, self.shape, self.dtype, self.pixels = labels, labels.shape, labels.dtype, 0

    def __getitem__(self, index):
        part = self.labels[index]
        self.pixels += part.size
        return part


@pytest.mark.parametrize("hint", [None, (30, 31, 200, 201), (28, 35, 195, 240), (0, 1, 0, 1)])
def test_the_box_of_a_nucleus_is_found_from_any_hint(hint):
    labels = discs((90, 300), (30, 210, 25), (30, 60, 25))
    assert find_box(labels, 1, hint) == (5, 56, 185, 236)


@pytest.mark.parametrize("nucleus", [3, 0, -1])
def test_a_nucleus_that_is_not_there_is_named(nucleus):
    with pytest.raises(EditError, match=f"no nucleus {nucleus}"):
        find_box(discs((20, 20), (5, 5, 3)), nucleus, (5, 6, 5, 6))


def test_with_a_hint_only_the_surroundings_are_read():
    labels = np.zeros((4000, 4000), np.int32)
    labels[2000:2030, 1000:1020] = 5
    slide = Counted(labels)
    edit = delete(slide, 5, hints={5: (2010, 2011, 1010, 1011)})
    assert slide.pixels < 20_000
    assert edit.patches[0].before.size < 1_000


@pytest.mark.parametrize("labels", [np.zeros((2, 5, 5), np.int32), np.zeros((5, 5)), np.zeros((0, 5), int)])
def test_what_is_no_plane_of_ids_is_refused(labels):
    with pytest.raises(EditError, match="one plane"):
        find_box(labels, 1)


def test_ids_beyond_the_dtype_are_refused_before_they_wrap_round():
    labels = discs((9, 9), (4, 4, 3)).astype(np.uint8)
    with pytest.raises(EditError, match="255"):
        edit_of(labels, [Change((0, 9, 0, 9), labels > 0, 256)], "Renumber")


def test_an_edit_that_changes_nothing_says_so():
    labels = discs((9, 9), (4, 4, 3))
    with pytest.raises(EditError, match="nothing would change"):
        edit_of(labels, [Change((0, 9, 0, 9), labels > 0, 1)], "Renumber")


def test_patches_that_overlap_agree_whichever_comes_last():
    labels = discs((20, 30), (10, 10, 6), (10, 18, 6))
    masks = [labels == 1, labels == 2]
    boxes = [find_box(labels, nucleus) for nucleus in (1, 2)]
    changes = [
        Change(box, mask[box[0] : box[1], box[2] : box[3]], new)
        for box, mask, new in zip(boxes, masks, (7, 8), strict=True)
    ]
    for order in (changes, changes[::-1]):
        after = applied(labels, edit_of(labels, order, "Renumber"))
        assert np.array_equal(after, np.where(labels > 0, labels + 6, 0))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.uint32])
def test_labels_of_any_integer_dtype_keep_it(dtype):
    labels = discs((20, 30), (10, 10, 6), (10, 22, 6)).astype(dtype)
    assert not (applied(labels, delete(labels, 2)) == 2).any()

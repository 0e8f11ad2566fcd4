from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.numbering import as_ids, whole_labels


@pytest.mark.parametrize("dtype", ["bool", "uint8", ">u2", "int32", "uint32", "float32", "float64"])
def test_whole_numbers_of_any_type_are_ids(dtype):
    assert as_ids(np.array([[0, 1]], dtype)).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("values", "told"),
    [([0.5], "fractions"), ([-2], "below -1"), ([-7.0], "below -1"), ([np.inf], "infinities"), ([1j], "complex128")],
)
def test_other_values_are_no_ids(values, told):
    with pytest.raises(ImageShapeError, match=told):
        as_ids(np.array(values))


@pytest.mark.parametrize("none", [0, -1, np.nan])
@pytest.mark.parametrize("dtype", ["int8", "int64", "float16", "float64"])
def test_what_programs_store_for_the_background_is_background(none, dtype):
    if np.isnan(none) and np.dtype(dtype).kind == "i":
        pytest.skip("integers have no NaN")
    assert as_ids(np.array([none, 7, none], dtype)).tolist() == [0, 7, 0]


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_ids_stay_apart_up_to_63_bits(dtype):
    largest = 2**63 - 1
    assert as_ids(np.array([0, largest - 1, largest], dtype)).tolist() == [0, largest - 1, largest]
    assert whole_labels(as_ids(np.array([0, largest - 1, largest], dtype))).tolist() == [0, 1, 2]


@pytest.mark.parametrize("values", [np.array([2**63], np.uint64), np.array([1e30]), np.array([2.0**63])])
def test_larger_ids_are_refused(values):
    with pytest.raises(ImageShapeError, match=r"2\*\*63.*number them anew"):
        as_ids(values)


@pytest.mark.parametrize(("ids", "whole"), [([[0, 3], [7, 3]], [[0, 1], [2, 1]]), ([[5, 5]], [[1, 1]]), ([[0]], [[0]])])
def test_gaps_are_closed(ids, whole):
    numbered = whole_labels(np.array(ids))
    assert (numbered.tolist(), numbered.dtype) == (whole, np.int32)


def test_labels_without_pixels_stay_so():
    assert whole_labels(np.zeros((0, 4), int)).shape == (0, 4)

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
    [([0.5], "fractions"), ([-1], "below 0"), ([-1.0], "below 0"), ([np.nan], "NaN"), ([1j], "complex128")],
)
def test_other_values_are_no_ids(values, told):
    with pytest.raises(ImageShapeError, match=told):
        as_ids(np.array(values))


@pytest.mark.parametrize(("ids", "whole"), [([[0, 3], [7, 3]], [[0, 1], [2, 1]]), ([[5, 5]], [[1, 1]]), ([[0]], [[0]])])
def test_gaps_are_closed(ids, whole):
    numbered = whole_labels(np.array(ids))
    assert (numbered.tolist(), numbered.dtype) == (whole, np.int32)


def test_labels_without_pixels_stay_so():
    assert whole_labels(np.zeros((0, 4), int)).shape == (0, 4)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.masks import number_pieces
from napari_unet_nuclei.core.image.pixel_size import PixelSize

MASK = np.zeros((2, 9, 12), np.uint8)
MASK[:, 1:4, 1:4] = MASK[:, 5:8, 7:9] = MASK[1, 1:3, 9:11] = 255


def file(array: np.ndarray, axes: str) -> ImageFile:
    return ImageFile(Path("mask.tif"), array, axes, PixelSize())


@pytest.mark.parametrize(("axes", "count"), [("ZYX", 3), ("TYX", 5), ("QYX", 5)])
def test_pieces_go_on_through_the_planes_of_a_stack_but_not_from_frame_to_frame(axes: str, count: int) -> None:
    numbered, found = number_pieces(file(MASK, axes))
    assert found == count == len(np.unique(numbered.array)) - 1
    assert np.array_equal(numbered.array > 0, MASK > 0)


@pytest.mark.parametrize(
    "array",
    [
        MASK[0] * 0,
        MASK[0] * np.nan,
        MASK[0, :4],
        np.arange(108).reshape(9, 12),
        MASK[0] / 2,
        MASK[0] * np.uint64(2**57),
        MASK[0].astype(int) - 9,
    ],
)
def test_labels_one_nucleus_none_and_other_values_stay_as_they_are(array: np.ndarray) -> None:
    given = file(array, "YX")
    assert number_pieces(given) == (given, 0)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import zoom

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.label_file import doubt_labels, number_pieces
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


def squares(count: int, side: int = 6) -> np.ndarray:
    """Square nuclei with ids 1, 2, … apart from each other."""
    labels = np.zeros((count * (side + 2), side + 2), np.uint8)
    for number in range(count):
        labels[number * (side + 2) : number * (side + 2) + side, :side] = number + 1
    return labels


NOISE = np.random.default_rng(0).integers(0, 200, (64, 64), np.uint16)


@pytest.mark.parametrize(
    "array",
    [
        squares(40),
        squares(40).astype(np.float32),
        squares(40) * np.uint64(2**50),
        np.where(squares(40) > 0, squares(40), np.nan),
        np.stack([squares(40)] * 3),
        np.repeat(np.arange(99), 8).reshape(-1, 8),  # everywhere nuclei, none of them in pieces
        np.zeros((9, 9), int),
        NOISE / 7,  # refused as fractions
    ],
)
def test_nothing_speaks_against_labels(array: np.ndarray) -> None:
    assert doubt_labels(file(array, "ZYX"[-array.ndim :]), lossy=False) == ""


@pytest.mark.parametrize(
    "array",
    [
        NOISE,
        NOISE + 1.0,
        np.random.default_rng(0).permutation(64 * 64).reshape(64, 64),  # no value twice, as in 16 bits
        np.stack([NOISE] * 3),
        zoom(np.tile(squares(20), (1, 6)), 2.5, order=1),
    ],
    ids=["8 bits", "floating", "16 bits", "stack", "interpolated"],
)
def test_an_image_is_no_label_image(array: np.ndarray) -> None:
    with pytest.raises(ImageShapeError, match=r"is no label image: .* wrong order"):
        doubt_labels(file(array, "ZYX"[-array.ndim :]), lossy=False)


def test_classes_of_pixels_may_be_no_labels() -> None:
    assert "its 3 numbers lie in 40 separate pieces" in doubt_labels(
        file(squares(40) % 3 + (squares(40) > 0), "YX"), lossy=False
    )


@pytest.mark.parametrize("count", [2, 40])
def test_compression_with_loss_leaves_no_labels(count: int) -> None:
    with pytest.raises(ImageShapeError, match=r"compressed with loss, .* PNG or TIFF"):
        doubt_labels(file(squares(count), "YX"), lossy=True)
    assert doubt_labels(file(squares(count) * 0 + 1, "YX"), lossy=True) == ""

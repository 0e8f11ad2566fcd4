"""An image that is given as labels is refused by every function that takes arrays."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.measure.measure import measure
from napari_unet_nuclei.core.labels.measure.volumes import measure_volumes
from napari_unet_nuclei.core.pieces import pieces_of
from napari_unet_nuclei.core.tracking.track import track
from tests.helpers.samples import fluorescent_nuclei

SAMPLE = fluorescent_nuclei(0, (64, 80), 14.0, 6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32"])
def test_labels_and_image_in_the_wrong_order_are_refused(dtype: str) -> None:
    image = np.rint(SAMPLE.image * (250 / SAMPLE.image.max())).astype(dtype)
    with pytest.raises(ImageShapeError, match="in the wrong order"):
        measure(image, SAMPLE.labels)
    assert len(measure(SAMPLE.labels, image)) == SAMPLE.labels.max()


def test_stacks_and_movies_of_images_are_refused() -> None:
    images, labels = np.stack([SAMPLE.image] * 3), np.stack([SAMPLE.labels] * 3)
    for given in (lambda: measure(images, labels), lambda: track(images), lambda: measure_volumes(images, axes="ZYX")):
        with pytest.raises(ImageShapeError, match="is no label image"):
            given()
    assert len(measure(labels, images)) == 3 * SAMPLE.labels.max()


def test_pieces_are_counted_whatever_their_numbers() -> None:
    found = pieces_of(np.array([[7, 7, 0], [0, 2**62, 7], [np.iinfo(np.uint64).max, 0, 0]], np.uint64))
    assert (found.numbers, sorted(found.areas.tolist())) == (3, [1, 1, 1, 2])
    assert pieces_of(np.array([[0.5, 1.0]])).numbers == 0


def test_a_mask_of_several_nuclei_is_refused_and_one_nucleus_is_not() -> None:
    with pytest.raises(ImageShapeError, match=r"number its pieces first"):
        measure(SAMPLE.labels > 0)
    assert len(measure(SAMPLE.labels == 2)) == 1


def test_the_name_of_a_file_is_no_array() -> None:
    with pytest.raises(ImageShapeError, match=r"'labels\.tif' is the name of a file"):
        measure("labels.tif")

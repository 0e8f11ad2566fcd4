from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image as Picture

from napari_unet_nuclei.core.classes.coding import ClassCoding
from napari_unet_nuclei.core.errors import DatasetError
from napari_unet_nuclei.core.image.kind import NetworkInputs
from napari_unet_nuclei.core.samples.synthetic_classes import cell_classes
from napari_unet_nuclei.core.train.dataset import read_dataset, read_planes
from napari_unet_nuclei.core.train.layouts import Entry
from napari_unet_nuclei.core.train.reading import InputForm, LabelsRead, count_channels
from tests.helpers.samples import stained_tissue

CELLS = cell_classes(0, (48, 64), 14.0)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    iio.imwrite(path, CELLS.image)
    return path


def read(image: Path, labels: np.ndarray, **coding: object) -> LabelsRead:
    path = image.with_name("labels.png")
    iio.imwrite(path, labels)
    return read_planes(Entry("a", image, (path,), False, "a"), InputForm(classes=ClassCoding(**coding)))[0][1]


def test_ids_stay_as_they_are(image):
    found = read(image, CELLS.labels.astype(np.uint8))
    assert np.array_equal(found.labels, CELLS.labels)
    assert found.labels.dtype == np.int32
    assert found.reviewed is None


def test_ids_may_stand_in_one_colour_of_a_picture(image):
    picture = np.random.default_rng(0).integers(0, 255, (*CELLS.labels.shape, 3)).astype(np.uint8)
    picture[..., 0] = CELLS.labels
    assert np.array_equal(read(image, picture, channel=0).labels, CELLS.labels)
    with pytest.raises(DatasetError, match=r"labels\.png: The labels have several channels or colours"):
        read(image, picture)


def test_ids_may_be_numbers_of_a_palette(image):
    picture = Picture.fromarray(CELLS.labels.astype(np.uint8))
    picture.putpalette([value for colour in range(256) for value in (colour, 255 - colour, 7 * colour % 256)])
    path = image.with_name("palette.png")
    picture.save(path)
    assert iio.imread(path).ndim == 3
    [(_, found)] = read_planes(Entry("a", image, (path,), False, "a"), InputForm(classes=ClassCoding()))
    assert np.array_equal(found.labels, CELLS.labels)


def test_void_pixels_are_not_reviewed(image):
    stored = CELLS.labels.astype(np.uint8)
    stored[:5] = 255
    found = read(image, stored, void=255)
    assert not found.reviewed[:5].any()
    assert found.reviewed[5:].all()
    assert np.array_equal(found.labels[5:], CELLS.labels[5:])
    assert (found.labels[:5] == 0).all()


def test_masks_become_two_classes(image):
    found = read(image, np.where(CELLS.labels > 0, 255, 0).astype(np.uint8), binary=True)
    assert np.array_equal(found.labels, CELLS.labels > 0)


def test_masks_of_single_nuclei_are_the_foreground(tmp_path):
    for name in "ab":
        for kind in ("images", "masks"):
            (tmp_path / name / kind).mkdir(parents=True)
        iio.imwrite(tmp_path / name / "images" / f"{name}.png", CELLS.image)
        for number, (y, x) in enumerate([(3, 3), (6, 6)]):  # which overlap, as foreground may
            mask = np.zeros(CELLS.labels.shape, np.uint8)
            mask[y : y + 8, x : x + 8] = 255
            iio.imwrite(tmp_path / name / "masks" / f"{number}.png", mask)
    first, _ = read_dataset(tmp_path, InputForm(classes=ClassCoding()))
    assert np.bincount(first.labels.ravel())[1] == 64 + 64 - 25


def test_what_is_no_class_is_named_with_its_file(image):
    for labels, coding, told in [
        (np.full((48, 64), 300, np.uint16), {}, "class ids are 0 to 255"),
        (np.full((48, 64), 7, np.uint8), {"classes": 4}, "there are 4 classes"),
        (np.arange(48 * 64, dtype=np.uint16).reshape(48, 64), {"binary": True}, "not a mask of two classes"),
        (np.zeros((48, 64), np.uint8), {"channel": 1}, "no channel 1"),
        (np.zeros((48, 60), np.uint8), {}, "They do not belong together"),
    ]:
        with pytest.raises(DatasetError, match=rf"labels\.png.*{told}"):
            read(image, labels, **coding)


def test_images_are_not_turned_and_keep_all_their_colours(tmp_path):
    tissue = stained_tissue(0, (48, 64), 12.0, 8)
    path = tmp_path / "tissue.png"
    iio.imwrite(path, tissue.image)
    iio.imwrite(tmp_path / "labels.png", (tissue.labels > 0).astype(np.uint8))
    assert count_channels(path) == 3
    entry = Entry("a", path, (tmp_path / "labels.png",), False, "a")
    [(read, found)] = read_planes(entry, InputForm(NetworkInputs((), count_channels(path)), classes=ClassCoding()))
    pixels = read.image
    assert pixels.shape == (3, 48, 64)
    inside = found.labels > 0
    assert np.median(pixels[0][inside]) < np.median(pixels[0][~inside])


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"broken\.png"):
        count_channels(tmp_path / "broken.png")

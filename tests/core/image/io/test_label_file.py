from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_unet_nuclei.core.errors import ImageFileError, ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.label_file import read_label_pair, read_labels, size_of
from napari_unet_nuclei.core.labels.export.export import write_geojson, write_imagej_rois

LABELS = np.zeros((12, 15), np.int32)
LABELS[2:5, 3:8] = 7
LABELS[5:9, 3:8] = 9


def test_outlines_are_drawn_at_the_size_of_their_image(tmp_path: Path) -> None:
    write_imagej_rois(tmp_path / "a.zip", LABELS)
    found = read_labels(tmp_path / "a.zip", size_of(ImageSource(np.zeros((2, 12, 15)), "CYX")))
    np.testing.assert_array_equal(found.file.array, LABELS)
    assert (found.file.axes, found.notices) == ("YX", ())


def test_label_images_are_read_as_they_are(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", LABELS)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif").file.array, LABELS)


@pytest.mark.parametrize("swap", [False, True])
def test_outlines_beside_a_label_image_have_its_size(swap: bool, tmp_path: Path) -> None:
    write_geojson(tmp_path / "a.geojson", LABELS)
    tifffile.imwrite(tmp_path / "a.tif", LABELS)
    pair = (tmp_path / "a.geojson", tmp_path / "a.tif")
    for found in read_label_pair(*(pair[::-1] if swap else pair)):
        np.testing.assert_array_equal(found.file.array, LABELS)


def test_two_files_of_outlines_have_one_size(tmp_path: Path) -> None:
    write_geojson(tmp_path / "a.geojson", LABELS * (LABELS == 7))
    write_imagej_rois(tmp_path / "b.zip", LABELS)
    one, other = read_label_pair(tmp_path / "a.geojson", tmp_path / "b.zip")
    assert one.file.array.shape == other.file.array.shape == (9, 8)


def test_a_pickle_of_cellpose_is_never_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "a_seg.npy", {"masks": LABELS}, allow_pickle=True)
    with pytest.raises(ImageFileError, match=r"a pickle: .* never opened"):
        read_labels(tmp_path / "a_seg.npy")


def test_a_damaged_archive_of_outlines_is_called_so(tmp_path: Path) -> None:
    write_imagej_rois(tmp_path / "RoiSet.zip", LABELS)
    (tmp_path / "RoiSet.zip").write_bytes((tmp_path / "RoiSet.zip").read_bytes()[:60])
    with pytest.raises(ImageFileError, match=r"cannot be opened .* export it again"):
        read_labels(tmp_path / "RoiSet.zip")


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.tif"])
def test_labels_that_were_saved_with_loss_are_refused(name: str, tmp_path: Path) -> None:
    labels = np.kron(np.arange(1, 17).reshape(4, 4) % 12, np.ones((11, 11))).astype(np.uint8)
    Image.fromarray(labels).save(tmp_path / name, **({"compression": "jpeg"} if name == "a.tif" else {}))
    with pytest.raises(ImageShapeError, match="compressed with loss"):
        read_labels(tmp_path / name)

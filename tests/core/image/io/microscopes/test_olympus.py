"""OIB and OIF files: planes by their numbers, sizes, times, dyes; what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.find import find_images
from napari_unet_nuclei.core.image.io.read import read_header, read_image
from tests.helpers.microscope_files import write_oif

pytest.importorskip("oiffile")

PIXELS = np.random.default_rng(0).integers(0, 4096, (2, 3, 2, 20, 30), np.uint16)


@pytest.mark.parametrize("suffix", [".oib", ".oif"])
def test_axes_sizes_times_and_dyes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_oif(path, PIXELS, "TZCYX", 0.25, ["DAPI", "Alexa 488"], 1500)
    image = read_image(path)
    assert (image.axes, image.channel_names) == ("TZCYX", ("DAPI", "Alexa 488"))
    np.testing.assert_array_equal(image.array, PIXELS)
    assert (image.pixel_size.y, image.pixel_size.x, image.pixel_size.z) == pytest.approx((0.25, 0.25, 0.5))
    assert image.frame_times == pytest.approx((0, 1.5))
    assert read_header(path) == image.header


def test_planes_of_large_images_are_read_one_by_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("napari_unet_nuclei.core.image.io.microscopes.planes.LARGEST_IN_MEMORY", 1)
    write_oif(tmp_path / "a.oib", PIXELS, "TZCYX", 0.25, ["DAPI", "GFP"], 1500)
    array = read_image(tmp_path / "a.oib").array
    assert not isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array[1, 1:, 1, 4:9], PIXELS[1, 1:, 1, 4:9])


def test_planes_in_the_folder_of_an_oif_are_no_images_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.oif"
    write_oif(path, PIXELS[0, 0], "CYX", 0.25, ["DAPI", "GFP"], 0)
    folder = tmp_path / "a.oif.files"
    assert read_header(path).consumed == set(folder.iterdir())
    (folder / "s_C002.tif").unlink()
    assert read_image(path).axes == "YX"
    (folder / "s_C001.tif").unlink()
    with pytest.raises(ImageFileError, match=r"copy it with the folder a\.oif\.files"):
        read_image(path)
    assert list(find_images([tmp_path]).roots) == [path]


def test_planes_that_are_missing_are_said(tmp_path: Path) -> None:
    path = tmp_path / "a.oif"
    write_oif(path, PIXELS[0], "ZCYX", 0.25, ["DAPI", "GFP"], 0)
    (tmp_path / "a.oif.files" / "s_C002Z003.tif").unlink()
    image = read_image(path)
    assert image.remarks == ("1 single plane is missing among the others: nothing is found there.",)
    assert not image.array[2, 1].any()


def test_time_points_and_depths_that_are_lost_are_said_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.oif"
    write_oif(path, np.concatenate([PIXELS, PIXELS])[:, :, 0], "TZYX", 0.25, ["DAPI"], 1000)
    for file in (tmp_path / "a.oif.files").iterdir():
        if "T002" in file.name or "Z003" in file.name:
            file.unlink()
    image = read_image(path)
    np.testing.assert_array_equal(image.array, PIXELS[[0, 0, 1]][:, :2, 0])
    assert image.frame_times == (0, 2, 3)
    assert image.remarks == (
        "1 of 4 time points was never taken or is lost, and left out: 1 (counted from 0).",
        "1 of 3 planes was never taken or is lost, and left out: 2 (counted from 0).",
    )


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.oib"
    write_oif(path, PIXELS[0, 0], "CYX", 0.25, ["DAPI", "GFP"], 0)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(ImageFileError, match=r"a\.oib cannot be read"):
        read_image(path)

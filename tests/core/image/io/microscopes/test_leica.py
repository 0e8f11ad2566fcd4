"""LIF files: images of a project, channels, colours, times, tiles, and recordings that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import read_header, read_headers, read_image
from napari_unet_nuclei.core.image.io.series import choose_series
from tests.helpers.microscope_files import write_lif, write_xlef

pytest.importorskip("liffile")

PIXELS = np.random.default_rng(0).integers(0, 60_000, (2, 3, 2, 20, 30), np.uint16)
"""Two time points, three planes, two channels."""


def test_images_are_chosen_by_number_and_name(tmp_path: Path) -> None:
    path = tmp_path / "a.lif"
    names = ["TileScan 1/Position 1", "TileScan 1/Position 2", "TileScan 2/Position 1"]
    write_lif(path, [PIXELS[0, :, 0], PIXELS[1, :, 0], PIXELS[0, :, 1, :10]], "ZYX", 0.5e-6, names)
    for number in (0, 1):
        image = read_image(path, number)
        assert (image.axes, image.name) == ("ZYX", names[number])
        np.testing.assert_array_equal(image.array, PIXELS[number, :, 0])
        assert (image.pixel_size.y, image.pixel_size.x, image.pixel_size.z) == pytest.approx((0.5, 0.5, 0.5))
    assert read_header(path) == read_image(path, 0).header
    # Positions of several scans are called alike.
    assert choose_series(path).names == tuple(names)
    assert choose_series(path, names[2]).images[0].shape == (3, 10, 30)
    with pytest.raises(ImageFileError, match="3 image series"):
        read_image(path, 3)


def test_channels_have_the_names_of_their_dyes_and_times_are_as_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.lif"
    stamps = [*np.arange(6) * 0.1, *(60 + np.arange(6) * 0.1)]
    write_lif(path, [PIXELS], "TZCYX", 0.5e-6, dyes=["DAPI", "Alexa 488"], times=stamps, interval=55)
    image = read_image(path)
    assert (image.axes, image.channel_names) == ("TZCYX", ("DAPI", "Alexa 488"))
    np.testing.assert_array_equal(image.array, PIXELS)
    assert image.frame_times == pytest.approx((0, 60))
    write_lif(path, [PIXELS], "TZCYX", 0.5e-6, interval=55)
    assert read_header(path).frame_times == pytest.approx((0, 55))


@pytest.mark.parametrize("axes", ["TZCYX", "CTZYX", "TZYXC"])
def test_large_images_are_read_frame_by_frame_whatever_their_order(tmp_path: Path, monkeypatch, axes: str) -> None:
    path = tmp_path / "a.lif"
    monkeypatch.setattr("napari_unet_nuclei.core.image.io.microscopes.planes.LARGEST_IN_MEMORY", 1)
    stored = np.ascontiguousarray(np.einsum(f"TZCYX->{axes}", PIXELS))
    write_lif(path, [stored], axes, 0.5e-6)
    source = read_image(path).source()
    assert not isinstance(source.array, np.ndarray)
    for time, plane in ((0, 2), (1, 0)):
        np.testing.assert_array_equal(source.stored((time, plane), 1, (3, 9, 2, 30)), PIXELS[time, plane, 1, 3:9, 2:30])


@pytest.mark.parametrize("large", [False, True])
def test_colours_are_red_green_and_blue(tmp_path: Path, monkeypatch, large: bool) -> None:
    monkeypatch.setattr("napari_unet_nuclei.core.image.io.microscopes.planes.LARGEST_IN_MEMORY", 1 if large else 2**20)
    colours = (PIXELS[0, 0, 0, ..., None] // [256, 512, 1024]).astype(np.uint8)
    write_lif(tmp_path / "a.lif", [colours], "YXS", 0.5e-6)
    image = read_image(tmp_path / "a.lif")
    assert image.axes == "YXS"
    np.testing.assert_array_equal(np.asarray(image.array), colours)


def test_wavelengths_are_channels_and_tiles_are_said_to_be_tiles(tmp_path: Path) -> None:
    path = tmp_path / "a.lif"
    write_lif(path, [PIXELS[0, :, 0]], "λYX", 0.5e-6)
    assert read_image(path).axes == "CYX"
    write_lif(path, [PIXELS[0, :, 0]], "MYX", 0.5e-6)
    image = read_image(path)
    assert image.axes == "QYX"
    assert "3 tiles is segmented tile by tile" in image.remarks[0]


def test_one_image_that_is_cut_off_does_not_keep_others_from_being_read(tmp_path: Path) -> None:
    path = tmp_path / "a.lif"
    write_lif(path, [PIXELS[0, :, 0], PIXELS[1, :, 0]], "ZYX", 0.5e-6)
    path.write_bytes(path.read_bytes()[:-1000])
    np.testing.assert_array_equal(read_image(path, 0).array, PIXELS[0, :, 0])
    chosen = choose_series(path)
    assert [header.series for header in chosen.images] == [0]
    assert "a recording that cannot be read" in chosen.others[0]
    with pytest.raises(ImageFileError, match=r"image 1.*truncated"):
        read_image(path, 1)


def test_images_in_files_of_their_own_belong_to_their_project(tmp_path: Path) -> None:
    path = tmp_path / "p.xlef"
    write_xlef(path, {"one": PIXELS[0, :, 0], "two": PIXELS[1, :, 0]}, "ZYX", 0.5e-6)
    headers = read_headers(path)
    assert [header.name for header in headers] == ["one", "two"]
    assert headers[0].consumed == {tmp_path / "one.xlif", tmp_path / "one.lof"}
    np.testing.assert_array_equal(read_image(path, 1).array, PIXELS[1, :, 0])
    np.testing.assert_array_equal(read_image(tmp_path / "one.lof").array, PIXELS[0, :, 0])
    (tmp_path / "two.lof").unlink()
    assert read_headers(path)[1].aside == "recording that cannot be read"
    with pytest.raises(ImageFileError, match=r"two: its file two.lof is not where the project says"):
        read_image(path, 1)

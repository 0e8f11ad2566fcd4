"""ND2 files: positions, loops, times, colours, and acquisitions that were stopped."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import read_header, read_headers, read_image
from napari_unet_nuclei.core.image.io.series import choose_series
from tests.helpers.microscope_files import write_nd2

pytest.importorskip("nd2")

FRAMES = np.random.default_rng(0).integers(0, 60_000, (3, 2, 4, 2, 20, 30), np.uint16)
"""Three time points, two positions, four planes, two channels."""
TIMES = list(np.arange(24) * 0.5 + np.repeat([0, 10, 40], 8))
NAMES = ["DAPI", "GFP"]


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "a.nd2"
    write_nd2(path, FRAMES, 0.65, NAMES, loops="TPZ", times=TIMES)
    return path


def test_every_position_is_an_image_of_its_own(movie: Path) -> None:
    for number in (0, 1):
        image = read_image(movie, number)
        assert (image.axes, image.name, image.channel_names) == ("TZCYX", f"#{number + 1}", ("DAPI", "GFP"))
        np.testing.assert_array_equal(image.array, FRAMES[:, number])
        assert (image.pixel_size.y, image.pixel_size.x, image.pixel_size.z) == pytest.approx((0.65, 0.65, 2))
    assert choose_series(movie).names == ("#1", "#2")
    assert read_header(movie, 1) == read_image(movie, 1).header
    with pytest.raises(ImageFileError, match="2 image series"):
        read_image(movie, 2)


def test_times_are_those_of_the_position_as_they_were_taken(movie: Path) -> None:
    assert read_header(movie, 1).frame_times == pytest.approx((2, 16, 50))


def test_without_times_of_frames_the_planned_interval_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.nd2"
    write_nd2(path, FRAMES[:, 0, 0], 0.65, NAMES, loops="T")
    with pytest.warns(UserWarning, match="frame times"):
        assert read_header(path).frame_times == (0, 5, 10)


def test_large_images_are_read_frame_by_frame(movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nd2

    monkeypatch.setattr("napari_unet_nuclei.core.image.io.microscopes.planes.LARGEST_IN_MEMORY", 1)
    read: list[int] = []
    stored = nd2.ND2File.read_frame
    monkeypatch.setattr(nd2.ND2File, "read_frame", lambda self, index: read.append(index) or stored(self, index))
    array = read_image(movie, 1).array
    assert read == []
    np.testing.assert_array_equal(array[2, 3, 1, 5:9], FRAMES[2, 1, 3, 1, 5:9])
    np.testing.assert_array_equal(array[2, 3, 0], FRAMES[2, 1, 3, 0])
    assert read == [2 * 8 + 4 + 3]  # once for both channels


def test_what_was_never_taken_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.nd2"
    write_nd2(path, FRAMES[:, :, 0], 0.65, NAMES, loops="TP", times=TIMES[:3], taken=3)
    first, second = read_headers(path)
    assert (first.shape, second.shape) == ((2, 2, 20, 30), (1, 2, 20, 30))
    assert first.remarks == ("1 of 3 time points was never taken or is lost, and left out: 2 (counted from 0).",)
    assert second.remarks[0].startswith("2 of 3 time points were never taken")


def test_frames_that_are_lost_are_left_out_and_said_as_those_of_no_time_point(tmp_path: Path) -> None:
    path = tmp_path / "a.nd2"
    write_nd2(path, FRAMES[:, 0], 0.65, NAMES, loops="TZ", times=TIMES[:12], lost=[4, 5, 6, 7, 9])
    image = read_image(path)
    stored = FRAMES[[0, 2], 0]
    stored[1, 1] = 0
    np.testing.assert_array_equal(image.array, stored)
    assert image.frame_times == pytest.approx((TIMES[0], TIMES[8]))
    assert image.remarks == (
        "1 of 3 time points was never taken or is lost, and left out: 1 (counted from 0).",
        "1 single plane is missing among the others: nothing is found there.",
    )


def test_frames_beyond_the_end_of_a_file_are_lost(tmp_path: Path) -> None:
    path, size = tmp_path / "a.nd2", FRAMES[0, 0, 0].nbytes
    write_nd2(path, FRAMES[:, 0, 0], 0.65, NAMES, loops="T")
    content = path.read_bytes()
    name = b"ImageDataSeq|2!"
    place = content.rindex(name) + len(name)
    path.write_bytes(content[:place] + struct.pack("<QQ", len(content) - size // 2, size) + content[place + 16 :])
    header = read_header(path)
    assert header.shape == (2, 2, 20, 30)
    assert "left out: 2 " in header.remarks[0]


def test_positions_that_were_never_taken_are_not_segmented(tmp_path: Path) -> None:
    path = tmp_path / "a.nd2"
    write_nd2(path, FRAMES[0, :, :, :1], 0.65, NAMES[:1], loops="PZ", taken=4)
    chosen = choose_series(path)
    assert [header.series for header in chosen.images] == [0]
    assert "a position that was never taken" in chosen.others[0]


def test_colours_are_red_green_and_blue(tmp_path: Path) -> None:
    path = tmp_path / "a.nd2"
    colours = FRAMES[0, 0, 0, :1, ..., None] * np.array([1, 2, 3], np.uint16)
    write_nd2(path, colours, 0.65, ["Brightfield"])
    image = read_image(path)
    assert image.axes == "YXS"
    np.testing.assert_array_equal(image.array, colours[0])


@pytest.mark.parametrize("described", [True, False])
def test_channels_and_pixel_size(tmp_path: Path, described: bool) -> None:
    path = tmp_path / "a.nd2"
    write_nd2(path, FRAMES[0, 0, 0], 0.65, NAMES, described)
    image = read_image(path)
    assert image.axes == "CYX"
    assert image.channel_names == (("DAPI", "GFP") if described else ())
    np.testing.assert_array_equal(image.array, FRAMES[0, 0, 0])
    size = image.pixel_size
    assert (size.y, size.x, size.z) == ((0.65, 0.65, 0.0) if described else (0.0, 0.0, 0.0))
    with pytest.raises(ImageFileError, match="holds a single image"):
        read_image(path, 1)


def test_the_first_version_needs_a_package_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)  # not installed
    path = tmp_path / "a.nd2"
    path.write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40))
    with pytest.raises(ImageFileError, match="first version of ND2, for which the package imagecodecs"):
        read_image(path)

"""CZI files, most written by the library of the maker: scenes, mosaics, pyramids, colours, times, parts of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import read_header, read_headers, read_image
from napari_unet_nuclei.core.image.io.series import choose_series
from tests.helpers.microscope_files import write_czi

czi = pytest.importorskip("pylibCZIrw.czi")

PIXELS = np.random.default_rng(0).integers(0, 60_000, (2, 3, 20, 30), np.uint16)


def write(
    path: Path,
    tiles: list[tuple[np.ndarray, tuple[int, int], Mapping[str, int], int]],
    names: Mapping[int, str] | None = None,
    **options: str,
) -> Path:
    """Write tiles (Y, X) or (Y, X, 3), each with its place (x, y), its plane and its scene."""
    with czi.create_czi(str(path), **options) as file:
        for data, location, plane, scene in tiles:
            samples = data if data.ndim == 3 else data[..., None]
            file.write(samples, location=location, plane=dict(plane), scene=scene)
        file.write_metadata(channel_names=names, scale_x=0.325e-6, scale_y=0.325e-6, scale_z=1.5e-6)
    return path


def test_scenes_are_chosen_by_number_and_lie_anywhere_on_the_slide(tmp_path: Path) -> None:
    # Scenes that were not taken leave gaps in the numbers.
    tiles = [(PIXELS[at, c], (at * 10**6, -50), {"C": c}, scene) for at, scene in ((0, 1), (1, 4)) for c in range(3)]
    path = write(tmp_path / "a.czi", tiles, {0: "DAPI", 1: "GFP", 2: "Cy5"})
    for number in (0, 1):
        image = read_image(path, number)
        assert (image.axes, image.channel_names) == ("CYX", ("DAPI", "GFP", "Cy5"))
        np.testing.assert_array_equal(image.array, PIXELS[number])
        assert (image.pixel_size.y, image.pixel_size.x, image.pixel_size.z) == pytest.approx((0.325, 0.325, 1.5))
    assert read_header(path, 1) == read_image(path, 1).header
    with pytest.raises(ImageFileError, match="2 image series"):
        read_image(path, 2)


@pytest.mark.parametrize("options", ["zstd1:ExplicitLevel=1", "zstd0:ExplicitLevel=1", "uncompressed:"])
def test_tiles_are_joined_and_parts_of_a_mosaic_are_read_alone(tmp_path: Path, monkeypatch, options: str) -> None:
    monkeypatch.setattr("napari_unet_nuclei.core.image.io.microscopes.planes.LARGEST_IN_MEMORY", 1)
    whole = np.zeros((2, 35, 50), np.uint16)
    tiles = []
    for z in range(2):
        for x, y in ((5, 7), (25, 7), (5, 22)):  # overlapping; one corner is empty
            tiles.append((PIXELS[z, 0], (x, y), {"Z": z}, 0))
            whole[z, y - 7 : y + 13, x - 5 : x + 25] = PIXELS[z, 0]
    image = read_image(write(tmp_path / "a.czi", tiles, compression_options=options))
    assert (image.axes, image.array.shape) == ("ZYX", (2, 35, 50))
    assert not isinstance(image.array, np.ndarray)
    np.testing.assert_array_equal(image.array[1, 3:20, 10:45:2], whole[1, 3:20, 10:45:2])
    np.testing.assert_array_equal(np.asarray(image.array), whole)


def test_reduced_copies_are_not_taken_for_the_image(tmp_path: Path) -> None:
    write_czi(tmp_path / "a.czi", PIXELS, 0.325e-6, ["DAPI", "GFP", "Cy5"], apart=100, reduced=True)
    np.testing.assert_array_equal(read_image(tmp_path / "a.czi", 1).array, PIXELS[1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_are_red_green_and_blue(tmp_path: Path, dtype: type) -> None:
    colours = (PIXELS[0, 0, ..., None] // [256, 512, 1024]).astype(dtype)
    image = read_image(write(tmp_path / "a.czi", [(colours, (0, 0), {}, 0)]))
    assert (image.axes, image.array.dtype) == ("YXS", dtype)
    np.testing.assert_array_equal(image.array, colours)


def test_channels_of_unlike_depth_are_one_image_and_grey_beside_colour_is_refused(tmp_path: Path) -> None:
    light = (PIXELS[0, 1] // 256).astype(np.uint8)
    path = write(tmp_path / "a.czi", [(PIXELS[0, 0], (0, 0), {"C": 0}, 0), (light, (0, 0), {"C": 1}, 0)])
    np.testing.assert_array_equal(read_image(path).array, [PIXELS[0, 0], light])
    both = [(PIXELS[0, 0], (0, 0), {"C": 0}, 0), (np.dstack([light] * 3), (0, 0), {"C": 1}, 0)]
    with pytest.raises(ImageFileError, match="channels in grey and others in colour"):
        read_image(write(tmp_path / "b.czi", both))


def test_parts_of_a_file_keep_the_numbers_that_they_had_in_it(tmp_path: Path) -> None:
    places = [(time, channel) for time in (5, 6) for channel in (1, 2)]
    tiles = [(PIXELS[t - 5, c], (0, 0), {"T": t, "C": c, "Z": 3}, 0) for t, c in places]
    image = read_image(write(tmp_path / "a.czi", tiles))
    assert image.axes == "TCYX"
    np.testing.assert_array_equal(image.array, PIXELS[:, 1:])


def test_times_are_as_taken_else_as_planned(tmp_path: Path) -> None:
    path = tmp_path / "a.czi"
    planned = "<T><Positions><Interval><Start>0</Start><Increment>30</Increment></Interval></Positions></T>"
    write_czi(path, PIXELS, 0.325e-6, ["DAPI"], axis="T", described=planned)
    assert (read_header(path).axes, read_header(path).frame_times) == ("TCYX", (0, 30))
    write_czi(path, PIXELS, 0.325e-6, ["DAPI"], axis="T", described=planned, times=[1.5, 33.25])
    assert read_header(path).frame_times == (0, 31.75)


def test_views_and_phases_are_segmented_one_by_one(tmp_path: Path) -> None:
    write_czi(tmp_path / "a.czi", PIXELS, 0.325e-6, [], axis="V")
    image = read_image(tmp_path / "a.czi")
    assert image.axes == "QCYX"
    np.testing.assert_array_equal(image.array, PIXELS)


def test_planes_that_are_missing_are_said(tmp_path: Path) -> None:
    tiles = [(PIXELS[t, c], (0, 0), {"T": t, "C": c}, 0) for t in range(2) for c in range(3) if (t, c) != (1, 2)]
    image = read_image(write(tmp_path / "a.czi", tiles))
    assert image.remarks == ("1 single plane is missing among the others: nothing is found there.",)
    assert not np.asarray(image.array)[1, 2].any()


def test_a_file_that_is_cut_off_is_refused_or_its_pixels_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.czi", [(PIXELS[0, 0], (0, 0), {}, 0)])
    content = path.read_bytes()
    for length in (50, 600, len(content) // 2):
        path.write_bytes(content[:length])
        with pytest.raises(ImageFileError, match=r"a\.czi cannot be read"):
            read_image(path)


def test_scenes_are_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.czi", [(PIXELS[0, s, :, : 30 - s], (s * 100, 0), {}, s) for s in range(2)])
    assert [header.shape for header in read_headers(path)] == [(20, 30), (20, 29)]
    assert choose_series(path).names == ("0", "1")

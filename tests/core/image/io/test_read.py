from __future__ import annotations

import contextlib
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PIL import Image
from tifffile import TiffFile, imwrite

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import read_header, read_image
from napari_unet_nuclei.core.image.io.tiff import read as tiff_file
from napari_unet_nuclei.core.image.pixel_size import PixelSize

GREY = np.arange(6 * 40 * 50, dtype=np.uint16).reshape(6, 40, 50)


def size(y: float, x: float, z: float = 0.0) -> Any:
    return pytest.approx((y, x, z), rel=1e-5)


def as_tuple(pixel_size: PixelSize) -> tuple[float, float, float]:
    return (pixel_size.y, pixel_size.x, pixel_size.z)


# --- what files say -------------------------------------------------------------------------------------------------


def test_ome_tiff_tells_axes_units_and_channels(tmp_path: Path) -> None:
    path = tmp_path / "cells.ome.tif"
    described = {
        "axes": "ZCYX",
        "PhysicalSizeX": 325,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.33,
        "PhysicalSizeZ": 0.001,
        "PhysicalSizeZUnit": "mm",
        "Channel": {"Name": ["DAPI", "GFP"]},
    }
    imwrite(path, GREY.reshape(3, 2, 40, 50), metadata=described)
    image = read_image(path)
    assert image.axes == "ZCYX"
    assert as_tuple(image.pixel_size) == size(0.33, 0.325, 1.0)
    assert image.channel_names == ("DAPI", "GFP")
    assert np.array_equal(image.array, GREY.reshape(3, 2, 40, 50))


def test_each_series_has_its_own_size_and_a_missing_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        for microns, image in ((0.5, GREY[0]), (2.0, GREY[1:3])):
            tif.write(image, metadata={"PhysicalSizeX": microns, "PhysicalSizeY": microns}, photometric="minisblack")
    assert as_tuple(read_image(path, 1).pixel_size) == size(2, 2)
    assert read_image(path, 1).array.shape == (2, 40, 50)
    with pytest.raises(ImageFileError, match="2 image series"):
        read_image(path, 2)


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m"])
def test_imagej_hyperstack_tells_spacing_in_its_spellings_of_the_unit(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "stack.tif"
    described = {"axes": "ZCYX", "spacing": -1.5, "unit": unit}
    imwrite(path, GREY.reshape(3, 2, 40, 50), imagej=True, resolution=(4, 5), metadata=described)
    image = read_image(path)
    assert image.axes == "ZCYX"
    assert as_tuple(image.pixel_size) == size(0.2, 0.25, 1.5)


def test_imagej_without_unit_has_no_size_but_names_its_channels(tmp_path: Path) -> None:
    path = tmp_path / "channels.tif"
    imwrite(path, GREY[:2], imagej=True, resolution=(4, 4), metadata={"axes": "CYX", "Labels": ["DAPI", "Phase"]})
    image = read_image(path)
    assert image.pixel_size == PixelSize()
    assert image.channel_names == ("DAPI", "Phase")


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [(20_000, "CENTIMETER", 0.5), (50_800, "INCH", 0.5), (300, "INCH", 0.0), (72, "INCH", 0.0), (2, "NONE", 0.0)],
)
def test_resolution_tags_count_only_where_a_microscope_is_plausible(
    tmp_path: Path, resolution: float, unit: str, expected: float
) -> None:
    path = tmp_path / "plain.tif"
    imwrite(path, GREY[0], resolution=(resolution, resolution), resolutionunit=unit, metadata=None)
    assert as_tuple(read_image(path).pixel_size) == size(expected, expected)


def test_unknown_axes_of_a_plain_stack_are_q_and_surplus_samples_are_channels(tmp_path: Path) -> None:
    imwrite(tmp_path / "stack.tif", GREY, photometric="minisblack", metadata=None)
    assert read_image(tmp_path / "stack.tif").axes == "QYX"
    imwrite(tmp_path / "samples.tif", np.moveaxis(GREY[:3], 0, -1), photometric="minisblack", planarconfig="contig")
    assert read_image(tmp_path / "samples.tif").axes == "YXC"


@pytest.mark.parametrize("planar", [False, True])
def test_colours_come_last_however_they_are_stored(tmp_path: Path, planar: bool) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    stored = np.moveaxis(picture, -1, 0) if planar else picture
    imwrite(
        tmp_path / "c.tif", stored, photometric="rgb", planarconfig="separate" if planar else "contig", metadata=None
    )
    image = read_image(tmp_path / "c.tif")
    assert image.axes == "YXS"
    assert np.array_equal(image.array, picture)


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [">u2", "?", "i1", "u4", "f2", ">f8", "i8"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_values_of_every_type_come_back(tmp_path: Path, dtype: str, compression: str | None) -> None:
    values = (GREY[0] % 2 if dtype == "?" else GREY[0] % 100).astype(dtype)
    imwrite(tmp_path / "v.tif", values, byteorder=">", compression=compression)
    array = read_image(tmp_path / "v.tif").array
    assert array.dtype.newbyteorder("=") == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(array, values)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressions_in_daily_use_are_read(tmp_path: Path, compression: str) -> None:
    planes = [Image.fromarray(plane) for plane in GREY]
    planes[0].save(tmp_path / "c.tif", compression=compression, save_all=True, append_images=planes[1:])
    image = read_image(tmp_path / "c.tif")
    assert image.axes == "QYX"
    assert np.array_equal(image.array, GREY)


def test_a_compression_that_nothing_here_reads_is_named(tmp_path: Path) -> None:
    imwrite(tmp_path / "j.tif", GREY[0], compression="zlib")
    replace_tag(tmp_path / "j.tif", "Compression", 32809)
    with pytest.raises(ImageFileError, match=r"THUNDERSCAN.*imagecodecs"):
        read_image(tmp_path / "j.tif")


@pytest.mark.skipif(find_spec("imagecodecs") is not None, reason="imagecodecs decodes part by part what Pillow cannot")
def test_what_only_pillow_can_decode_is_not_decoded_where_it_would_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(GREY[0]).save(tmp_path / "c.tif", compression="tiff_lzw")
    monkeypatch.setattr(tiff_file, "LARGEST_DECODED", 10)
    with pytest.raises(ImageFileError, match=r"LZW.*too large.*imagecodecs"):
        read_image(tmp_path / "c.tif")


@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16), "compression": "zlib"}, {"tile": (16, 16)}])
def test_large_images_stay_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: dict[str, Any]) -> None:
    monkeypatch.setattr(tiff_file, "LAZY_ABOVE", 1000)
    imwrite(tmp_path / "large.tif", GREY, byteorder=">", photometric="minisblack", **layout)
    image = read_image(tmp_path / "large.tif")
    assert type(image.array) is not np.ndarray
    assert image.array.shape == GREY.shape
    assert np.array_equal(image.array[2, 3:30, 7:9], GREY[2, 3:30, 7:9])


def test_a_movie_stays_on_disk_from_a_few_frames_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_file, "LAZY_STACK_ABOVE", 1000)
    imwrite(tmp_path / "movie.tif", GREY, compression="zlib", photometric="minisblack")
    imwrite(tmp_path / "plane.tif", GREY[0], compression="zlib", photometric="minisblack")
    assert type(read_image(tmp_path / "movie.tif").array) is not np.ndarray
    assert np.array_equal(read_image(tmp_path / "movie.tif").array[1, 3:9], GREY[1, 3:9])
    assert type(read_image(tmp_path / "plane.tif").array) is np.ndarray


def test_a_large_image_in_one_compressed_piece_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_file, "LAZY_ABOVE", 1000)
    monkeypatch.setattr(tiff_file, "_LARGEST_CHUNK", 1000)
    imwrite(tmp_path / "strip.tif", GREY[0], compression="zlib", rowsperstrip=40)
    assert type(read_image(tmp_path / "strip.tif").array) is np.ndarray


def test_the_finest_level_of_a_pyramid_is_read(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "p.ome.tif") as tif:
        tif.write(GREY[0], subifds=1, tile=(16, 16), metadata={"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5})
        tif.write(GREY[0, ::2, ::2], subfiletype=1, tile=(16, 16))
    assert np.array_equal(read_image(tmp_path / "p.ome.tif").array, GREY[0])


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.jpg"])
def test_grey_and_coloured_pictures(tmp_path: Path, name: str) -> None:
    grey = np.tile(np.arange(0, 200, 5, dtype=np.uint8), (30, 1))
    iio.imwrite(tmp_path / name, grey)
    image = read_image(tmp_path / name)
    assert (image.axes, image.array.dtype, image.pixel_size) == ("YX", np.uint8, PixelSize())
    np.testing.assert_allclose(image.array.astype(int), grey, atol=4)
    iio.imwrite(tmp_path / name, np.stack([grey, grey // 2, grey // 4], axis=-1))
    assert read_image(tmp_path / name).axes == "YXS"


@pytest.mark.parametrize(
    ("mode", "suffix", "shape"),
    [
        ("P", ".png", (30, 40, 3)),
        ("1", ".png", (30, 40)),
        ("LA", ".png", (30, 40)),
        ("RGBA", ".png", (30, 40, 4)),
        ("CMYK", ".jpg", (30, 40, 3)),
    ],
)
def test_every_colour_model_becomes_grey_or_red_green_blue(
    tmp_path: Path, mode: str, suffix: str, shape: tuple[int, ...]
) -> None:
    picture = Image.fromarray(np.full((30, 40, 3), (200, 0, 0), np.uint8)).convert(mode)
    picture.save(tmp_path / f"m{suffix}")
    array = read_image(tmp_path / f"m{suffix}").array
    assert array.shape == shape
    if array.ndim == 3:
        np.testing.assert_allclose(array[0, 0, :3].astype(int), (200, 0, 0), atol=4)


def test_16_bit_png_keeps_its_16_bits(tmp_path: Path) -> None:
    iio.imwrite(tmp_path / "deep.png", GREY[0] * 5)
    assert np.array_equal(read_image(tmp_path / "deep.png").array, GREY[0] * 5)


# --- files that cannot be read --------------------------------------------------------------------------------------


def replace_tag(path: Path, name: str, value: int) -> None:
    with TiffFile(path) as tif:
        tag = tif.pages.first.tags[name]
    content = bytearray(path.read_bytes())
    width = {3: "<H", 4: "<I"}[int(tag.dtype)]
    struct.pack_into(width, content, tag.valueoffset, value)
    path.write_bytes(content)


@pytest.mark.parametrize("layout", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = tmp_path / "cut.tif"
    imwrite(path, np.random.default_rng(0).integers(0, 9999, (3, 64, 64), np.uint16), **layout)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ImageFileError, match=r"cut\.tif ends before its image.*again"):
        read_image(path)


@pytest.mark.parametrize("layout", [{}, {"compression": "zlib"}])
def test_an_absurd_size_is_refused_before_memory_is_taken(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = tmp_path / "absurd.tif"
    imwrite(path, GREY[0], metadata=None, **layout)
    for tag in ("ImageWidth", "ImageLength"):
        replace_tag(path, tag, 2**31 - 1)
    with pytest.raises(ImageFileError, match=r"absurd\.tif"):
        read_image(path)


def test_damage_anywhere_in_a_file_is_an_image_file_error_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "damaged.tif"
    imwrite(path, GREY[:2], compression="zlib", photometric="minisblack")
    sound = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(sound)
        for position in rng.integers(8, len(content), 8):
            content[position] = rng.integers(256)
        path.write_bytes(content)
        with contextlib.suppress(ImageFileError):
            read_image(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("text.tif", b"These are my notes, no image.", "cannot be read as an image"),
        ("text.png", b"These are my notes, no image.", "cannot be read as an image"),
        ("empty.tif", b"", "empty"),
        ("empty.jpg", b"", "empty"),
        ("noname", b"x", "OME-TIFF"),
    ],
)
def test_what_is_no_image_is_refused_by_name(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageFileError, match=says) as caught:
        read_image(tmp_path / name)
    assert name in str(caught.value)


def test_missing_files_folders_and_complex_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="does not exist"):
        read_image(tmp_path / "gone.tif")
    with pytest.raises(ImageFileError, match="is a folder"):
        read_image(tmp_path)
    imwrite(tmp_path / "wave.tif", np.zeros((4, 4), np.complex64))
    with pytest.raises(ImageFileError, match="complex64"):
        read_image(tmp_path / "wave.tif")


# --- what is told without reading pixels ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(".png", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    + [(".jpg", mode) for mode in ("L", "RGB", "CMYK")]
    + [(".bmp", mode) for mode in ("1", "L", "P", "RGB")],
)
def test_the_header_of_a_picture_is_that_of_the_image_that_is_read(tmp_path: Path, suffix: str, mode: str) -> None:
    path = tmp_path / f"a{suffix}"
    picture = Image.new(mode, (7, 5))
    if mode == "P":
        picture.putpalette(bytes(range(256)) * 3)  # without colours Pillow before version 13 cannot read it again
    picture.save(path)
    assert read_header(path) == read_image(path).header


@pytest.mark.parametrize("planar", [False, True])
def test_the_header_of_a_tiff_is_that_of_the_image_that_is_read(tmp_path: Path, planar: bool) -> None:
    path = tmp_path / "a.ome.tif"
    shape, config = ((2, 3, 40, 50), "separate") if planar else ((2, 40, 50, 3), "contig")
    metadata = {"axes": "ZSYX" if planar else "ZYXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    imwrite(path, np.zeros(shape, np.uint8), photometric="rgb", planarconfig=config, metadata=metadata)
    header = read_header(path)
    assert header == read_image(path).header
    assert (header.axes, header.shape) == ("ZYXS", (2, 40, 50, 3))


def test_a_header_without_pixels_to_it_is_refused_as_the_image_would_be(tmp_path: Path) -> None:
    path = tmp_path / "cut.tif"
    imwrite(path, GREY)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ImageFileError, match="truncated"):
        read_header(path)


def test_an_ome_zarr_image_is_its_finest_level_and_stays_on_disk(tmp_path: Path) -> None:
    from yaozarrs import DimSpec, v05
    from yaozarrs.write.v05 import write_image

    sizes = {"c": None, "y": 0.5, "x": 0.25}
    dims = [
        DimSpec(name=name, scale=scale or 1.0, unit="micrometer" if scale else None) for name, scale in sizes.items()
    ]
    image = v05.Image(multiscales=[v05.Multiscale.from_dims(dims)])
    write_image(tmp_path / "cells.ome.zarr", image, GREY[:2], writer="zarr")
    read = read_image(tmp_path / "cells.ome.zarr")
    assert (read.axes, as_tuple(read.pixel_size)) == ("CYX", size(0.5, 0.25))
    assert not isinstance(read.array, np.ndarray)
    assert np.array_equal(read.array[:], GREY[:2])
    assert read_header(tmp_path / "cells.ome.zarr") == read.header


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([{"mask": 1}], object), "holds Python objects"),
        (np.zeros((0, 5)), "no image: its array has the shape"),
        (np.zeros((4, 4), [("a", "i4")]), "real numbers"),
    ],
)
def test_arrays_that_are_no_images_are_refused_in_words(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ImageFileError, match=reason):
        read_image(tmp_path / "a.npy")

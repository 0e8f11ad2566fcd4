from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from tifffile import imwrite

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.io.find import find_images
from napari_unet_nuclei.core.image.io.formats import content_format, format_of
from napari_unet_nuclei.core.image.io.read import read_header, read_image
from napari_unet_nuclei.core.image.io.tiff import read as tiff_file

CHANNELS = np.arange(2 * 40 * 50, dtype=np.uint16).reshape(2, 40, 50)


def write_ome(path: Path, bigtiff: bool = False) -> Path:
    described = {
        "axes": "CYX",
        "Channel": {"Name": ["DAPI", "GFP"]},
        **{f"PhysicalSize{axis}": 0.5 for axis in "YX"},
    }
    imwrite(path, CHANNELS, metadata=described, ome=True, bigtiff=bigtiff, photometric="minisblack")
    return path


@pytest.mark.parametrize(
    "suffix",
    [".ome.tf2", ".ome.tf8", ".ome.btf", ".svs", ".qptiff", ".scn", ".stk", ".ndpi", ".flex", ".TIF", ".dat", ""],
)
@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_tiff_keeps_axes_channels_and_pixel_size_under_every_suffix(
    tmp_path: Path, suffix: str, bigtiff: bool
) -> None:
    image = read_image(write_ome(tmp_path / f"cells{suffix}", bigtiff))
    assert (image.axes, image.channel_names) == ("CYX", ("DAPI", "GFP"))
    assert (image.pixel_size.y, image.pixel_size.x) == (0.5, 0.5)
    assert np.array_equal(image.array, CHANNELS)
    assert read_header(image.path) == image.header
    assert list(find_images([tmp_path]).roots) == [image.path]


def test_a_large_tiff_under_a_scanners_suffix_stays_on_disk(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tiff_file, "LAZY_ABOVE", 1000)
    imwrite(tmp_path / "slide.svs", CHANNELS[0], tile=(16, 16), compression="zlib")
    assert type(read_image(tmp_path / "slide.svs").array) is not np.ndarray


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "JPEG2000", "AVIF"])
def test_pictures_are_known_by_their_content(tmp_path: Path, kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    path = tmp_path / "picture.tif"
    Image.fromarray(np.full((30, 40, 3), (200, 40, 90), np.uint8)).save(path, kind)
    assert content_format(path) == "picture"
    assert read_image(path).array.shape[:2] == (30, 40)


def test_arrays_that_numpy_saved_are_images(tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", CHANNELS)
    image = read_image(tmp_path / "stack.npy")
    assert (image.axes, isinstance(image.array, np.memmap)) == ("ZYX", True)
    assert np.array_equal(image.array, CHANNELS)
    colours = np.random.default_rng(0).random((40, 50, 3))
    np.save(tmp_path / "colours.npy", colours)
    assert read_image(tmp_path / "colours.npy").axes == "YXS"
    np.save(tmp_path / "six.npy", np.zeros((1,) * 6))
    with pytest.raises(ImageShapeError, match="cannot be guessed"):
        read_image(tmp_path / "six.npy")


@pytest.mark.parametrize(
    ("content", "known"),
    [
        (b"ZISRAWFILE......", "czi"),
        (b"\xda\xce\xbe\x0a....", "nd2"),
        (b"\x70\0\0\0....", "lif"),
        (b"BM was the first to measure it", None),
        (b"name;count\n", None),
        (b"", None),
    ],
)
def test_other_formats_and_texts(tmp_path: Path, content: bytes, known: str | None) -> None:
    (tmp_path / "a.dat").write_bytes(content)
    assert format_of(tmp_path / "a.dat") == known


def test_portable_maps_are_pictures(tmp_path: Path) -> None:
    Image.fromarray(CHANNELS[0]).save(tmp_path / "a.pgm")
    Image.fromarray(np.full((30, 40, 3), 9, np.uint8)).save(tmp_path / "a.ppm")
    assert np.array_equal(read_image(tmp_path / "a.pgm").array, CHANNELS[0])
    assert read_image(tmp_path / "a.ppm").axes == "YXS"


def test_files_that_say_nothing_are_known_by_their_suffix(tmp_path: Path) -> None:
    (tmp_path / "empty.czi").touch()
    assert format_of(tmp_path / "empty.czi") == "czi"


def test_a_folder_notes_what_it_passes_over(tmp_path: Path) -> None:
    write_ome(tmp_path / "image.dat")
    for name in ("plate.csv", "notes.txt", ".hidden.txt", "sub/b.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no image")
    found = find_images([tmp_path])
    assert [path.name for path in found.roots] == ["image.dat"]
    assert [path.name for path in found.passed_over] == ["notes.txt", "plate.csv", "b.xml"]
    assert find_images([tmp_path / "*.csv", tmp_path / "image.dat"]).passed_over == (tmp_path / "plate.csv",)

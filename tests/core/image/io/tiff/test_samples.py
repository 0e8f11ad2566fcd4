"""What the samples of a TIFF are: the tags say it wrongly often enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image
from tifffile import imwrite

from napari_unet_nuclei.core.errors import ImageFileError, ImageShapeError
from napari_unet_nuclei.core.image.io.read import read_header, read_image, read_label_image

RNG = np.random.default_rng(0)
DARK = RNG.integers(0, 900, (4, 60, 80)).astype(np.uint16)
"""Four planes or stains of fluorescence."""


def stained() -> np.ndarray:
    """Violet nuclei in pale tissue, (Y, X, 3)."""
    inside = np.hypot(*np.mgrid[-30:30, -40:40])[..., None] % 20 < 8
    picture = np.where(inside, (90, 60, 140), (236, 214, 228)) + RNG.normal(0, 3, (60, 80, 3))
    return picture.clip(0, 255).astype(np.uint8)


def written(path: Path, array: Any, **how: Any) -> Path:
    imwrite(path, array, **how)
    return path


@pytest.mark.parametrize("planes", [3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_stacks_of_three_and_four_planes_are_stacks_though_tifffile_and_napari_mark_them_as_colours(
    tmp_path: Path, planes: int, dtype: str
) -> None:
    stack = (DARK[:planes] // 4).astype(dtype)
    image = read_image(written(tmp_path / "stack.tif", stack, photometric="rgb", planarconfig="separate"))
    assert image.axes == "QYX"
    assert np.array_equal(image.array, stack)
    assert "with the axes SYX" in image.guessed
    assert read_header(image.path) == image.header
    assert image.source("ZYX").leading_shape == (planes,)
    assert image.source("SYX").is_colour


@pytest.mark.parametrize("opaque", [False, True])
def test_a_stained_picture_stored_colour_by_colour_is_one(tmp_path: Path, opaque: bool) -> None:
    picture = stained()
    if opaque:
        picture = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    stored = np.moveaxis(picture, -1, 0)
    image = read_image(written(tmp_path / "c.tif", stored, photometric="rgb", planarconfig="separate"))
    assert image.axes == "YXS"
    assert np.array_equal(image.array, picture)
    # By hand, axes are those of the file.
    assert image.source("ZYX").leading_shape == (len(stored),)
    assert image.header.source("ZYX").leading_shape == (len(stored),)
    with pytest.raises(ImageShapeError, match="do not describe"):
        image.source("TZYX")


def test_four_stains_are_four_channels_and_opacity_is_none(tmp_path: Path) -> None:
    last = np.moveaxis(DARK, 0, -1)
    for name, array, how in (
        ("contiguous", last, {"extrasamples": ["unspecified"]}),
        ("planes", DARK, {"extrasamples": ["unspecified"], "planarconfig": "separate"}),
    ):
        image = read_image(written(tmp_path / f"{name}.tif", array, photometric="rgb", **how))
        assert image.source().channels == 4
        assert np.array_equal(image.source().read((), 3), DARK[3])
    opaque = np.dstack([stained(), np.full((60, 80), 255, np.uint8)])
    for meant in ("unassalpha", "assocalpha", "unspecified"):
        image = read_image(written(tmp_path / f"{meant}.tif", opaque, photometric="rgb", extrasamples=[meant]))
        assert (image.axes, image.source().channels) == ("YXS", 3)


def test_an_opacity_of_nothing_is_ignored(tmp_path: Path) -> None:
    blank = np.dstack([stained(), np.zeros((60, 80), np.uint8)])
    image = read_image(written(tmp_path / "a.tif", blank, photometric="rgb", extrasamples=["unassalpha"]))
    assert image.array.shape == (60, 80, 3)


@pytest.mark.parametrize(
    ("values", "axes"),
    [
        (stained() / np.float32(255), "YXS"),
        (stained().astype(np.int32), "YXS"),
        (stained().astype(np.float64), "YXS"),
        (stained().astype(np.uint16) * 200, "YXS"),
        (np.moveaxis(DARK[:3], 0, -1) * np.float32(0.37), "YXC"),
        (np.moveaxis(DARK[:3], 0, -1).astype(np.int32) - 400, "YXC"),
    ],
)
def test_other_types_are_colours_by_their_values(tmp_path: Path, values: np.ndarray, axes: str) -> None:
    image = read_image(written(tmp_path / "a.tif", values, photometric="rgb"))
    assert image.axes == axes
    assert bool(image.guessed) == (axes == "YXC")


def test_grey_with_opacity_is_grey_and_two_samples_are_two_channels(tmp_path: Path) -> None:
    two = np.moveaxis(DARK[:2], 0, -1)
    how = {"photometric": "minisblack", "planarconfig": "contig"}
    assert read_image(written(tmp_path / "two.tif", two, **how)).source().channels == 2
    with_opacity = read_image(written(tmp_path / "la.tif", two, extrasamples=["unassalpha"], **how)).source()
    assert (with_opacity.channels, with_opacity.has_opacity) == (1, True)


def test_channels_last_without_names_are_channels(tmp_path: Path) -> None:
    image = read_image(written(tmp_path / "last.tif", np.moveaxis(DARK[:2], 0, -1), photometric="minisblack"))
    assert (image.axes, image.source().channels) == ("YXC", 2)


@pytest.mark.parametrize("leading", ["T", "Z"])
def test_series_and_stacks_of_colour_pictures_keep_their_axis(tmp_path: Path, leading: str) -> None:
    frames = np.stack([stained()] * 4)
    path = written(tmp_path / "a.ome.tif", frames, photometric="rgb", metadata={"axes": f"{leading}YXS"})
    assert read_image(path).source().leading_axes == leading


def test_channels_of_pictures_in_a_colour_are_channels(tmp_path: Path) -> None:
    overlays = np.zeros((2, 60, 80, 3), np.uint8)
    overlays[0, ..., 2], overlays[1, ..., 1] = DARK[0] // 4, DARK[1] // 4
    described = {"axes": "CYXS", "Channel": {"Name": ["DAPI", "GFP"]}}
    source = read_image(written(tmp_path / "a.ome.tif", overlays, photometric="rgb", metadata=described)).source()
    assert source.channel_names == ("DAPI", "GFP")
    assert np.array_equal(source.read((), 0), overlays[0, ..., 2])


# --- tables of colours ------------------------------------------------------------------------------------------------


def ramp(*weights: float) -> np.ndarray:
    return np.stack([np.arange(256) * 257 * weight for weight in weights]).astype(np.uint16)


SHUFFLED = np.random.default_rng(1).integers(0, 255, (3, 256), np.uint16) * 257
INDICES = RNG.integers(0, 256, (60, 80), np.uint8)


@pytest.mark.parametrize("weights", [(1, 1, 1), (0, 1, 0), (1, 0, 0.4)])
def test_a_table_that_only_tints_leaves_intensities(tmp_path: Path, weights: tuple[float, ...]) -> None:
    image = read_image(written(tmp_path / "a.tif", INDICES, photometric="palette", colormap=ramp(*weights)))
    assert (image.axes, image.guessed) == ("YX", "")
    assert np.array_equal(image.array, INDICES)


def test_indices_of_colours_become_colours_but_labels_stay_indices(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", INDICES, photometric="palette", colormap=SHUFFLED)
    image = read_image(path)
    assert image.axes == "YXS"
    assert np.array_equal(image.array, (SHUFFLED.T // 257)[INDICES])
    assert "with the axes YX" in image.guessed
    assert read_header(path) == image.header
    assert np.array_equal(image.source("YX").read((), 0), INDICES)
    assert np.array_equal(read_label_image(path).array, INDICES)


def test_indices_of_greys_become_grey(tmp_path: Path) -> None:
    falling = ramp(1, 1, 1)[:, ::-1]
    image = read_image(written(tmp_path / "a.tif", INDICES, photometric="palette", colormap=falling))
    assert image.axes == "YX"
    assert np.array_equal(image.array, 255 - INDICES)


def test_every_page_has_its_own_table(tmp_path: Path) -> None:
    pages = [Image.fromarray(picture).quantize(64) for picture in (stained(), 255 - stained())]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "QYXS"
    for page, read in zip(pages, image.array, strict=True):
        np.testing.assert_allclose(read.astype(int), np.asarray(page.convert("RGB")).astype(int), atol=1)


# --- colour models ----------------------------------------------------------------------------------------------------


OLD_PILLOW = int(PIL.__version__.split(".")[0]) < 13
"""It cannot read YCbCr that it has written without compression."""


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "RGB", "RGBA", "L", "LA", "P", "1"])
def test_every_colour_model_becomes_grey_or_red_green_and_blue(tmp_path: Path, mode: str, compression: str) -> None:
    picture = Image.fromarray(stained()).convert(mode)
    picture.save(tmp_path / "a.tif", compression=compression)
    if OLD_PILLOW and (mode, compression) == ("YCbCr", "raw"):
        with pytest.raises(ImageFileError, match="Pillow 13 or newer"):
            read_image(tmp_path / "a.tif")
        return
    source = read_image(tmp_path / "a.tif").source()
    wanted = np.asarray(picture.convert("RGB" if source.is_colour else "L")).reshape(60, 80, -1).astype(int)
    for channel in range(source.channels):
        read = source.read((), channel) * (255 if mode == "1" else 1)
        np.testing.assert_allclose(read, wanted[..., channel], atol=2)

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from npe2 import DynamicPlugin, PluginManager

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import read_header, read_image
from tests.helpers.microscope_files import write_czi, write_lif, write_nd2

PIXELS = np.random.default_rng(0).integers(0, 60_000, (2, 3, 20, 30), np.uint16)


@pytest.mark.parametrize("suffix", ["nd2", "lif", "czi"])
def test_without_its_package_the_extra_to_install_is_named(tmp_path: Path, monkeypatch, suffix: str) -> None:
    for name in ("nd2", "liffile", "czifile"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / f"slide.{suffix}"
    path.write_bytes(b"something")
    with pytest.raises(ImageFileError, match=r'pip install "napari-unet-nuclei\[formats\]", or export .* OME-TIFF'):
        read_image(path)


@pytest.mark.parametrize(
    ("suffix", "package", "content"),
    [("nd2", "nd2", b"no"), ("lif", "liffile", b"no"), ("czi", "czifile", b"ZISRAWFILE")],
)
def test_damaged_files_are_refused_by_name(tmp_path: Path, suffix: str, package: str, content: bytes) -> None:
    pytest.importorskip(package)
    path = tmp_path / f"slide.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match=rf"slide\.{suffix} cannot be read"):
        read_image(path)


def test_images_of_a_lif_file_are_chosen_by_number(tmp_path: Path) -> None:
    pytest.importorskip("liffile")
    path = tmp_path / "a.lif"
    write_lif(path, [PIXELS[0], PIXELS[1]], "ZYX", 0.5e-6)
    for number in (0, 1):
        image = read_image(path, number)
        assert image.axes == "ZYX"
        assert np.array_equal(image.array, PIXELS[number])
        assert (image.pixel_size.y, image.pixel_size.x, image.pixel_size.z) == pytest.approx((0.5, 0.5, 0.5))
    assert read_header(path) == read_image(path, 0).header
    with pytest.raises(ImageFileError, match="2 image series"):
        read_image(path, 2)


def test_scenes_of_a_czi_file_are_chosen_by_number(tmp_path: Path) -> None:
    pytest.importorskip("czifile")
    path = tmp_path / "a.czi"
    write_czi(path, PIXELS, 0.325e-6, ["DAPI", "GFP", "Cy5"])
    for number in (0, 1):
        image = read_image(path, number)
        assert (image.axes, image.channel_names) == ("CYX", ("DAPI", "GFP", "Cy5"))
        assert np.array_equal(image.array, PIXELS[number])
        assert (image.pixel_size.y, image.pixel_size.x) == pytest.approx((0.325, 0.325))
    with pytest.raises(ImageFileError, match="2 image series"):
        read_image(path, 2)


@pytest.mark.parametrize("described", [True, False])
def test_an_nd2_file_tells_channels_and_pixel_size(tmp_path: Path, described: bool) -> None:
    pytest.importorskip("nd2")
    path = tmp_path / "a.nd2"
    write_nd2(path, PIXELS[0], 0.65, ["DAPI", "GFP", "Cy5"], described)
    image = read_image(path)
    assert image.axes == "CYX"
    assert image.channel_names == (("DAPI", "GFP", "Cy5") if described else ())
    assert np.array_equal(image.array, PIXELS[0])
    size = image.pixel_size
    assert (size.y, size.x, size.z) == ((0.65, 0.65, 0.0) if described else (0.0, 0.0, 0.0))
    with pytest.raises(ImageFileError, match="holds a single image"):
        read_image(path, 1)


STACK = np.arange(2 * 5 * 6, dtype=np.uint16).reshape(2, 5, 6)


@pytest.fixture
def reader(request):
    """An installed reader for .raw files that makes the layers of the test's parameter."""
    with DynamicPlugin("some-reader", plugin_manager=PluginManager.instance()) as plugin:

        @plugin.contribute.reader(filename_patterns=["*.raw"])
        def get_reader(path):
            return lambda paths: request.param

        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cells.raw"
    path.write_bytes(b"something")
    return path


@pytest.mark.parametrize(
    ("reader", "axes", "size"),
    [
        ([(STACK,)], "ZYX", (0, 0)),
        ([(STACK, {"channel_axis": 0, "scale": (0.5, 0.25), "units": "um"})], "CYX", (0.5, 0.25)),
        ([(STACK, {"axis_labels": "tyx", "scale": (1, 2, 3), "units": ("s", "nm", "nm")})], "TYX", (0.002, 0.003)),
        ([([STACK, STACK[:, ::2, ::2]], {"multiscale": True}, "image")], "ZYX", (0, 0)),
        ([(np.zeros((3, 2)), {}, "points"), (STACK, {}, "image")], "ZYX", (0, 0)),
    ],
    indirect=["reader"],
)  # fmt: skip
def test_whatever_reader_is_installed_reads_with_axes_and_pixel_size(reader, file, axes, size) -> None:
    image = read_image(file)
    assert np.array_equal(image.array, STACK)
    assert image.axes == axes
    assert (image.pixel_size.y, image.pixel_size.x) == pytest.approx(size)
    assert read_header(file) == image.header


@pytest.mark.parametrize("reader", [[(STACK, {}, "image"), (STACK[0], {}, "image")]], indirect=True)
def test_one_of_several_layers_is_chosen(reader, file) -> None:
    assert read_image(file, 1).axes == "YX"
    with pytest.raises(ImageFileError, match="2 image series"):
        read_image(file, 2)


@pytest.mark.parametrize("reader", [[(STACK,)]], indirect=True)
def test_where_one_reader_fails_another_is_asked(reader, file) -> None:
    with DynamicPlugin("a-reader", plugin_manager=PluginManager.instance()) as plugin:

        @plugin.contribute.reader(filename_patterns=["*.raw"])
        def get_failing_reader(path):
            def fail(paths: list[str]) -> None:
                raise ValueError("not mine after all")

            return fail

        assert read_image(file).axes == "ZYX"


def test_without_a_reader_the_ways_out_are_named(file) -> None:
    with pytest.raises(ImageFileError, match=r"OME-TIFF, install a napari reader"):
        read_image(file)


@pytest.mark.parametrize("reader", [[(np.zeros((3, 2)), {}, "points")]], indirect=True)
def test_a_file_without_image_layers_is_no_image(reader, file) -> None:
    with pytest.raises(ImageFileError, match="cannot be read"):
        read_image(file)

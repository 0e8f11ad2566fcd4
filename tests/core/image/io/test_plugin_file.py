from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from npe2 import DynamicPlugin, PluginManager

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import read_header, read_image

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

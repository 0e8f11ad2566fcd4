"""What Python callers may pass as an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei import segment_folder
from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.segment.inputs import make_request

PIXELS = np.zeros((2, 3, 16, 16), np.uint16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two channels of three planes, with names and pixel size."""
    path = tmp_path / "cells.ome.tif"
    sizes = {"PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
    tifffile.imwrite(path, PIXELS, metadata={"axes": "CZYX", "Channel": {"Name": ["GFP", "DAPI"]}, **sizes})
    return path


def test_a_path_and_an_open_file_bring_axes_names_and_pixel_size_along(path):
    for image in (path, str(path), read_image(path)):
        request = make_request(image, "nuclei", {})
        assert (request.source.axes, request.source.channel_names) == ("CZYX", ("GFP", "DAPI"))
        assert request.pixel_size.y == request.pixel_size.x == 0.5
        assert request.file == str(path)


def test_what_is_given_wins_over_the_file(path):
    request = make_request(
        path, "nuclei", {}, axes="CTYX", channel_names=["one", "two"], pixel_size=PixelSize(2.0, 2.0)
    )
    assert (request.source.axes, request.source.channel_names) == ("CTYX", ("one", "two"))
    assert request.pixel_size.y == 2.0


def test_an_array_has_guessed_axes_and_no_file():
    request = make_request(PIXELS[0], Path("mine.safetensors"), {"diameter": 30})
    assert (request.source.axes, request.file, request.model) == ("ZYX", "", "mine.safetensors")
    assert request.settings.diameter == 30
    assert not request.settings.diameter_auto


def test_of_a_multiscale_image_one_level_is_taken():
    levels = [PIXELS[0], PIXELS[0, :, ::2, ::2]]
    assert make_request(levels, "nuclei", {}, level=1).source.plane_shape == (8, 8)


def test_an_unknown_setting_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(SettingsError, match="diametre"):
        segment_folder(tmp_path / "images", tmp_path / "results", diametre=30)
    assert not (tmp_path / "results").exists()


def test_a_model_that_is_neither_name_nor_path_is_refused_in_words():
    with pytest.raises(SettingsError, match="The model is a dict: give its name"):
        make_request(PIXELS, {}, {})


def test_guessed_axes_are_said_where_an_array_can_be_read_in_several_ways():
    (remark,) = make_request(PIXELS[0], "nuclei", {}).remarks
    assert "taken to be ZYX" in remark
    assert not make_request(PIXELS[0], "nuclei", {}, axes="ZYX").remarks
    assert not make_request(PIXELS[0, 0], "nuclei", {}).remarks
    assert not make_request(np.zeros((16, 16, 3), np.uint8), "nuclei", {}).remarks, "colours are no guess of an axis"


def test_axes_may_be_small_letters():
    assert make_request(PIXELS[0], "nuclei", {}, axes="tyx").source.axes == "TYX"


@pytest.mark.parametrize(("wrong", "said"), [({"pixel_size": 0.5}, "PixelSize"), ({"plane": 2}, "a tuple")])
def test_a_bare_number_in_place_of_several_is_refused_in_words(wrong, said):
    with pytest.raises(SettingsError, match=said):
        make_request(PIXELS[0], "nuclei", {}, **wrong)

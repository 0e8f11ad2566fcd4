"""What MetaMorph and MetaXpress write into their files."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.layouts.grouping import group_files
from napari_unet_nuclei.core.image.layouts.split_image import split_header
from tests.helpers.metamorph_files import write_stk

PLANE = """<MetaData><PlaneInfo>
<prop id="spatial-calibration-state" type="bool" value="{state}"/>
<prop id="spatial-calibration-x" type="float" value="0.65"/>
<prop id="spatial-calibration-y" type="float" value="0.65"/>
<prop id="spatial-calibration-units" type="string" value="{unit}"/>
<custom-prop id="_IllumSetting_" type="string" value="{name}"/>
</PlaneInfo></MetaData>"""


def write(path, name="DAPI", unit="um", state="on"):
    described = PLANE.format(name=name, unit=unit, state=state)
    tifffile.imwrite(path, np.ones((8, 6), np.uint16), description=described, metadata=None, software="MetaSeries")
    return path


def test_pixel_size_and_wavelength_are_read(tmp_path):
    file = read_image(write(tmp_path / "a.tif"))
    assert (file.pixel_size.y, file.pixel_size.x) == (0.65, 0.65)
    assert file.channel_names == ("DAPI",)


@pytest.mark.parametrize("about", [{"state": "off"}, {"unit": "pixel"}])
def test_pixels_that_were_not_calibrated_have_no_size(tmp_path, about):
    assert not read_image(write(tmp_path / "a.tif", **about)).pixel_size.known


@pytest.mark.parametrize(("unit", "calibrated", "known"), [("um", 1, True), ("pixel", 1, False), ("um", 0, False)])
def test_stacks_tell_their_micrometres_and_times(tmp_path, unit, calibrated, known):
    planes = np.arange(3 * 8 * 6, dtype=np.uint16).reshape(3, 8, 6)
    write_stk(tmp_path / "a.stk", planes, unit, 0.5, [0, 0, 0], calibrated)
    stack = read_image(tmp_path / "a.stk")
    assert stack.axes == "ZYX"
    np.testing.assert_array_equal(stack.array, planes)
    size = stack.pixel_size
    assert (size.y, size.x, size.z) == ((0.645, 0.645, 0.5) if known else (0, 0, 0))
    write_stk(tmp_path / "b.stk", planes, unit, 0, [1, 3.5, 61], calibrated)
    movie = read_image(tmp_path / "b.stk")
    assert (movie.axes, movie.frame_times) == ("TYX", (0, 2.5, 60))


def test_channels_of_separate_files_are_called_by_both_names(tmp_path):
    files = [write(tmp_path / f"e_B02_s1_w{w}.tif", name) for w, name in ((1, "FITC"), (2, "Hoechst"))]
    (image,) = group_files(dict.fromkeys(files, tmp_path)).images
    header = split_header(image)
    assert header.channel_names == ("w1 FITC", "w2 Hoechst")
    assert header.pixel_size.x == 0.65

"""What MetaMorph and MetaXpress write into their files."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.layouts.grouping import group_files
from napari_unet_nuclei.core.image.layouts.split_image import split_header

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


def test_channels_of_separate_files_are_called_by_both_names(tmp_path):
    files = [write(tmp_path / f"e_B02_s1_w{w}.tif", name) for w, name in ((1, "FITC"), (2, "Hoechst"))]
    (image,) = group_files(dict.fromkeys(files, tmp_path)).images
    header = split_header(image)
    assert header.channel_names == ("w1 FITC", "w2 Hoechst")
    assert header.pixel_size.x == 0.65

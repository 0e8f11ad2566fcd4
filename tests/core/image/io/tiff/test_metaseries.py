"""What MetaMorph and MetaXpress write into their files."""

from __future__ import annotations

import struct

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


def write_stk(path, planes, unit, apart, times, calibrated=1):
    """Write planes (N, Y, X) of 16 bits; ``apart`` in µm, ``times`` in s; all planes follow one set of tags."""
    count, height, width = planes.shape
    text = unit.encode() + b"\0"
    place = 8 + 2 + 12 * 11 + 4
    uic1 = [(3, calibrated), (4, place), (5, place), (6, place + 8)]
    extra = struct.pack("<IIi", 645, 1000, len(text)) + text
    places = [place + len(extra)]
    extra += b"".join(struct.pack("<II", *pair) for pair in uic1)
    places.append(place + len(extra))
    for time in times:
        extra += struct.pack("<IIIIII", round(apart * 1000), 1000, 2_459_000, round(time * 1000), 2_459_000, 0)
    pixels = place + len(extra)
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1),
            (273, 4, 1, pixels), (277, 3, 1, 1), (278, 3, 1, height), (279, 4, 1, planes[0].nbytes),
            (33628, 4, len(uic1), places[0]), (33629, 5, count, places[1])]  # fmt: skip
    listed = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    path.write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + listed + bytes(4) + extra + planes.tobytes())


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

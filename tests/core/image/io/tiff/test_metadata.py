"""What scanners and microscopes say about their pixels, each in its own way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.image.io.read import read_header, read_image

PLANES = np.random.default_rng(0).integers(0, 900, (3, 64, 80), np.uint16)


def test_a_slide_of_aperio_tells_its_micrometres(tmp_path: Path) -> None:
    slide = np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8)
    described = "Aperio Image Library v12.0\r\n80x64 (16x16) RAW|AppMag = 20|MPP = 0.4990|Left = 25.6"
    tifffile.imwrite(tmp_path / "a.svs", slide, tile=(16, 16), description=described, metadata=None)
    image = read_image(tmp_path / "a.svs")
    assert image.axes == "YXS"
    assert (image.pixel_size.y, image.pixel_size.x) == (0.499, 0.499)


def test_a_qptiff_names_and_colours_its_channels(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.qptiff") as file:
        for name, colour, plane in zip(("DAPI", "CD3", "CD8"), ("0,0,255", "0,255,0", "255,0,0"), PLANES, strict=True):
            described = (
                "<PerkinElmer-QPI-ImageDescription><ImageType>FullResolution</ImageType>"
                f"<Name>{name}</Name><Color>{colour}</Color></PerkinElmer-QPI-ImageDescription>"
            )
            how = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER", "software": "PerkinElmer-QPI"}
            file.write(plane, description=described, metadata=None, photometric="minisblack", **how)
    image = read_image(tmp_path / "a.qptiff")
    assert (image.axes, image.channel_names) == ("CYX", ("DAPI", "CD3", "CD8"))
    assert image.channel_colours == ("#0000ff", "#00ff00", "#ff0000")
    assert image.pixel_size.y == pytest.approx(0.5)
    assert np.array_equal(image.array, PLANES)
    assert read_header(image.path) == image.header


@pytest.mark.parametrize(("calibrated", "expected"), [("on", 0.645), ("off", 0.0)])
def test_metaxpress_tells_its_micrometres_beside_a_resolution_for_paper(
    tmp_path: Path, calibrated: str, expected: float
) -> None:
    described = (
        "<MetaData><PlaneInfo>"
        f'<prop id="spatial-calibration-state" type="bool" value="{calibrated}"/>'
        '<prop id="spatial-calibration-x" type="float" value="0.645"/>'
        '<prop id="spatial-calibration-y" type="float" value="0.645"/>'
        '<prop id="spatial-calibration-units" type="string" value="um"/>'
        "</PlaneInfo></MetaData>"
    )
    how = {"resolution": (72, 72), "resolutionunit": "INCH", "metadata": None, "software": "MetaSeries"}
    tifffile.imwrite(tmp_path / "A01_s1_w1.TIF", PLANES[0], description=described, **how)
    assert read_image(tmp_path / "A01_s1_w1.TIF").pixel_size.y == expected

"""What Opera writes into its files, whose fields are positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import read_headers, read_image
from napari_unet_nuclei.core.image.io.series import choose_series
from napari_unet_nuclei.core.image.io.tiff.ome import member_files
from tests.helpers.flex_files import write_flex

PAGES = np.random.default_rng(0).integers(0, 4000, (4, 8, 6), np.uint16)


@pytest.mark.parametrize(("text", "expected"), [("3.2E-07", 0.32), ("much", 0.0)])
def test_micrometres_are_read(tmp_path: Path, text: str, expected: float) -> None:
    write_flex(tmp_path / "a.flex", PAGES[:1], ["Exp1Cam1"], text)
    assert read_image(tmp_path / "a.flex").pixel_size.y == pytest.approx(expected)


@pytest.mark.parametrize("end", ["", ">", "%\0"])
@pytest.mark.parametrize("names", [["1_Cam1", "1_Cam2", "2_Cam1", "2_Cam2"], ["Exp1:Cam1", "Exp1:Cam2"] * 2])
def test_fields_are_images_and_their_pages_channels(tmp_path: Path, names: list[str], end: str) -> None:
    write_flex(tmp_path / "001002000.flex", PAGES, names, fields=2, end=end)
    chosen = choose_series(tmp_path / "001002000.flex")
    assert chosen.names == ("field 1", "field 2")
    for number in (0, 1):
        image = read_image(tmp_path / "001002000.flex", number)
        assert (image.axes, image.channel_names, image.pixel_size.x) == ("CYX", ("Cam1", "Cam2"), pytest.approx(0.32))
        np.testing.assert_array_equal(image.array, PAGES[2 * number : 2 * number + 2])


@pytest.mark.parametrize(("planes", "axes"), [(2, "ZYX"), (1, "TYX")])
def test_pages_of_one_name_are_planes_or_time_points(tmp_path: Path, planes: int, axes: str) -> None:
    write_flex(tmp_path / "a.flex", PAGES, ["1_Cam1", "2_Cam1", "1_Cam1", "2_Cam1"], fields=2, planes=planes)
    second = read_image(tmp_path / "a.flex", 1)
    assert second.axes == axes
    np.testing.assert_array_equal(second.array, PAGES[1::2])


def test_pages_that_are_not_named_stay_one_stack(tmp_path: Path) -> None:
    write_flex(tmp_path / "a.flex", PAGES, ["1_Cam1", "1_Cam2", "2_Cam1"], fields=2)
    [header] = read_headers(tmp_path / "a.flex")
    assert header.shape == PAGES.shape


def test_intensities_that_were_divided_are_said(tmp_path: Path) -> None:
    write_flex(tmp_path / "a.flex", PAGES[:2], ["1_Cam1", "1_Cam2"], factor="2.5")
    assert "divided by 2.5" in " ".join(read_image(tmp_path / "a.flex").remarks)


def test_a_file_without_a_page_is_damaged_whoever_asks(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(60))
    with pytest.raises(ImageFileError, match="holds no image"):
        read_image(tmp_path / "a.tif")
    assert member_files(tmp_path / "a.tif") == (tmp_path / "a.tif",)

"""Files whose names say which part of which image they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.image.layouts.grouping import Grouping, group_files
from tests.helpers.channel_files import GUID, touched

NAMES = {
    "metaxpress": (
        ["exp_B02_s1_w1.TIF", f"exp_B02_s1_w2{GUID}.tif"],
        ("exp_B02_s1", ("w1", "w2"), "exp", "B02", "1"),
    ),
    "metaxpress, one wavelength": ([f"exp_B02_s3{GUID}.tif"], ("exp_B02_s3", ("",), "exp", "B02", "3")),
    "metaxpress, folders of planes": (
        ["exp/TimePoint_1/ZStep_1/exp_A01_w1.tif", "exp/TimePoint_1/ZStep_2/exp_A01_w1.tif"],
        ("exp_A01", ("w1",), "exp", "A01", ""),
    ),
    "imagexpress, planes": (
        ["A01_s1_w1_z1.tif", "A01_s1_w1_z2.tif", "A01_s1_w2_z1.tif", "A01_s1_w2_z2.tif"],
        ("A01_s1", ("w1", "w2"), "in", "A01", "1"),
    ),
    "metaxpress, 1536 wells": (["e_AF48_s1_w1.TIF", "e_AF48_s1_w2.TIF"], ("e_AF48_s1", ("w1", "w2"), "e", "AF48", "1")),
    "cq1": (
        ["W0002F0001T0001Z001C1.tif", "W0002F0001T0001Z001C2.tif"],
        ("W0002F0001", ("C1", "C2"), "in", "W0002", "1"),
    ),
    "harmony": (
        ["plate 7/Images/r01c12f01p01-ch1sk1fk1fl1.tiff", "plate 7/Images/r01c12f01p01-ch2sk1fk1fl1.tiff"],
        ("r01c12f01", ("ch1", "ch2"), "plate 7", "A12", "1"),
    ),
    "yokogawa": (
        ["P1_C05_T0001F003L01A01Z01C01.tif", "P1_C05_T0001F003L01A02Z01C02.tif"],
        ("P1_C05_F003L01A01", ("C01", "C02"), "P1", "C05", "3"),
    ),
    "incell": (
        ["A - 01(fld 02 wv DAPI - DAPI).tif", "A - 01(fld 02 wv FITC - FITC).tif"],
        ("A01_f2", ("DAPI - DAPI", "FITC - FITC"), "in", "A01", "2"),
    ),
    "incell, planes": (
        ["P - 24(fld 1 wv UV - DAPI z 1 time 1 - 0 ms).tif", "P - 24(fld 1 wv UV - DAPI z 2 time 1 - 0 ms).tif"],
        ("P24_f1", ("UV - DAPI",), "in", "P24", "1"),
    ),
    "scanr": (
        ["A1--W00001--P00002--Z00000--T00000--DAPI.tif", "A1--W00001--P00002--Z00000--T00000--FITC.tif"],
        ("A1-W00001-P00002", ("DAPI", "FITC"), "in", "A01", "2"),
    ),
    "scanr, numbered wells": (
        ["x--W00031--P00002--Z00000--T00000--DAPI.tif"],
        ("x-W00031-P00002", ("DAPI",), "in", "W00031", "2"),
    ),
    "cytation": (
        ["B2_-1_1_3_DAPI_001.tif", "B2_-1_1_3_GFP_001.tif"],
        ("B2_1_1_3", ("DAPI", "GFP"), "in", "B02", "3"),
    ),
    "incucyte": (
        ["phase_B2_1_00d00h00m.tif", "phase_B2_1_00d04h00m.tif", "red_B2_1_00d00h00m.tif", "red_B2_1_00d04h00m.tif"],
        ("B2_1", ("phase", "red"), "in", "B02", "1"),
    ),
    "metamorph": (["exp_w1DAPI_s1_t1.TIF", "exp_w2GFP_s1_t1.TIF"], ("exp_s1", ("w1DAPI", "w2GFP"))),
    "leica": (["Project_Series001_z00_ch00.tif", "Project_Series001_z01_ch00.tif"], ("Project_Series001", ("ch00",))),
    "imagej": (["C1-cells.tif", "C2-cells.tif"], ("cells", ("C1", "C2"))),
    "stains first": (["DAPI_001.tif", "GFP_001.tif"], ("001", ("DAPI", "GFP"))),
    "stains last": (["day 1_DAPI.png", "day 1_Alexa 488.png"], ("day 1", ("Alexa 488", "DAPI"))),
    "folders": (["DAPI/a.tif", "GFP/a.tif"], ("a", ("DAPI", "GFP"))),
}


@pytest.mark.parametrize("files", NAMES)
def test_names_of_microscopes_are_known(tmp_path, files):
    names, (name, channels, *place) = NAMES[files]
    found = group_files(touched(tmp_path / "in", *names))
    (image,) = found.images
    assert (image.path.name, image.channels) == (name, channels)
    assert {path.name for path in image.files} == {Path(one).name for one in names}
    where = image.place
    assert (where and [where.plate, where.well, where.field]) == (place or None)
    assert not image.problem
    assert not found.alone
    assert found.told[-1].endswith("--channels none.")


@pytest.mark.parametrize(
    "names",
    [
        ["a.tif", "b.tif"],
        ["cells_w1DAPI.tif"],  # alone it is a name like any other
        ["one_DAPI.tif", "two_GFP.tif"],  # of different images
        ["a_ch00.tif", "b_ch00.tif"],
        ["GFP-tagged.tif", "wild type.tif"],
        ["B02.tif", "B03.tif"],
        ["a_Actin.tif", "a_Tubulin.tif"],  # none of which shows nuclei
        ["a_ch00.ome.tif", "a_ch01.ome.tif"],  # which say themselves what belongs together
    ],
)
def test_other_names_are_left_alone(tmp_path, names):
    roots = touched(tmp_path, *names)
    assert group_files(roots) == Grouping(alone=tuple(roots))


def test_thumbnails_are_left_out_and_what_was_done_is_said(tmp_path):
    names = [f"e_B02_s{site}{mark}_w{w}.TIF" for site in (1, 2) for w in (1, 2) for mark in ("", "_thumb")]
    found = group_files(touched(tmp_path, *names, "overview.tif", f"e_B02_s1_w1_thumb{GUID}.tif"))
    assert [image.path.name for image in found.images] == ["e_B02_s1", "e_B02_s2"]
    assert [path.name for path in found.alone] == ["overview.tif"]
    assert found.told == (
        "Names as of MetaXpress or ImageXpress: 4 files are 2 images of 2 channels (w1, w2).",
        "5 thumbnails are left out.",
        "1 file has another name and is an image of its own: overview.tif.",
        "Or take every file by itself: --channels none.",
    )


def test_projections_are_no_planes(tmp_path):
    names = [f"{folder}/exp_A01_w1.tif" for folder in ("T", "T/ZStep_1", "T/ZStep_2")]
    found = group_files(touched(tmp_path, *names))
    (image,) = found.images
    assert image.planes == ("1", "2")
    assert found.alone == ()
    assert found.told[1] == "Left out beside their planes: 1 projection."


def test_nothing_is_grouped_where_that_is_asked_for(tmp_path):
    roots = touched(tmp_path, "DAPI_1.tif", "GFP_1.tif")
    assert group_files(roots, "none") == Grouping(alone=tuple(roots))


def test_a_pattern_that_is_asked_for_leaves_out_what_it_does_not_fit(tmp_path):
    roots = touched(tmp_path, "B02_f1_red.tif", "B02_f1_blue.tif", "B02_f1_red_old.tif", "notes.tif")
    found = group_files(roots, "{well}_f{field}_{channel}.tif")
    assert [image.channels for image in found.images] == [("blue", "red", "red_old")]
    assert found.alone == ()
    assert found.told[-1] == "1 name does not fit and is left out: notes.tif."
    with pytest.raises(SettingsError, match=r"No file has a name like.*the first is B02_f1_red"):
        group_files(roots, "{well}_{channel}.png")


def test_a_known_kind_can_be_asked_for(tmp_path):
    roots = touched(tmp_path, "cells_w1DAPI.tif", "other.tif")
    found = group_files(roots, "metamorph")
    assert [image.path.name for image in found.images] == ["cells"]
    assert found.told[-1] == "1 name does not fit and is left out: other.tif."


def test_two_files_for_one_part_are_a_problem_of_that_image(tmp_path):
    roots = touched(tmp_path, "B02_w1_a.tif", "B02_w1_b.tif", "B03_w1_a.tif")
    twice, once = group_files(roots, "{well}_w{channel}_*.tif").images
    assert "B02_w1_a.tif and B02_w1_b.tif are the same part" in twice.problem
    assert not once.problem


def test_missing_files_are_named(tmp_path):
    whole = [f"A0{well}_w{w}_z{z}.tif" for well in (1, 2, 3) for w in (1, 2) for z in (1, 2)]
    gone = {"A02_w2_z1.tif", "A02_w2_z2.tif", "A03_w2_z1.tif"}
    roots = touched(tmp_path, *(name for name in whole if name not in gone))
    first, without_w2, with_a_hole = group_files(roots, "{well}_w{channel}_z{plane}.tif").images
    assert (first.problem, first.warnings) == ("", ())
    assert without_w2.warnings == ("Missing, but there in other images: channel w2.",)
    assert (without_w2.channels, without_w2.known_channels) == (("w1",), ("w1", "w2"))
    assert "files are missing: plane 1 w2" in with_a_hole.problem


def test_ten_comes_after_two(tmp_path):
    roots = touched(tmp_path, *(f"a_z{z}.tif" for z in range(1, 12)))
    (image,) = group_files(roots, "{name}_z{plane}.tif").images
    assert image.planes == tuple(map(str, range(1, 12)))


def test_images_of_several_folders_stay_apart(tmp_path):
    found = group_files(touched(tmp_path, *(f"{day}/{stain}_1.tif" for day in "ab" for stain in ("DAPI", "GFP"))))
    assert [image.path.relative_to(tmp_path).as_posix() for image in found.images] == ["a/1", "b/1"]

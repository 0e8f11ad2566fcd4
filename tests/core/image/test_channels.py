"""Channels by their names and colours: which one shows nuclei, and when three are a colour picture."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.channels import chosen_channel, find_channel, named_channel
from napari_unet_nuclei.core.image.io.read import read_header, read_image
from napari_unet_nuclei.core.image.kind import colour_light, possible_looks
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.samples.drawing import camera, draw_nuclei
from tests.helpers.samples import stained_tissue


def channels(*names: str, colours: tuple[str, ...] = ()) -> ImageSource:
    drawn = [draw_nuclei((64, 64), 16, 6, np.random.default_rng(seed))[0] for seed in range(len(names))]
    light = np.stack([camera(light, np.random.default_rng(0)) for light in drawn])
    return ImageSource(light, "CYX", names, colours)


@pytest.mark.parametrize(
    "name",
    ["DAPI", "w1DAPI", "hoechst 33342", "DRAQ5", "Draq7", "SYTO13", "H2B-GFP", "mCherry-H2B", "NucBlue", "NucSpot 650",
     "SiR-DNA", "TO-PRO-3", "TOPRO3", "PI", "Propidium iodide", "nuc", "c1_nuc", "Nuclei", "nucleus", "nuclear", "H",
     "Haematoxylin", "hematoxylin OD"],
)  # fmt: skip
def test_a_channel_whose_name_says_nuclei_is_taken(name):
    source = channels("GFP", name, "Phase")
    assert named_channel(source) == 1
    [look] = possible_looks(PlaneSample.whole(source), kind="fluorescence")
    assert (look.channels, look.name) == ((1,), name)


@pytest.mark.parametrize("name", ["nucleolin", "pH3", "PI3K", "pink", "alpha-actin", "Phase", "Channel 0", "cDNA", ""])
def test_other_names_say_nothing(name):
    assert named_channel(channels("GFP", name)) is None


@pytest.mark.parametrize("names", [("DAPI", "Hoechst", "GFP"), ("GFP", "RFP", "Cy5")])
def test_without_one_such_name_the_channels_are_listed(names):
    with pytest.raises(ImageShapeError, match=rf"{names[0]} \(0\), {names[1]} \(1\) and .*--channel NAME"):
        possible_looks(PlaneSample.whole(channels(*names)))


@pytest.mark.parametrize(
    ("said", "channel"), [("dapi", 0), ("GFP-488", 1), ("561", 2), ("1", 1), (" 2 ", 2), ("rfp", 2), ("DAPI", 0)]
)
def test_a_channel_is_found_by_name_number_or_part_of_its_name(said, channel):
    assert find_channel(channels("DAPI", "GFP-488", "RFP-561"), said) == channel


@pytest.mark.parametrize(
    ("said", "why"), [("Cy5", "no channel"), ("3", "no channel"), ("FP", "More than one"), ("", "")]
)
def test_a_channel_that_is_not_there_is_refused_with_those_that_are(said, why):
    with pytest.raises(ImageShapeError, match=rf"{why}.*DAPI \(0\), GFP-488 \(1\) and RFP-561 \(2\)"):
        find_channel(channels("DAPI", "GFP-488", "RFP-561"), said)


def test_an_image_of_one_channel_leaves_no_choice():
    one = ImageSource(np.zeros((8, 8)), "YX")
    assert find_channel(one, "0") == 0
    with pytest.raises(ImageShapeError, match="only one channel"):
        find_channel(one, "1")


@pytest.mark.parametrize(
    ("names", "colours", "order"),
    [
        (("Red", "green ", "B"), (), (0, 1, 2)),
        (("Channel 0", "Channel 1", "Channel 2"), ("#0000ff", "#00ff00", "#ff0000"), (2, 1, 0)),
        (("Red", "Green", "Green"), (), ()),
        (("GFP", "RFP", "Cy5"), ("#00ff00", "#ff0000", "#ffffff"), ()),
    ],
)
def test_red_green_and_blue_are_known_by_name_or_colour(names, colours, order):
    assert channels(*names, colours=colours).rgb_channels == order


def test_stained_tissue_in_coloured_channels_is_read_like_a_picture():
    tissue = stained_tissue(shape=(160, 160), count=40).image
    swapped = ImageSource(np.moveaxis(tissue, -1, 0)[::-1], "CYX", (), ("#0000ff", "#00ff00", "#ff0000"))
    region = (0, 160, 0, 160)
    [look] = possible_looks(PlaneSample.whole(swapped))
    [picture] = possible_looks(PlaneSample.whole(ImageSource(tissue, "YXS")))
    assert look.kind == picture.kind == "brightfield"
    signals = [one.signals_of(one.read(source, (), region)) for one, source in
               ((look, swapped), (picture, ImageSource(tissue, "YXS")))]  # fmt: skip
    np.testing.assert_array_equal(*signals)


def test_fluorescence_in_coloured_channels_is_no_picture_and_has_no_stains():
    source = channels("405", "488", "561", colours=("#0000ff", "#00ff00", "#ff0000"))
    assert source.rgb_channels
    assert colour_light(PlaneSample.whole(source)) is None
    with pytest.raises(ImageShapeError, match="Choose the one"):
        possible_looks(PlaneSample.whole(source))


@pytest.mark.parametrize("colour", [(0, 0.2, 1), (0.5, 0.6, 1)])
def test_a_few_nuclei_on_a_background_set_to_black_are_fluorescence(colour):
    light = draw_nuclei((128, 128), 20, 4, np.random.default_rng(0))[0]
    picture = (np.stack([share * light for share in colour], axis=-1) * 220).astype(np.uint8)
    picture[picture.max(axis=-1) < 40] = 0
    looks = possible_looks(PlaneSample.whole(ImageSource(picture, "YXS")))
    assert {look.kind for look in looks} == {"fluorescence"}


def test_only_colour_in_transmitted_light_has_stains():
    tissue = stained_tissue(shape=(160, 160), count=40).image
    plane = PlaneSample.whole(ImageSource(tissue, "YXS"))
    light = colour_light(plane)
    assert light is not None
    assert (light.channels, light.white) == ((0, 1, 2), 255.0)
    grey = np.repeat(tissue.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    assert colour_light(PlaneSample.whole(ImageSource(grey, "YXS"))) is None
    assert colour_light(plane, "fluorescence") is None


def test_colours_of_ome_tiff_are_read(tmp_path):
    path = tmp_path / "colours.ome.tif"
    colours = [0xFF0000FF - 2**32, 0x00FF00FF, 0x0000FFFF]
    described = {"axes": "CYX", "Channel": {"Color": colours}}
    tifffile.imwrite(path, np.zeros((3, 8, 8), np.uint8), metadata=described, photometric="minisblack")
    assert read_image(path).channel_colours == read_header(path).channel_colours == ("#ff0000", "#00ff00", "#0000ff")
    assert read_image(path).source().rgb_channels == (0, 1, 2)


def test_names_that_do_not_fit_other_axes_are_left_out(tmp_path):
    path = tmp_path / "names.ome.tif"
    described = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(path, np.zeros((2, 8, 8), np.uint8), metadata=described, photometric="minisblack")
    assert read_image(path).source().channel_names == ("DAPI", "GFP")
    assert read_image(path).source("ZYX").channel_names == ()


def test_choosing_the_only_channel_has_no_effect_unless_it_is_called_by_its_name():
    only = ImageSource(np.zeros((8, 8)), "YX", ("DAPI",))
    assert chosen_channel(only, "dapi") == 0
    for said in ("0", "DA"):
        with pytest.raises(ImageShapeError, match=f"only one channel, so choosing {said} has no effect"):
            chosen_channel(only, said)
    assert chosen_channel(channels("DAPI", "GFP"), "1") == 1


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_letters_are_the_same_however_a_system_writes_them(form):
    source = ImageSource(np.zeros((2, 4, 4)), "CYX", ("Höchst (5 µM)", "GFP"))
    assert find_channel(source, unicodedata.normalize(form, "höchst (5 µm)")) == 0

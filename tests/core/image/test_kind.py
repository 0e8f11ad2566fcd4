from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.kind import (
    NetworkInputs,
    looks_by_labels,
    possible_looks,
)
from napari_unet_nuclei.core.image.plane import PlaneLook, Signal
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.samples.drawing import camera, draw_nuclei
from tests.helpers.samples import immunohistochemistry, stained_tissue

TWO_SIGNALS = NetworkInputs(("nuclei", "density"), 2)
AS_THEY_ARE = NetworkInputs((), 3)


def nuclei(seed: int = 0, shape: tuple[int, int] = (128, 160)) -> np.ndarray:
    """Light of some nuclei, 0 to 1."""
    return draw_nuclei(shape, 20, 15, np.random.default_rng(seed))[0]


def looks(array: np.ndarray, axes: str, names: tuple[str, ...] = (), **choice) -> tuple[PlaneLook, ...]:
    source = ImageSource(array, axes, names)
    return possible_looks(PlaneSample.whole(source, (0,) * len(source.leading_axes)), **choice)


def only_look(array: np.ndarray, axes: str, names: tuple[str, ...] = (), **choice) -> PlaneLook:
    [found] = looks(array, axes, names, **choice)
    return found


def picture(red: float, green: float, blue: float, alpha: bool = False, dtype: type = np.uint8) -> np.ndarray:
    """Nuclei on black, shown in a colour."""
    light = nuclei()
    colours = np.stack([light * red, light * green, light * blue] + [np.ones_like(light)] * alpha, axis=-1)
    return (colours * 220).astype(dtype)


def tissue(count: int = 50, **options) -> np.ndarray:
    return stained_tissue(shape=(200, 200), count=count, **options).image


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("colours", "name"), [((0, 0, 1), "blue"), ((0.02, 1, 0.05), "green"), ((1, 0, 0), "red")])
def test_a_picture_of_one_colour_leaves_no_choice(colours, name, dtype):
    found = only_look(picture(*colours, dtype=dtype), "YXS")
    assert (found.name, found.kind) == (f"{name} channel", "fluorescence")


def test_all_colours_with_signal_are_possible_and_the_strongest_comes_first():
    array = picture(0.1, 0.0, 0.5)
    array[..., 1] = 200 * nuclei(seed=5) ** 0.3
    assert [look.name for look in looks(array, "YXS")] == ["green channel", "blue channel", "red channel"]


@pytest.mark.parametrize("offset", [0, 20, 40])
@pytest.mark.parametrize("second", [0, 80, 200])
def test_dyes_over_the_whole_field_and_a_camera_offset_are_no_transmitted_light(second, offset):
    haze = 30 + 220 * nuclei()
    array = np.stack([np.zeros_like(haze), np.roll(haze, 40, axis=0) * second / 255, haze], axis=-1)
    found = looks(np.clip(array + offset, 0, 255).astype(np.uint8), "YXS")
    assert {look.kind for look in found} == {"fluorescence"}


def test_alpha_is_no_channel():
    assert only_look(picture(0.0, 0.0, 1.0, alpha=True), "YXS").channels == (2,)


@pytest.mark.parametrize("alpha", [False, True])
def test_a_grey_picture_is_the_mean_of_its_colours(alpha):
    assert only_look(picture(1, 1, 1, alpha), "YXS").signals == (Signal("intensity", (0, 1, 2)),)


@pytest.mark.parametrize("count", [20, 90, 300])
def test_stained_tissue_is_read_by_its_haematoxylin_however_dense_it_is(count):
    found = only_look(tissue(count), "YXS", inputs=TWO_SIGNALS)
    assert found.kind == "brightfield"
    assert found.signals == (Signal("haematoxylin", (0, 1, 2)), Signal("density", (0, 1, 2)))


def test_very_dark_tissue_is_not_taken_for_fluorescence():
    assert looks((tissue(200) * 0.35).astype(np.uint8), "YXS")[0].kind == "brightfield"


def test_black_corners_change_nothing():
    filled = tissue()
    filled[:60, :90] = 0
    filled[-70:] = 0
    assert only_look(filled, "YXS").kind == "brightfield"
    dark = camera(nuclei(), np.random.default_rng(0)) + np.uint16(100)
    dark[:2] = 0
    assert only_look(dark, "YX").kind == "fluorescence"


def test_stained_tissue_in_channels_named_after_colours_is_a_colour_picture():
    channels = np.moveaxis(tissue(), -1, 0)
    for names in (("red", "green", "blue"), ("R", "G", "B"), ("Red", "Green ", "Blue")):
        assert only_look(channels, "CYX", names).signals == (Signal("haematoxylin", (0, 1, 2)),)


def test_a_channel_of_a_colour_picture_is_of_the_pictures_kind():
    stained = np.empty((100, 100, 3), np.uint8)
    stained[:] = 230, 110, 200  # dense eosin, and in green hardly any background
    stained[:8] = 245
    stained[20:90:14, 10:90] = 100, 60, 140
    assert only_look(stained[..., 1], "YX").kind == "fluorescence"
    assert only_look(stained, "YXS", channel="green").kind == "brightfield"
    channels = np.moveaxis(tissue(), -1, 0)
    assert only_look(channels, "CYX", ("red", "green", "blue"), channel="green").kind == "brightfield"
    assert only_look(picture(0.1, 1, 0.1), "YXS", channel="red").kind == "fluorescence"


def test_pixels_that_are_no_numbers_do_not_choose_the_colour():
    array = picture(0.05, 1.0, 0.0, dtype=np.float32)
    array[3, 3, 0] = np.nan
    array[5, 5, 2] = np.inf
    assert looks(array, "YXS")[0].name == "green channel"


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 4), (1, 1, 3), (0, 0, 3)])
def test_pictures_with_hardly_a_pixel_are_looked_at(shape):
    assert only_look(np.zeros(shape, np.uint8), "YXS").kind == "fluorescence"


def test_channels_without_known_names_are_chosen_by_the_user():
    array = np.stack([nuclei(), nuclei(1)])
    with pytest.raises(ImageShapeError, match="2 channels"):
        looks(array, "CYX")
    assert only_look(array, "CYX", channel=1).name == "channel 1"
    with pytest.raises(ImageShapeError, match="no channel 2"):
        looks(array, "CYX", channel=2)


def test_a_channel_that_is_alone_needs_no_choice():
    assert only_look(nuclei()[None], "CYX").channels == (0,)


def test_a_chosen_colour_is_kept():
    assert only_look(picture(0, 0, 1), "YXS", channel=0).name == "red channel"


def test_a_bright_background_is_recognised_and_a_chosen_kind_is_obeyed():
    dark = camera(nuclei(), np.random.default_rng(0))
    bright = dark.max() - dark
    assert only_look(dark, "YX").kind == "fluorescence"
    assert only_look(bright, "YX").signals == (Signal("density", (0,)),)
    assert only_look(dark, "YX", kind="brightfield").kind == "brightfield"
    assert only_look(bright, "YX", kind="fluorescence").kind == "fluorescence"


def test_dense_grey_tissue_is_left_open():
    grey = tissue(300).mean(axis=-1)
    assert {look.kind for look in looks(grey, "YX")} == {"fluorescence", "brightfield"}


@pytest.mark.parametrize(
    "sample",
    [
        np.zeros((0, 0)),
        np.full((9, 9), np.nan),
        np.full((9, 9), 200.0),
        np.random.default_rng(0).normal(100, 5, (99, 99)),
    ],
)
def test_nothing_and_noise_are_fluorescence(sample):
    assert only_look(sample, "YX").kind == "fluorescence"


def test_a_network_of_three_channels_reads_every_colour_as_it_was_taught():
    found = only_look(tissue(), "YXS", inputs=AS_THEY_ARE)
    assert (found.name, found.kind) == ("all colours", "brightfield")
    assert found.signals == tuple(Signal("negative", (channel,)) for channel in range(3))


def test_a_grey_picture_is_repeated_for_a_network_of_three_channels():
    found = only_look(nuclei(), "YX", inputs=AS_THEY_ARE)
    assert found.signals == (Signal("intensity", (0,)),) * 3


def test_channels_that_do_not_fit_the_network_are_named():
    with pytest.raises(ImageShapeError, match="has 2 channels, and the model takes 3"):
        looks(np.stack([nuclei(), nuclei()]), "CYX", inputs=AS_THEY_ARE)


@pytest.mark.parametrize("turned", [False, True])
def test_labels_tell_the_kind_of_a_grey_image(turned):
    light, labels = draw_nuclei((200, 200), 22, 120, np.random.default_rng(0), clumped=0.9)
    image = camera(light, np.random.default_rng(0)).astype(np.float32)
    source = ImageSource(3000 - image if turned else image, "YX")
    found = looks_by_labels(PlaneSample.whole(source), labels)[0].look
    assert found.kind == ("brightfield" if turned else "fluorescence")


def test_labels_tell_which_colour_shows_the_nuclei():
    light, labels = draw_nuclei((200, 200), 22, 30, np.random.default_rng(0))
    other = draw_nuclei((200, 200), 40, 10, np.random.default_rng(1))[0]
    image = (np.stack([120 * light, 240 * other, 240 * other], axis=-1)).astype(np.uint8)
    [found, *_] = looks_by_labels(PlaneSample.whole(ImageSource(image, "YXS")), labels)
    assert found.look.name == "red channel"


@pytest.mark.parametrize("colour", [0, 1, 2])
def test_labels_do_not_turn_a_picture_of_one_fluorescent_dye_into_stained_tissue(colour):
    light, labels = draw_nuclei((120, 120), 22, 12, np.random.default_rng(0))
    image = np.zeros((120, 120, 3), np.uint8)
    image[..., colour] = 40 + 120 * light
    for found in looks_by_labels(PlaneSample.whole(ImageSource(image, "YXS")), labels):
        assert (found.look.kind, found.look.signals[0].channels) == ("fluorescence", (colour,))


def test_a_chosen_kind_holds_against_the_labels():
    light, labels = draw_nuclei((100, 100), 22, 8, np.random.default_rng(0))
    source = ImageSource(light, "YX")
    [found, *_] = looks_by_labels(PlaneSample.whole(source), labels, kind="brightfield")
    assert found.look.kind == "brightfield"


@pytest.mark.parametrize("dab", ["nuclei", "membranes"])
def test_immunohistochemistry_leaves_open_whether_dab_counts(dab):
    image = immunohistochemistry(dab, shape=(200, 200), count=60).image
    haematoxylin, density = Signal("haematoxylin", (0, 1, 2)), Signal("density", (0, 1, 2))
    alone, together = looks(image, "YXS", inputs=TWO_SIGNALS)
    assert alone.signals == (haematoxylin, haematoxylin)
    assert together.signals == (haematoxylin, density)
    assert [look.signals for look in looks(image, "YXS")] == [(haematoxylin,), (density,)]


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_masks_have_no_optical_density_and_are_turned(dtype):
    mask = (nuclei() < 0.5).astype(dtype)
    found = only_look(mask, "YX")
    assert (found.kind, found.signals[0].transform) == ("brightfield", "negative")

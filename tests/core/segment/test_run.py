from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageShapeError, ModelFileError, SettingsError, UnknownModelError
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.metrics.overlaps import match
from napari_unet_nuclei.core.model.card import Thresholds
from napari_unet_nuclei.core.model.file import Model, save_model
from napari_unet_nuclei.core.segment import nuclei
from napari_unet_nuclei.core.segment import result as results
from napari_unet_nuclei.core.segment.predict import thresholds_at
from napari_unet_nuclei.core.segment.run import segment
from tests.helpers.recording import RecordingProgress
from tests.helpers.samples import fluorescent_nuclei, stained_tissue

NUCLEI = fluorescent_nuclei(shape=(150, 170), diameter=22, count=16)
IMAGE, TRUTH = NUCLEI.image, NUCLEI.labels
CPU = {"device": "cpu"}


def transmitted(light: np.ndarray) -> np.ndarray:
    """Nuclei that absorb as much as they shone, in 8 bits of transmitted light."""
    return (230 * 10 ** (-0.6 * light / light.max())).astype(np.uint8)


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    """AP at IoU 0.9 of two results."""
    return float(match(first, second, (0.9,)).average_precision[0])


def assert_ids_without_gaps(labels: np.ndarray) -> None:
    assert labels.dtype == np.int32
    present = np.unique(labels)
    assert np.array_equal(present[present > 0], np.arange(1, present.max(initial=0) + 1))


def test_nuclei_are_found():
    result = segment(IMAGE, **CPU)
    assert match(TRUTH, result.labels, (0.5,)).average_precision[0] > 0.7
    assert result.axes == "YX"
    assert result.origin == (0, 0)
    assert result.maps.shape == (1, 3, *IMAGE.shape)
    assert result.count == result.labels.max()
    assert_ids_without_gaps(result.labels)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (0, np.uint8),
        (255, np.uint8),
        (1, bool),
        (7.5, np.float64),
        (-3, np.int64),
        (2**64 - 1, np.uint64),
        (1e300, np.float64),
        (6e-8, np.float16),
        (np.nan, np.float32),
        (np.inf, np.float32),
    ],
)
def test_constant_images_hold_no_nuclei(value, dtype):
    assert segment(np.full((40, 50), value, dtype), **CPU).count == 0


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((0, 10), "YX"),
        ((10, 0), "YX"),
        ((0, 0), "YX"),
        ((3, 0, 10), "ZYX"),
        ((0, 10, 3), "YXS"),
        ((10, 0, 4), "YXS"),
        ((1, 1), "YX"),
        ((1, 1, 3), "YXS"),
        ((1, 5000), "YX"),
        ((4000, 3), "YX"),
        ((2, 2), "YX"),
    ],
)
def test_empty_and_thin_images_give_few_nuclei_and_no_error(shape, axes):
    image = np.random.default_rng(0).poisson(20, shape).astype(np.uint8)
    result = segment(image, axes=axes, **CPU)
    assert result.labels.shape == shape[: len(axes.rstrip("S"))]
    assert result.count <= 3


def test_a_thin_strip_of_nuclei_is_segmented():
    light = np.zeros((1, 5000), np.uint16)
    light[0, 100::200] = 1000
    assert segment(light, diameter=20, **CPU).labels.shape == light.shape


def test_pixels_that_are_no_numbers_are_background_and_mentioned_once():
    image = IMAGE.astype(np.float32)
    holes = np.zeros(image.shape, bool)
    holes[:40, :50] = True
    image[holes] = np.nan
    image[149, 169], image[148, 169] = np.inf, -np.inf
    progress = RecordingProgress()
    result = segment(np.stack([image, image]), axes="TYX", progress=progress, **CPU)
    assert sum("NaN" in notice for notice in result.notices) == 1
    assert sum("NaN" in notice for notice in progress.notices) == 1
    inside = np.pad(np.zeros((34, 44), bool), ((0, 116), (0, 126)), constant_values=True)
    assert (result.labels[0][~inside] == 0).all()
    clean = segment(IMAGE, **CPU).labels
    far = (slice(70, None), slice(80, None))
    assert agreement(clean[far], result.labels[0][far]) > 0.5


def test_a_bright_background_is_read_by_its_density_and_said():
    dark = segment(IMAGE, **CPU)
    bright = segment(transmitted(IMAGE), **CPU)
    assert any("dark nuclei on bright" in notice for notice in bright.notices)
    assert not any("was made for" in notice for notice in bright.notices)
    assert (dark.kind, bright.kind) == ("fluorescence", "brightfield")
    assert (dark.model, bright.model) == ("nuclei", "nuclei")
    assert match(dark.labels, bright.labels).average_precision[0] > 0.8
    assert agreement(dark.labels, segment(IMAGE, kind="fluorescence", **CPU).labels) == 1


def test_a_chosen_kind_is_obeyed():
    assert segment(transmitted(IMAGE), kind="fluorescence", **CPU).kind == "fluorescence"
    assert segment(IMAGE, kind="brightfield", **CPU).kind == "brightfield"


def test_a_fine_tuned_model_uses_what_it_learnt_of_the_kind_of_image(tmp_path, bundled_model):
    card = bundled_model.card.fitted("brightfield", thresholds=Thresholds(foreground=0.7, split=0.3), taught=(19.0,))
    save_model(tmp_path / "ours.safetensors", Model(card, bundled_model.network))
    results = {
        kind: segment(image, str(tmp_path / "ours.safetensors"), diameter=22, **CPU)
        for kind, image in (("fluorescence", IMAGE), ("brightfield", transmitted(IMAGE)))
    }
    for kind, result in results.items():
        assert result.thresholds == thresholds_at(card.for_kind(kind), 1.0)


def test_stained_tissue_is_read_by_its_haematoxylin():
    tissue = stained_tissue()
    coloured = segment(tissue.image, **CPU)
    assert (coloured.model, coloured.channel, coloured.kind) == ("nuclei", "haematoxylin", "brightfield")
    assert match(tissue.labels, coloured.labels).average_precision[0] > 0.5
    assert np.array_equal(coloured.labels, segment(tissue.image, "nuclei-stained", **CPU).labels)


def test_a_model_that_does_not_know_the_kind_of_image_is_said_to_be_for_others_unless_it_was_taught(
    tmp_path, bundled_model
):
    card = bundled_model.card.model_copy(update={"name": "ours", "other_kinds": {}})
    save_model(tmp_path / "ours.safetensors", Model(card, bundled_model.network))
    taught = card.fitted("brightfield", taught=(20.0,))
    save_model(tmp_path / "taught.safetensors", Model(taught, bundled_model.network))
    for name, said in (("ours", True), ("taught", False)):
        found = segment(transmitted(IMAGE), str(tmp_path / f"{name}.safetensors"), **CPU)
        assert any("was made for" in notice for notice in found.notices) == said


@pytest.mark.parametrize("alpha", [False, True])
def test_a_dark_picture_is_read_from_its_blue_channel_which_is_named(alpha):
    grey = (IMAGE / IMAGE.max() * 255).astype(np.uint8)
    colours = [grey // 8, grey // 5, grey] + [np.full_like(grey, 255)] * alpha
    result = segment(np.stack(colours, axis=-1), **CPU)
    assert result.channel == "blue channel"
    assert any("blue channel" in notice for notice in result.notices)
    assert result.provenance["channel"] == "blue channel"
    assert np.array_equal(result.labels, segment(grey, **CPU).labels)


def test_channels_must_be_chosen_and_are_then_used():
    image = np.stack([np.zeros_like(IMAGE), IMAGE])
    with pytest.raises(ImageShapeError, match="2 channels"):
        segment(image, axes="CYX", **CPU)
    with pytest.raises(ImageShapeError, match="no channel 2"):
        segment(image, axes="CYX", channel=2, **CPU)
    result = segment(image, axes="CYX", channel=1, **CPU)
    assert result.axes == "YX"
    assert np.array_equal(result.labels, segment(IMAGE, **CPU).labels)


def test_a_region_is_segmented_as_if_it_were_the_image():
    result = segment(IMAGE, region=(20, 120, 35, 170), **CPU)
    assert result.labels.shape == (100, 135)
    assert result.origin == (20, 35)
    assert np.array_equal(result.labels, segment(IMAGE[20:120, 35:], **CPU).labels)


@pytest.mark.parametrize(
    "region", [(-1, 50, 0, 50), (0, 151, 0, 50), (0, 50, 0, 171), (50, 20, 0, 50), (0, 50, 60, 20)]
)
def test_a_region_outside_the_image_is_refused(region):
    with pytest.raises(ImageShapeError, match="150 x 170"):
        segment(IMAGE, region=region, **CPU)


def test_an_empty_region_has_no_nuclei():
    assert segment(IMAGE, region=(5, 5, 0, 170), **CPU).labels.shape == (0, 170)


def stack() -> np.ndarray:
    """Time, depth, rows, columns; the planes differ, one is empty."""
    planes = [IMAGE, IMAGE[::-1], np.full_like(IMAGE, 100), IMAGE[:, ::-1]]
    return np.stack(planes).reshape(2, 2, *IMAGE.shape)


def test_every_plane_of_a_stack_is_segmented_with_ids_of_its_own():
    progress = RecordingProgress()
    result = segment(stack(), axes="TZYX", planes="each", progress=progress, **CPU)
    assert result.labels.shape == (2, 2, *IMAGE.shape)
    assert (result.axes, result.origin) == ("TZYX", (0, 0, 0, 0))
    assert result.maps.shape == (4, 3, *IMAGE.shape)
    assert_ids_without_gaps(result.labels)
    sets = [set(np.unique(plane)) - {0} for plane in result.labels.reshape(4, *IMAGE.shape)]
    assert [bool(ids) for ids in sets] == [True, True, False, True]
    assert sum(map(len, sets)) == len(set().union(*sets)) == result.count
    assert progress.fractions[-1] == 1


def test_planes_are_segmented_each_by_itself():
    whole = segment(stack(), axes="TZYX", planes="each", diameter=22, **CPU).labels
    alone = segment(IMAGE[:, ::-1], diameter=22, **CPU).labels
    assert np.array_equal(np.where(whole[1, 1] > 0, whole[1, 1] - whole[0].max(), 0), alone)


@pytest.mark.parametrize(
    ("plane", "shape", "origin"),
    [
        ((1, 1), (1, 1), (1, 1, 0, 0)),
        ((None, 0), (2, 1), (0, 0, 0, 0)),
        ((1,), (1, 2), (1, 0, 0, 0)),
        ((0, None), (1, 2), (0, 0, 0, 0)),
        ((None, None), (2, 2), (0, 0, 0, 0)),
    ],
)
def test_chosen_planes_keep_their_axes_and_place(plane, shape, origin, tiny_model_file):
    result = segment(stack(), str(tiny_model_file), axes="TZYX", planes="each", plane=plane, diameter=22, **CPU)
    assert result.labels.shape == (*shape, *IMAGE.shape)
    assert result.origin == origin
    assert_ids_without_gaps(result.labels)


def test_the_chosen_plane_is_the_one_that_is_read():
    image = np.stack([np.full_like(IMAGE, 100), IMAGE, np.full_like(IMAGE, 100)])
    assert segment(image, axes="ZYX", plane=(0,), **CPU).count == 0
    assert segment(image, axes="ZYX", plane=(1,), **CPU).count > 5


@pytest.mark.parametrize("plane", [(3,), (-1,), (0, 0)])
def test_a_plane_that_is_not_there_is_refused(plane):
    with pytest.raises(ImageShapeError, match="no plane"):
        segment(np.stack([IMAGE] * 3), axes="ZYX", plane=plane, **CPU)


def test_a_region_of_a_plane_has_both_in_its_origin(tiny_model_file):
    result = segment(
        stack(),
        str(tiny_model_file),
        axes="TZYX",
        planes="each",
        plane=(1, None),
        region=(10, 50, 20, 90),
        diameter=22,
        **CPU,
    )
    assert result.labels.shape == (1, 2, 40, 70)
    assert result.origin == (1, 0, 10, 20)


def test_a_diameter_in_micrometres_needs_a_pixel_size():
    with pytest.raises(SettingsError, match="pixel size"):
        segment(IMAGE, diameter=7, diameter_unit="µm", **CPU)
    in_um = segment(IMAGE, diameter=7, diameter_unit="µm", pixel_size=PixelSize(0.25, 0.25), **CPU)
    in_px = segment(IMAGE, diameter=28, **CPU)
    assert in_um.diameter == pytest.approx(28)
    assert np.array_equal(in_um.labels, in_px.labels)


def test_a_unit_without_a_diameter_has_no_effect_and_is_refused():
    with pytest.raises(SettingsError, match="'diameter_unit' has no effect while 'diameter' is automatic"):
        segment(IMAGE, diameter_unit="µm", **CPU)


@pytest.mark.parametrize("diameter", [0.01, 1, 5000])
def test_the_strangest_diameters_end(diameter):
    assert segment(IMAGE[:40, :50], diameter=diameter, **CPU).labels.shape == (40, 50)


def test_thresholds_given_and_those_of_the_model(bundled_model):
    own = segment(IMAGE, **CPU)
    assert own.thresholds == own.model_thresholds
    assert own.thresholds.foreground == bundled_model.card.thresholds.foreground
    given = segment(IMAGE, foreground=0.8, split=0.3, min_size=150, **CPU)
    assert (given.thresholds.foreground, given.thresholds.split, given.thresholds.min_size) == (0.8, 0.3, 150)
    assert given.model_thresholds == own.model_thresholds
    assert np.bincount(given.labels.ravel())[1:].min() >= 150
    assert (given.labels > 0).sum() < (own.labels > 0).sum()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"model": "absent"}, UnknownModelError),
        ({"model": "weights.pt"}, UnknownModelError),
        ({"tile": 1}, SettingsError),
        ({"colour": "blue"}, SettingsError),
        ({"axes": "ZYX"}, ImageShapeError),
    ],
)
def test_what_cannot_be_done_is_said(arguments, error):
    with pytest.raises(error):
        segment(IMAGE, **arguments)


def test_a_damaged_model_is_refused(tiny_model_file):
    tiny_model_file.write_bytes(tiny_model_file.read_bytes()[:-1])
    with pytest.raises(ModelFileError):
        segment(IMAGE, str(tiny_model_file), **CPU)


def test_the_image_is_never_changed():
    image = IMAGE.astype(np.float32)
    image[0, 0] = np.nan
    image.setflags(write=False)
    segment(image, **CPU)


def test_a_run_repeats():
    assert np.array_equal(segment(IMAGE, **CPU).labels, segment(IMAGE, **CPU).labels)


def test_mirrored_copies_change_little():
    assert (
        agreement(segment(IMAGE, diameter=22, **CPU).labels, segment(IMAGE, diameter=22, flips=True, **CPU).labels)
        > 0.6
    )


def test_maps_too_large_to_keep_are_not_kept_and_said(monkeypatch):
    monkeypatch.setattr(nuclei, "CACHED_PIXELS", IMAGE.size - 1)
    result = segment(IMAGE, **CPU)
    assert result.maps is None
    assert any("too large" in notice for notice in result.notices)
    assert np.array_equal(result.labels, segment(IMAGE, **CPU).labels)
    assert results.CACHED_PIXELS == 64 * 2**20


@pytest.mark.parametrize("settings", [{}, {"diameter": 22.0}, {"tile": 64}, {"tile": 64, "diameter": 40.0}])
@pytest.mark.parametrize("planes", [1, 3])
def test_progress_rises_from_nothing_to_all(settings, planes, tiny_model_file):
    progress = RecordingProgress()  # which refuses fractions that fall
    image = np.stack([IMAGE[:100, :100]] * planes)
    segment(image, str(tiny_model_file), axes="TYX", progress=progress, **settings, **CPU)
    assert progress.fractions[0] == 0
    assert progress.fractions[-1] == 1
    assert len(progress.events) > planes


def test_a_stack_whose_middle_plane_was_never_taken_is_read_by_the_next_one():
    tissue = stained_tissue(shape=(160, 160), count=30).image
    stack = np.stack([tissue] * 3)
    stack[1] = 0
    whole, gap = segment(tissue, axes="YXS"), segment(stack, axes="ZYXS")
    assert (gap.kind, gap.diameter) == (whole.kind, whole.diameter)
    assert (gap.count, gap.labels[1].any()) == (2 * whole.count, False)


@pytest.mark.parametrize("offset", [1e18, 2**60])
def test_an_offset_that_swallows_the_picture_is_said(offset):
    pixels = fluorescent_nuclei(0, (64, 64)).image.astype(type(offset)) + offset
    result = segment(pixels, **CPU)
    assert result.count == 0
    assert any("nothing to see" in notice for notice in result.notices)


def test_a_spacing_without_a_stack_is_refused(tiny_model_file):
    with pytest.raises(SettingsError, match="no stack"):
        segment(np.zeros((64, 64)), tiny_model_file, z_spacing=3)

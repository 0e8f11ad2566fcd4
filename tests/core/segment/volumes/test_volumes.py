"""Stacks as nuclei in three dimensions, by the bundled model."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.metrics.overlaps import match
from napari_unet_nuclei.core.progress import Cancelled
from napari_unet_nuclei.core.segment.run import segment
from tests.helpers.recording import RecordingProgress
from tests.helpers.samples import packed_tissue

TISSUE = packed_tissue(shape=(12, 80, 80), diameter=24, count=14, spacing=4)
CPU = {"device": "cpu", "diameter": 26, "pixel_size": TISSUE.pixel_size}
NOISE = np.random.default_rng(0).normal(100, 10, (6, 60, 60)).astype(np.float32)


def precision(truth: np.ndarray, found: np.ndarray) -> float:
    """AP at IoU 0.5."""
    return float(match(truth, found, (0.5,)).average_precision[0])


@pytest.fixture(scope="module")
def volume():
    return segment(TISSUE.image, **CPU)


def test_a_stack_is_a_volume_by_itself(volume):
    assert volume.planes == "volume"
    assert precision(TISSUE.labels, volume.labels) > 0.8
    assert volume.count_text == f"{volume.count} nuclei in 12 planes"
    assert np.array_equal(np.unique(volume.labels), np.arange(volume.count + 1))
    assert len(volume.scores) == volume.count
    assert (volume.scores >= volume.thresholds.score).all()
    assert (volume.axes, volume.origin) == ("ZYX", (0, 0, 0))
    assert volume.provenance["z_spacing"] == {"pixels": 4.0, "um": 1.0, "from": "file"}


def test_sliders_act_on_what_is_kept(volume):
    fewer = volume.decode(volume.thresholds.__class__(**{**vars(volume.thresholds), "min_size": 500}))
    assert fewer.count < volume.count
    again = fewer.decode(volume.thresholds)
    assert np.array_equal(again.labels, volume.labels)


def test_each_plane_by_itself_counts_sections_and_joining_fewer(volume):
    each = segment(TISSUE.image, planes="each", **CPU)
    joined = segment(TISSUE.image, planes="joined", **CPU)
    assert each.count > 2 * volume.count
    assert volume.count <= joined.count < each.count
    assert "each by itself" in each.count_text
    assert np.array_equal(each.labels > 0, joined.labels > 0)
    assert len(joined.scores) == joined.count
    # A slider joins anew.
    assert np.array_equal(joined.decode(joined.thresholds).labels, joined.labels)


def test_projections_are_one_plane():
    for planes in ("maximum", "mean"):
        result = segment(TISSUE.image, planes=planes, **CPU)
        assert (result.axes, result.labels.shape) == ("YX", (80, 80))
        assert result.count_text == f"{result.count} nuclei in the {planes} of 12 planes"


def test_two_planes_are_a_volume_and_one_is_none():
    assert segment(TISSUE.image[4:6], **CPU).planes == "volume"
    assert segment(TISSUE.image[4:5], axes="ZYX", **CPU).planes == "each"
    assert segment(TISSUE.image, plane=(3,), **CPU).labels.shape == (1, 80, 80)


def test_planes_without_a_name_are_segmented_each_and_that_is_said():
    result = segment(TISSUE.image[4:6], axes="QYX", **CPU)
    assert result.planes == "each"
    [told] = [notice for notice in result.notices if "stack or a movie" in notice]
    assert "the 2 planes" in told
    film = segment(TISSUE.image[4:6], axes="TYX", **CPU)
    assert film.count_text == f"{film.count} nuclei in 2 time points"
    chosen = segment(TISSUE.image[4:6], axes="QYX", planes="each", **CPU)
    assert not any("stack or a movie" in notice for notice in (*film.notices, *chosen.notices))


def test_every_time_point_is_a_volume_of_its_own(volume):
    film = np.stack([TISSUE.image, TISSUE.image])
    result = segment(film, axes="TZYX", **CPU)
    assert result.count == 2 * volume.count
    assert not np.intersect1d(result.labels[0][result.labels[0] > 0], result.labels[1]).size
    assert result.count_text == f"{result.count} nuclei in 2 stacks of 12 planes"
    # Depth before time, as some programs write it.
    turned = segment(film.swapaxes(0, 1), axes="ZTYX", **CPU)
    assert np.array_equal(turned.labels.swapaxes(0, 1), result.labels)
    chosen = segment(film, axes="TZYX", plane=(1, None), **CPU)
    assert np.array_equal(chosen.labels[0], volume.labels)


def test_a_region_of_a_stack_is_a_volume():
    result = segment(TISSUE.image, region=(10, 70, 20, 80), **CPU)
    assert (result.labels.shape, result.origin) == ((12, 60, 60), (0, 10, 20))


def test_an_unknown_spacing_is_estimated_and_said():
    result = segment(TISSUE.image, device="cpu", diameter=26)
    spacing = result.provenance["z_spacing"]
    assert (spacing["from"], spacing["um"]) == ("estimated", 0.0)
    assert 4 / 1.5 < spacing["pixels"] < 4 * 1.5
    assert any("estimated from round nuclei" in notice for notice in result.notices)


def test_a_given_spacing_wins_over_the_file():
    result = segment(TISSUE.image, z_spacing=4, z_spacing_unit="px", **{**CPU, "pixel_size": PixelSize(0.25, 0.25, 9)})
    assert result.provenance["z_spacing"] == {"pixels": 4.0, "um": 1.0, "from": "given"}


def test_noise_ends_with_no_nuclei_and_a_notice():
    result = segment(NOISE, device="cpu", z_spacing=2, z_spacing_unit="px")
    assert result.count == 0
    [remedy] = result.remedies
    assert "told from its noise" in remedy.problem
    assert remedy.settings == {"planes": "mean"}


@pytest.mark.parametrize("shape", [(3, 0, 10), (2, 1, 1), (5, 3, 200)])
def test_odd_shapes_are_no_error(shape):
    result = segment(np.zeros(shape, np.uint8), axes="ZYX", device="cpu", z_spacing=2, z_spacing_unit="px")
    assert (result.labels.shape, result.count) == (shape, 0)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"planes": "volume", "plane": (3,)}, ImageShapeError, "one plane only"),
        ({"planes": "each", "z_spacing": 2}, SettingsError, "volumes only"),
        ({"planes": "volume", "axes": "TYX"}, ImageShapeError, "none of which is depth"),
        ({"z_spacing": 2, "pixel_size": PixelSize()}, SettingsError, "no pixel size"),
    ],
)
def test_an_option_without_effect_is_an_error(settings, error, words):
    with pytest.raises(error, match=words):
        segment(TISSUE.image, **{**CPU, **settings})


def test_pixels_without_a_picture_hold_no_nuclei():
    image = TISSUE.image.astype(np.float32)
    image[:, :, :30] = np.nan
    result = segment(image, **CPU)
    assert result.count > 0
    assert not result.labels[:, :, :29].any()


def test_progress_rises_and_cancelling_takes_effect_at_the_next_report():
    progress = RecordingProgress()
    segment(TISSUE.image, progress=progress, **CPU)
    assert progress.fractions[-1] == 1.0
    for report in (3, len(progress.events) // 2, len(progress.events) - 3):
        cancelled = RecordingProgress(cancel_after=report)
        with pytest.raises(Cancelled):
            segment(TISSUE.image, progress=cancelled, **CPU)
        assert len(cancelled.events) == report

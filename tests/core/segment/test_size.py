from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.normalise import IntensityRange
from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.samples.drawing import camera, draw_nuclei
from napari_unet_nuclei.core.segment.automatic_size import SCALES, first_look, predict_sized, scale_for
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.run import segment
from napari_unet_nuclei.core.segment.size import NO_NUCLEI, SizeEvidence
from tests.helpers.tiny import FLOAT32, GREY, tiny_model

CARD = ModelCard(name="m")


def output(*nuclei: tuple[slice, float], shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    """Network output in which some rows are foreground of some size (log2 of the model's)."""
    maps = np.zeros((4, *shape), np.float32)
    for rows, size in nuclei:
        maps[0, rows] = 1
        maps[3, rows] = size
    return maps


@pytest.mark.parametrize("size", [-2.0, -0.5, 0.0, 1.0, 2.3])
def test_one_size_everywhere_is_that_size(size):
    evidence = SizeEvidence.of(output((slice(0, 64), size)), CARD, 1.0)
    assert evidence.factor == pytest.approx(2**size, rel=0.02)
    assert evidence.nuclei == pytest.approx(64 * 64 / (np.pi / 4 * (22 * 2**size) ** 2), rel=0.01)


def test_nothing_seen_leaves_the_size_as_it_is():
    assert SizeEvidence.of(output(), CARD, 1.0).factor == 1
    assert NO_NUCLEI.factor == 1
    assert NO_NUCLEI.nuclei == 0


def test_debris_does_not_make_large_nuclei_small():
    evidence = SizeEvidence.of(output((slice(0, 40), 1.0), (slice(40, 44), -2.0)), CARD, 1.0)
    assert evidence.factor == pytest.approx(2, rel=0.05)


def test_evidence_of_two_halves_is_that_of_the_whole():
    maps = output((slice(0, 40), 1.0), (slice(40, 60), -1.0))
    whole = SizeEvidence.of(maps, CARD, 1.0)
    halves = SizeEvidence.of(maps[:, :32], CARD, 1.0) + SizeEvidence.of(maps[:, 32:], CARD, 1.0)
    assert np.allclose(whole.histogram, halves.histogram)
    assert whole.nuclei == pytest.approx(halves.nuclei)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_a_model_leans_towards_the_sizes_that_it_was_taught(scale):
    """Half of the pixels look like large clumps, half like nuclei; only the taught size tells which are meant."""
    taught = CARD.model_copy(update={"taught": (20.0 / scale,)})
    maps = output((slice(0, 32), 0.0), (slice(32, 64), 2.5))
    assert SizeEvidence.of(maps, CARD, scale).nuclei == SizeEvidence.of(maps, taught, scale).nuclei
    assert SizeEvidence.of(maps, taught, scale).factor == pytest.approx(1, rel=0.05)
    only_large = SizeEvidence.of(output((slice(0, 64), 2.5)), taught, scale)
    assert only_large.factor == pytest.approx(2**2.5, rel=0.05)


def test_the_size_of_a_taught_model_is_that_of_what_it_is_sure_of():
    """A thousand pixels half taken for nuclei of the taught size weigh less than some that surely are larger ones."""
    maps = output((slice(0, 48), 0.0), (slice(48, 64), 0.5))
    maps[0, :48] = 0.55
    taught = CARD.model_copy(update={"taught": (22.0, 31.1)})
    assert SizeEvidence.of(maps, taught, 1.0).factor == pytest.approx(2**0.5, rel=0.05)
    assert SizeEvidence.of(maps, CARD, 1.0).factor == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("size", [50.0, -50.0, np.inf, -np.inf])
def test_nonsense_of_the_size_head_stays_finite(size):
    evidence = SizeEvidence.of(output((slice(0, 64), size)), CARD, 1.0)
    assert np.isfinite(evidence.factor)
    assert np.isfinite(evidence.nuclei)


@pytest.mark.parametrize(
    ("diameter", "scale"), [(22, 1), (25, 1), (18, 1), (44, 0.5), (11, 2), (1e9, SCALES[0]), (1e-9, SCALES[1])]
)
def test_the_scale_brings_nuclei_to_the_models_size_within_bounds(diameter, scale):
    assert scale_for(diameter, 22.0) == pytest.approx(scale)


def reader_of(pixels: np.ndarray, inputs: int = 1) -> PlaneReader:
    height, width = pixels.shape
    look = replace(GREY, signals=GREY.signals * inputs)
    ranges = (IntensityRange(0, 1),) * inputs
    return PlaneReader(ImageSource(pixels, "YX"), (), (0, height, 0, width), look, ranges)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (900, 2), (400, 700)])
def test_planes_of_any_shape_are_looked_at(shape):
    pixels = np.random.default_rng(0).random(shape, np.float32)
    runner = NetworkRunner(tiny_model(), FLOAT32, 512)
    assert np.isfinite(first_look(reader_of(pixels), runner, Silent()))


def test_a_plane_without_nuclei_has_no_diameter(bundled_model):
    runner = NetworkRunner(bundled_model, FLOAT32, 512)
    sized = predict_sized(reader_of(np.zeros((100, 100), np.float32), inputs=2), runner, Silent())
    assert sized.diameter == 0
    assert sized.prediction.scale == 1


@pytest.mark.parametrize("diameter", [8, 10, 14, 20, 30, 45, 60, 80, 100, 120])
def test_the_size_is_found_without_the_users_help(diameter):
    rng = np.random.default_rng(diameter)
    side = int(np.clip(8 * diameter, 256, 720))
    light, labels = draw_nuclei((side, side), diameter, int(0.3 * side**2 / diameter**2), rng, clumped=0.4)
    areas = np.bincount(labels.ravel())[1:]
    true = float(np.sqrt(4 * np.median(areas) / np.pi))
    result = segment(camera(light + 0.03, rng), device="cpu")
    assert true / 1.5 <= result.diameter <= true * 1.5


def test_all_planes_of_a_stack_share_the_size_of_the_middle_one():
    rng = np.random.default_rng(0)
    light, _ = draw_nuclei((200, 200), 36, 12, rng, clumped=0.3)
    image = np.stack([np.full((200, 200), 110), camera(light + 0.03, rng), np.full((200, 200), 110)])
    stack, plane = segment(image, axes="TYX", device="cpu"), segment(image[1], device="cpu")
    assert stack.diameter == pytest.approx(plane.diameter)
    assert np.array_equal(stack.labels[1], plane.labels)

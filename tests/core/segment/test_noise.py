"""What is no nucleus must not become one, whatever the camera."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.samples.drawing import Nucleus, camera, draw
from napari_unet_nuclei.core.segment.run import segment

CAMERAS = [
    {"gain": 1, "offset": 100, "dtype": np.uint16},
    {"gain": 0.3, "offset": 50, "dtype": np.uint8},
    {"gain": 20, "offset": 1000, "dtype": np.uint16},
    {"gain": 2, "offset": 60_000, "dtype": np.uint16},
    {"gain": 1e-4, "offset": 0, "dtype": np.float32},
    {"gain": 3, "offset": -500, "dtype": np.int32},
]


@pytest.mark.parametrize("light", [0.0, 0.5], ids=["dark", "lit"])
@pytest.mark.parametrize("kind", CAMERAS, ids=lambda kind: f"{np.dtype(kind['dtype'])}-{kind['gain']}-{kind['offset']}")
def test_camera_noise_alone_gives_no_nuclei(kind, light):
    rng = np.random.default_rng(int(10 * light))
    assert segment(camera(np.full((512, 512), light), rng, **kind), device="cpu").count == 0


def test_a_large_plane_of_noise_gives_no_nuclei():
    rng = np.random.default_rng(0)
    assert segment(camera(np.full((2048, 2048), 0.1), rng), device="cpu").count == 0


def plane_with(*nuclei: Nucleus) -> tuple[np.ndarray, np.ndarray]:
    light, labels = draw(nuclei, (2048, 2048))
    return camera(light + 0.03, np.random.default_rng(1)), labels


@pytest.mark.parametrize("diameter", [22, 60])
def test_one_nucleus_in_a_large_plane_is_one(diameter):
    image, truth = plane_with(Nucleus(1003.0, 1207.0, diameter / 2))
    labels = segment(image, device="cpu").labels
    assert labels.max() == 1
    assert np.logical_and(labels > 0, truth > 0).sum() / np.logical_or(labels > 0, truth > 0).sum() > 0.5


def test_two_small_nuclei_in_a_large_plane_are_two():
    image, truth = plane_with(Nucleus(500.0, 700.0, 10.0), Nucleus(1503.0, 1600.0, 10.0, seed=1))
    labels = segment(image, device="cpu").labels
    assert labels.max() == 2
    assert {int(labels[500, 700]), int(labels[1503, 1600])} == {1, 2}
    assert truth.max() == 2

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.kind import possible_looks
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment import automatic_size
from napari_unet_nuclei.core.segment.automatic_size import find_scale, predict_sized
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Grid, predict_plane
from tests.helpers.recording import RecordingProgress
from tests.helpers.samples import fluorescent_nuclei
from tests.helpers.small_device import reader
from tests.helpers.tiny import FLOAT32, GREY, tiny_model

PARTS = [(0, 100, 0, 100), (100, 200, 64, 420), (199, 300, 301, 420), (5, 6, 7, 8)]


@pytest.mark.parametrize("scale", [0.37, 0.5, 1.0, 1.7])
def test_maps_of_a_part_are_those_of_the_whole_plane(scale):
    plane, runner = reader(), NetworkRunner(tiny_model(), FLOAT32, 128)
    whole = predict_plane(plane, scale, runner, Silent()).maps
    for part in PARTS:
        y0, y1, x0, x1 = part
        maps = predict_plane(plane, scale, runner, Silent(), region=part).maps
        assert maps.shape == (3, y1 - y0, x1 - x0)
        assert np.abs(maps.astype(int) - whole[:, y0:y1, x0:x1]).max() <= 1


def test_the_lock_is_held_while_the_network_runs_and_free_while_an_image_is_read(monkeypatch):
    plane, runner, lock = reader(), NetworkRunner(tiny_model(), FLOAT32, 64), threading.Lock()
    run, read, seen = runner.run, Grid.read, []
    monkeypatch.setattr(runner, "run", lambda *given: (seen.append(("run", lock.locked())), run(*given))[1])
    monkeypatch.setattr(Grid, "read", lambda *given: (seen.append(("read", lock.locked())), read(*given))[1])
    predict_plane(plane, 1.0, runner, Silent(), region=(0, 64, 0, 128), lock=lock)
    assert set(seen) == {("read", False), ("run", True)}


def test_every_tile_is_reported():
    progress = RecordingProgress()
    predict_plane(reader(), 1.0, NetworkRunner(tiny_model(), FLOAT32, 64), progress, region=(0, 128, 0, 192))
    assert len(progress.fractions) == 2 * 3 + 1
    assert progress.fractions[-1] == 1


def test_the_size_that_windows_tell_is_that_of_the_plane(bundled_model, monkeypatch):
    monkeypatch.setattr(automatic_size, "SAMPLE_SIDE", 96)
    sample = fluorescent_nuclei(shape=(700, 600), diameter=50, count=60)
    sampled = PlaneSample.whole(ImageSource(sample.image, "YX"))
    [look] = possible_looks(sampled, kind="fluorescence", inputs=bundled_model.card.network_inputs)
    plane = sampled.open(look, bundled_model.card.percentiles)
    runner = NetworkRunner(bundled_model, choose_device("cpu"), 512)
    scale, diameter = find_scale([plane], runner, Silent())
    whole = predict_sized(plane, runner, Silent())
    assert diameter == pytest.approx(whole.diameter, rel=0.15)
    assert scale == pytest.approx(whole.prediction.scale, rel=0.15)


def test_an_image_without_nuclei_is_left_at_its_scale():
    plane = PlaneSample.whole(ImageSource(np.zeros((200, 200), np.uint8), "YX")).open(GREY, (1.0, 99.8))
    model = tiny_model()
    scale, diameter = find_scale([plane], NetworkRunner(model, FLOAT32, 128), Silent())
    assert scale > 0
    assert diameter > 0

"""Memory that runs short is simulated by a device whose network raises above a size, as PyTorch does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_unet_nuclei.core.errors import DeviceMemoryError
from napari_unet_nuclei.core.progress import Advanced, Notice, Rising, Silent
from napari_unet_nuclei.core.samples.drawing import camera, draw_nuclei
from napari_unet_nuclei.core.segment import network_runner, run
from napari_unet_nuclei.core.segment.automatic_size import predict_sized
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner, TileTooLarge, is_memory_shortage
from napari_unet_nuclei.core.segment.predict import predict_plane
from napari_unet_nuclei.core.segment.run import segment
from tests.helpers.recording import RecordingProgress
from tests.helpers.small_device import CPU_SHORTAGE, GRAPHICS, reader, small_device
from tests.helpers.tiny import FLOAT32, tiny_model

MPS_SHORTAGE = "MPS backend out of memory (MPS allocated: 17.50 GB, other allocations: 1 GB, max allowed: 18.13 GB)."


@pytest.fixture(autouse=True)
def float32_everywhere(monkeypatch):
    """The result is compared to the bit that quantising leaves, so no precision may change on the way."""
    monkeypatch.setattr(network_runner, "choose_device", lambda request: FLOAT32)


@pytest.fixture(scope="module")
def wanted() -> np.ndarray:
    """Maps of a run without shortage."""
    return predict_plane(reader(), 1.0, NetworkRunner(tiny_model(), FLOAT32, 512), Silent()).maps


def assert_same(maps: np.ndarray, wanted: np.ndarray) -> None:
    assert np.abs(maps.astype(int) - wanted).max() <= 1
    assert (maps != wanted).mean() < 0.001


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(CPU_SHORTAGE),
        RuntimeError(MPS_SHORTAGE),
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
    ],
    ids=["cpu", "mps", "python", "cuda"],
)
def test_smaller_tiles_are_used_where_memory_runs_short_with_the_same_result(error, wanted):
    progress = RecordingProgress()
    runner = NetworkRunner(tiny_model(), small_device("cpu", 240, error), 512)
    maps = predict_plane(reader(), 1.0, runner, Rising(progress)).maps
    assert runner.tile == 128
    assert (
        progress.notices
        == runner.notices
        == [
            "Memory ran short on cpu: going on with tiles of 256 px.",
            "Memory ran short on cpu: going on with tiles of 128 px.",
        ]
    )
    assert_same(maps, wanted)


def test_the_processor_takes_over_where_no_tile_fits_the_graphics_card(wanted):
    progress = RecordingProgress()
    runner = NetworkRunner(tiny_model(), small_device(GRAPHICS, 20, torch.OutOfMemoryError("CUDA out of memory.")), 512)
    maps = predict_plane(reader(), 1.0, runner, Rising(progress)).maps
    assert runner.device == FLOAT32
    assert runner.tile == 512
    assert len(progress.notices) == 3
    assert "CPU" in progress.notices[-1]
    assert_same(maps, wanted)


def test_a_shortage_in_the_middle_of_a_plane_is_survived():
    """The first tile of a row has its halo on one side only, so the second is the first that does not fit."""
    wide = reader((300, 800))
    wanted = predict_plane(wide, 1.0, NetworkRunner(tiny_model(), FLOAT32, 1024), Silent()).maps
    progress = RecordingProgress()
    runner = NetworkRunner(tiny_model(), small_device("cpu", 245), 256)
    maps = predict_plane(wide, 1.0, runner, Rising(progress)).maps
    assert runner.tile == 128
    shortage = progress.events.index(Notice(runner.notices[0]))
    assert sum(isinstance(event, Advanced) for event in progress.events[:shortage]) == 2
    assert_same(maps, wanted)


def test_no_memory_at_all_is_an_error_that_says_what_to_do():
    runner = NetworkRunner(tiny_model(), small_device("cpu", 20), 512)
    with pytest.raises(DeviceMemoryError, match="Close other programs"):
        predict_plane(reader(), 1.0, runner, Rising(RecordingProgress()))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("expected scalar type Float but found Half"),
        ValueError("no"),
        NotImplementedError("no such kernel"),
    ],
)
def test_any_other_error_is_shown_as_itself(error):
    runner = NetworkRunner(tiny_model(), small_device("cpu", 20, error), 512)
    with pytest.raises(type(error), match=str(error)):
        predict_plane(reader(), 1.0, runner, Silent())
    assert runner.notices == []
    assert not is_memory_shortage(error)


def test_a_tile_that_does_not_fit_asks_for_a_new_plan():
    runner = NetworkRunner(tiny_model(), small_device("cpu", 100), 256)
    with pytest.raises(TileTooLarge):
        runner.run(np.zeros((1, 256, 256), np.float32), Silent())
    assert runner.tile == 128


def test_the_size_is_still_found_where_memory_runs_short():
    plenty = predict_sized(reader(), NetworkRunner(tiny_model(), FLOAT32, 512), Silent())
    short = NetworkRunner(tiny_model(), small_device("cpu", 240), 512)
    found = predict_sized(reader(), short, Rising(RecordingProgress()))
    assert found.diameter == pytest.approx(plenty.diameter, rel=0.35)


def test_a_whole_run_tells_of_every_step_and_gives_the_same_labels(monkeypatch, tiny_model_file):
    light, _ = draw_nuclei((300, 420), 22, 60, np.random.default_rng(0))
    image = camera(light, np.random.default_rng(0))
    given = {"model": str(tiny_model_file), "tile": 512, "diameter": 22.0}
    monkeypatch.setattr(run, "choose_device", lambda request: FLOAT32)
    wanted = segment(image, **given)
    monkeypatch.setattr(run, "choose_device", lambda request: small_device("cpu", 240))
    progress = RecordingProgress()
    result = segment(image, progress=progress, **given)
    assert [notice for notice in result.notices if "Memory" in notice] == [
        "Memory ran short on cpu: going on with tiles of 256 px.",
        "Memory ran short on cpu: going on with tiles of 128 px.",
    ]
    assert_same(result.maps, wanted.maps)
    assert progress.fractions[-1] == 1


def test_the_simulated_error_is_what_pytorch_really_raises():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_memory_shortage(caught.value)

from __future__ import annotations

import pytest
import torch

from napari_unet_nuclei.core.finetune import time_estimate as pace
from napari_unet_nuclei.core.finetune.time_estimate import FEWEST_STEPS, LEAST_EPOCHS, paced, seconds_per_step
from napari_unet_nuclei.core.settings import TrainSettings
from tests.helpers.small_run import sample, small_trainer

LIMITED = TrainSettings().changed(time=160.0, epoch_steps=50, batch=2, crop=32, device="cpu")


@pytest.mark.parametrize(("seconds", "steps"), [(0.01, 50), (0.5, 40), (100.0, FEWEST_STEPS)])
def test_a_slow_computer_is_looked_at_as_often_as_a_fast_one(monkeypatch, seconds, steps):
    monkeypatch.setattr(pace, "seconds_per_step", lambda trainer, samples: seconds)
    assert paced(small_trainer(LIMITED), [sample(0)]).epoch_steps == steps
    assert steps * seconds * LEAST_EPOCHS <= LIMITED.time or steps == FEWEST_STEPS


@pytest.mark.parametrize("given", [{"steps": 7}, {"epochs": 3}])
def test_a_run_that_is_to_be_repeated_is_left_as_it_is(monkeypatch, given):
    monkeypatch.setattr(pace, "seconds_per_step", lambda trainer, samples: 100.0)
    settings = LIMITED.changed(**given)
    assert paced(small_trainer(settings), [sample(0)]) == settings


def test_measuring_changes_neither_network_nor_optimiser():
    trainer = small_trainer(LIMITED)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    assert seconds_per_step(trainer, [sample(0)]) > 0
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(value.grad is None for value in trainer.network.parameters())
    assert trainer.optimiser.state_dict()["state"] == {}

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from napari_unet_nuclei.core.train.batches import BatchSource, batch_workers
from napari_unet_nuclei.core.train.instances import InstanceTask
from napari_unet_nuclei.core.train.samples import Sample
from tests.helpers.small_run import CARD, SETTINGS, sample
from tests.helpers.tiny import FLOAT32

GRAPHICS = replace(FLOAT32, name="cuda:0", precision=torch.float16)
can_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="processes cannot be forked"
)


@pytest.fixture
def source() -> BatchSource:
    return BatchSource([sample(0), sample(1)], InstanceTask(CARD), SETTINGS, FLOAT32)


def test_the_same_step_gives_the_same_batch_in_any_order(source):
    first, _, again = source.batch(5), source.batch(6), source.batch(5)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1].distance, again[1].distance)
    assert first[0].shape == (2, 1, 32, 32)


def test_without_another_microscope_pixels_are_those_of_no_augmentation_while_stains_still_vary():
    stained = replace(sample(0), kind="brightfield", picture=np.full((3, 64, 64), 150, np.uint8))
    card = CARD.model_copy(update={"inputs": ("nuclei",)})

    def pixels(drawn: Sample, **given: float) -> torch.Tensor:
        return BatchSource([drawn], InstanceTask(card), SETTINGS.changed(**given), FLOAT32).batch(5)[0]

    assert torch.equal(pixels(sample(0), microscope=0.0), pixels(sample(0), augmentation=0.0))
    assert not torch.equal(pixels(sample(0), microscope=0.1), pixels(sample(0), augmentation=0.0))
    assert not torch.equal(pixels(stained, microscope=0.0), pixels(stained, augmentation=0.0))


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=can_fork)])
def test_batches_made_ahead_are_those_of_their_steps(source, workers):
    wanted = [source.batch(step) for step in (4, 5, 6)]
    with source.ahead(4, workers) as batches:
        for (images, targets), (expected, truth) in zip(islice(batches, 3), wanted, strict=True):
            assert torch.equal(images, expected)
            assert torch.equal(targets.size, truth.size)


@can_fork
def test_no_worker_outlives_its_training(source):
    with source.ahead(0, 2) as batches:
        next(batches)
        assert len(multiprocessing.active_children()) == 2
    del batches
    assert not multiprocessing.active_children()


def test_a_processor_trains_without_worker_processes():
    assert batch_workers(FLOAT32) == 0


@can_fork
def test_a_simulated_graphics_card_is_given_all_cores_but_one(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)))
    assert batch_workers(GRAPHICS) == 15

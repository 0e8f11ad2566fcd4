"""Finds out how fast this computer trains, so that a slow one does not spend all its time before the first look."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from napari_unet_nuclei.core.settings import TrainSettings
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.trainer import BatchSource, Trainer

LEAST_EPOCHS = 8
"""Of a training that only time ends, so many epochs are looked at, among which the best is chosen."""

FEWEST_STEPS = 4
"""Steps of an epoch, however slow the computer: with fewer there is nothing new to see."""


def paced(trainer: Trainer, samples: Sequence[Sample]) -> TrainSettings:
    """Return the settings of a trainer with epochs that are short enough for its time limit.

    Where steps or epochs are given, they stay as they are, so that a run can be repeated to the bit.

    Parameters
    ----------
    trainer : Trainer
        Not changed.
    samples : sequence of Sample
        What is learnt from.
    """
    settings = trainer.settings
    if not (settings.steps_auto and settings.epochs_auto):
        return settings
    affordable = settings.time / (LEAST_EPOCHS * seconds_per_step(trainer, samples))
    fewer = max(int(affordable), FEWEST_STEPS)
    changed: TrainSettings = settings.changed(epoch_steps=min(settings.epoch_steps, fewer))
    return changed


def seconds_per_step(trainer: Trainer, samples: Sequence[Sample]) -> float:
    """Time how long a batch and its way through the network and back take; the first one prepares a lot."""
    source = BatchSource(samples, trainer.task, trainer.settings, trainer.device)
    seconds = 0.0
    reduced = trainer.device.precision != torch.float32
    for step in range(2):
        started = time.monotonic()
        images, targets = source.batch(step)
        with torch.autocast(trainer.device.name.split(":")[0], torch.bfloat16, enabled=reduced):
            logits = trainer.network(images)  # in evaluation mode: no batch statistics are learnt
        trainer.task.loss(logits.float(), targets).backward()
        trainer.optimiser.zero_grad()
        seconds = time.monotonic() - started
    return max(seconds, 1e-6)

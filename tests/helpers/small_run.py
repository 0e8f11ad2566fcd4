"""A training run of a few seconds; as a program, one that is killed in its second epoch."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from napari_unet_nuclei.core.image.normalise import intensity_range
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.progress import Advanced, Event, Silent
from napari_unet_nuclei.core.samples.drawing import camera, draw_nuclei
from napari_unet_nuclei.core.settings import TrainSettings
from napari_unet_nuclei.core.train import trainer
from napari_unet_nuclei.core.train.samples import Sample
from tests.helpers.tiny import FLOAT32, TINY

CARD = ModelCard(name="small run", architecture=TINY)
SETTINGS = TrainSettings().changed(steps=6, epoch_steps=3, batch=2, crop=32, device="cpu", seed=3)


def sample(seed: int) -> Sample:
    drawn = _drawn(seed)
    return replace(drawn, image=drawn.image.copy(), labels=drawn.labels.copy())


@cache
def _drawn(seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    light, labels = draw_nuclei((64, 64), 16, 8, rng, clumped=0.5)
    pixels = camera(light + 0.03, rng).astype(np.float32)
    return Sample(f"image {seed}", intensity_range(pixels).normalise(pixels)[None], labels, str(seed))


def small_trainer(settings: TrainSettings = SETTINGS) -> trainer.Trainer:
    """Everything on one thread and in float32, so that a run repeats to the bit."""
    torch.set_num_threads(1)
    trainer.choose_device = lambda request: FLOAT32
    return trainer.Trainer(CARD, settings)


class KilledAtStepFive(Silent):
    def report(self, event: Event) -> None:
        if isinstance(event, Advanced) and event.message.startswith("step 5,"):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    small_trainer().fit([sample(0), sample(1)], [sample(2)], KilledAtStepFive(), Path(sys.argv[1]))

"""What the trainer asks of a task, so that one loop serves nuclei and classes alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.train.augment import Augmentation
from napari_unet_nuclei.core.train.samples import Crop, Sample


@dataclass(frozen=True)
class Judged:
    """What validation says of the weights of one epoch.

    Attributes
    ----------
    loss : float
        Mean over the validation images of the loss on a piece of each.
    scores : mapping of str to float
        Figures for people, by name, e.g. ``{"AP@0.5": 0.81}``.
    score : float
        Decides which epoch is the best.
    """

    loss: float
    scores: Mapping[str, float]
    score: float


class Task(Protocol):
    """What a network is trained for; everything else about training is the same for all.

    The targets of a batch are whatever `targets` makes and `loss` takes.
    """

    def augmentation(self, strength: float) -> Augmentation:
        """Return the augmentation that leaves what is to be learnt recognisable, at a strength of 0 to 1."""

    def draw_crop(self, sample: Sample, side: int, strength: float, rng: np.random.Generator) -> Crop:
        """Cut a random square of ``side`` px at a random scale; ``strength`` is that of the augmentation, 0 to 1."""

    def targets(self, crops: Sequence[Crop], device: str) -> Any:
        """Make what the network should say of crops of the same side, on a device."""

    def loss(self, logits: Tensor, targets: Any) -> Tensor:
        """Compare output (N, K, Y, X), float32, with targets; a Tensor of shape ()."""

    def validate(self, network: UNet, samples: Sequence[Sample], device: Device, crop: int) -> Judged:
        """Judge a network, which is not changed, on whole samples, and by its loss on a ``crop`` px piece of each."""


def loss_on(task: Task, network: UNet, crop: Crop) -> float:
    """Loss of a network, on the CPU and in evaluation mode, on one crop as it is."""
    with torch.inference_mode():
        logits = network(torch.from_numpy(crop.image)[None])
    return float(task.loss(logits, task.targets([crop], "cpu")))

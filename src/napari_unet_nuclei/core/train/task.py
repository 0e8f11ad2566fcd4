"""What the trainer needs from a task, so that one loop serves nuclei and classes alike."""

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
class Validation:
    """Result of validating the weights of one epoch."""

    loss: float  # mean over one crop of each validation image
    scores: Mapping[str, float]  # figures to show, by name, e.g. {"AP@0.5": 0.81}
    score: float  # decides which epoch is the best


class Task(Protocol):
    """What a network is trained for. Targets of a batch are opaque: `targets` makes them, `loss` takes them."""

    def augmentation(self, strength: float) -> Augmentation:
        """Return the augmentation, of strength 0 to 1, that preserves what is to be learned."""

    def draw_crop(self, sample: Sample, side: int, strength: float, rng: np.random.Generator) -> Crop:
        """Cut a random square of ``side`` px at a random scale; ``strength`` is that of the augmentation."""

    def targets(self, crops: Sequence[Crop]) -> Any:
        """Encode crops of equal side as training targets, which have a method ``to`` for devices as Tensors have."""

    def loss(self, logits: Tensor, targets: Any) -> Tensor:
        """Compare network output (N, K, Y, X), float32, with targets; return a Tensor of shape ()."""

    def validate(self, network: UNet, samples: Sequence[Sample], device: Device, crop: int) -> Validation:
        """Score a network on whole samples, and compute its loss on a ``crop`` px piece of each."""


def loss_on(task: Task, network: UNet, crop: Crop) -> float:
    """Return the loss of a network, on the CPU and in evaluation mode, on one crop without augmentation."""
    with torch.inference_mode():
        logits = network(torch.from_numpy(crop.image)[None])
    return float(task.loss(logits, task.targets([crop])))

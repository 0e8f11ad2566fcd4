"""What the network is punished for, head by head, counting only pixels that somebody looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_unet_nuclei.core.labels.encode import TargetMaps
from napari_unet_nuclei.core.model.card import Head

BORDER_POSITIVE_WEIGHT = 5.0
"""Border pixels are rare; this many times the weight of the others."""

DISTANCE_WEIGHT = 3.0
SIZE_WEIGHT = 0.5
BACKGROUND_DISTANCE_WEIGHT = 0.1
"""The distance is learnt inside nuclei; outside, faintly, so that it falls to 0 at the outline."""


@dataclass(frozen=True)
class Targets:
    """A batch of target maps, each Tensor (N, 1, Y, X) float32; see `TargetMaps`."""

    foreground: Tensor
    border: Tensor
    distance: Tensor
    size: Tensor
    weight: Tensor

    @staticmethod
    def stack(maps: Sequence[TargetMaps], device: str) -> Targets:
        """Stack the targets of several crops of the same shape."""
        names = ("foreground", "border", "distance", "size", "weight")
        arrays = (np.stack([getattr(one, name)[None] for one in maps]) for name in names)
        return Targets(*(torch.from_numpy(array).to(device) for array in arrays))


def instance_loss(logits: Tensor, targets: Targets, heads: Sequence[Head]) -> Tensor:
    """Sum of the losses of all heads.

    Foreground and border: binary cross-entropy plus soft Dice; distance and size: smooth L1 (Huber).

    Parameters
    ----------
    logits : Tensor, shape (N, K, Y, X), float32
        Network output, one channel per head.
    targets : Targets
        Pixels of weight 0 have no influence at all.
    heads : sequence of str
        Meaning of the channels.

    Returns
    -------
    Tensor, shape (), float32
        0 where no pixel has weight.
    """
    losses = [_HEAD_LOSSES[head](logits[:, k : k + 1], targets) for k, head in enumerate(heads)]
    return torch.stack(losses).sum()


def _weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def _soft_dice(probability: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """1 - Dice over the whole batch; the added 1 keeps an empty batch at 0."""
    overlap = (probability * target * weight).sum()
    total = ((probability + target) * weight).sum()
    return 1 - (2 * overlap + 1) / (total + 1)


def _foreground_loss(logits: Tensor, targets: Targets) -> Tensor:
    entropy = F.binary_cross_entropy_with_logits(logits, targets.foreground, reduction="none")
    return _weighted_mean(entropy, targets.weight) + _soft_dice(logits.sigmoid(), targets.foreground, targets.weight)


def _border_loss(logits: Tensor, targets: Targets) -> Tensor:
    seen = (targets.weight > 0).float()
    entropy = F.binary_cross_entropy_with_logits(
        logits, targets.border, reduction="none", pos_weight=torch.tensor(BORDER_POSITIVE_WEIGHT, device=logits.device)
    )
    return _weighted_mean(entropy, seen) + _soft_dice(logits.sigmoid(), targets.border, seen)


def _distance_loss(logits: Tensor, targets: Targets) -> Tensor:
    importance = targets.foreground + BACKGROUND_DISTANCE_WEIGHT * (1 - targets.foreground)
    error = F.smooth_l1_loss(logits.sigmoid(), targets.distance, reduction="none", beta=0.1)
    return DISTANCE_WEIGHT * _weighted_mean(error, targets.weight * importance)


def _size_loss(logits: Tensor, targets: Targets) -> Tensor:
    seen = (targets.weight > 0).float() * targets.foreground
    return SIZE_WEIGHT * _weighted_mean(F.smooth_l1_loss(logits, targets.size, reduction="none", beta=0.25), seen)


_HEAD_LOSSES = {
    "foreground": _foreground_loss,
    "border": _border_loss,
    "distance": _distance_loss,
    "size": _size_loss,
}

"""Judge a network on validation images while it is being trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps, quantise
from napari_unet_nuclei.core.labels.encode import encode_labels
from napari_unet_nuclei.core.labels.metrics import IOU_THRESHOLDS, match, per_image
from napari_unet_nuclei.core.model.card import DECODED_HEADS, ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.train.losses import Targets, instance_loss
from napari_unet_nuclei.core.train.samples import Sample

SCALES = (0.25, 4.0)
"""Images are rescaled at most this much for validation."""


@dataclass(frozen=True)
class Judged:
    """Validation figures of one epoch: mean loss, per-image AP at IoU 0.5, and the score that chooses the best."""

    loss: float
    ap50: float
    score: float


def validate(network: UNet, card: ModelCard, samples: Sequence[Sample], device: Device) -> Judged:
    """Segment every sample at the model's own scale, its true nucleus size given, and compare.

    Parameters
    ----------
    network : UNet
        On the device; left in evaluation mode.
    card : ModelCard
    samples : sequence of Sample
    device : Device

    Returns
    -------
    Judged
        The score is the mean of AP at IoU 0.5 to 0.9.
    """
    network.eval()
    losses, counts = [], []
    for sample in samples:
        scale = card.diameter / sample.median_diameter if sample.median_diameter else 1.0
        scale = float(np.clip(scale, *SCALES))
        logits, labels = _predict(network, sample, scale, device)
        maps = encode_labels(labels, card.diameter, sample.diameters * scale)
        targets = Targets.stack([maps], device.name)
        losses.append(float(instance_loss(logits, targets, card.architecture.heads)))
        chosen = [card.architecture.heads.index(head) for head in DECODED_HEADS]
        decoded = F.interpolate(logits[:, chosen].sigmoid(), sample.labels.shape, mode="bilinear")[0]
        thresholds = DecodeThresholds(
            card.thresholds.foreground, card.thresholds.seed, round(card.thresholds.min_size / scale**2), 1 / scale
        )
        counts.append(match(sample.labels, decode_maps(quantise(decoded.cpu().numpy()), thresholds)))
    precision = per_image(counts)
    return Judged(float(np.mean(losses)), float(precision[0]), float(precision[: IOU_THRESHOLDS.index(0.9) + 1].mean()))


def _predict(network: UNet, sample: Sample, scale: float, device: Device) -> tuple[Tensor, np.ndarray]:
    """Return logits (1, K, Y, X) and labels (Y, X) at the model's own scale."""
    shape = tuple(max(round(size * scale), 1) for size in sample.labels.shape)
    image = torch.from_numpy(sample.image)[None].to(device.name)
    image = F.interpolate(image, shape, mode="bilinear", antialias=True).to(memory_format=torch.channels_last)
    stride = network.architecture.stride
    padding = [-size % stride for size in shape]
    padded = F.pad(image, (0, padding[1], 0, padding[0]), mode="replicate")
    enabled = device.precision != torch.float32
    with torch.inference_mode(), torch.autocast(device.name.split(":")[0], device.precision, enabled=enabled):
        logits = network(padded).float()
    labels = F.interpolate(torch.from_numpy(sample.labels)[None, None].float(), shape, mode="nearest-exact")
    return logits[..., : shape[0], : shape[1]], labels[0, 0].numpy().astype(np.int32)

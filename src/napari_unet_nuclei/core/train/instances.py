"""The task of separating nuclei: predict foreground, border, distance and size of every pixel, and decode to labels."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_unet_nuclei.core.labels.decode import PlaneDecoder
from napari_unet_nuclei.core.labels.encode import OUTLINE_WEIGHTS, TargetMaps, encode_labels
from napari_unet_nuclei.core.labels.metrics.comparison import LabelComparison, compare_labels, mean_scores
from napari_unet_nuclei.core.model.architecture import Head
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.automatic_size import scale_for
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import predict_plane, thresholds_at
from napari_unet_nuclei.core.train.augment import Augmentation, StainMixing
from napari_unet_nuclei.core.train.breakdown import broken_down, by_dataset_and_kind, mean_of_datasets
from napari_unet_nuclei.core.train.samples import Crop, Sample, add_fill, blank_crop, cut_crop, draw_scale
from napari_unet_nuclei.core.train.stains import StainVariation
from napari_unet_nuclei.core.train.task import Validation, loss_on
from napari_unet_nuclei.core.train.validate import TILE, in_reviewed, sample_reader, score

BLANK_SHARE = 0.04
"""Share of crops that show noise without nuclei."""

FILL_SHARE = 0.05
"""Share of crops partly covered by fill."""

BORDER_POSITIVE_WEIGHT = 5.0
"""Weight of border pixels, which are rare, relative to others."""

DISTANCE_WEIGHT = 3.0
BACKGROUND_DISTANCE_WEIGHT = 0.1
"""The distance is learned inside nuclei, and faintly outside, so that it falls to 0 at the outline."""

SIZE_WEIGHT = 0.5

TRIED_SPLITS = (0.2, 0.3, 0.4, 0.5)
"""Notch depths to decode with; each epoch is scored with the best. Distances sharpen as training goes on, so a fixed
depth would rank later, better weights lower."""

FOREGROUND_IOU = "foreground IoU"
AP50 = "AP@0.5"
"""Names of the figures of an epoch, means over the validation images. The second is also broken down by data set and
kind of image if there are several."""


@dataclass(frozen=True)
class Targets:
    """A batch of target maps, each Tensor (N, 1, Y, X) float32; see `TargetMaps`."""

    foreground: Tensor
    border: Tensor
    distance: Tensor
    size: Tensor
    weight: Tensor

    @staticmethod
    def stack(maps: Sequence[TargetMaps]) -> Targets:
        """Stack the targets of several crops of the same shape."""
        names = ("foreground", "border", "distance", "size", "weight")
        arrays = (np.stack([getattr(one, name)[None] for one in maps]) for name in names)
        return Targets(*(torch.from_numpy(array) for array in arrays))

    def to(self, device: str) -> Targets:
        """Move all maps to a device."""
        maps = (self.foreground, self.border, self.distance, self.size, self.weight)
        return Targets(*(one.to(device) for one in maps))


@dataclass(frozen=True)
class InstanceTask:
    """Segmentation of single nuclei at the diameter and with the thresholds of a card."""

    card: ModelCard

    def augmentation(self, strength: float) -> Augmentation:
        """Return an augmentation with everything that another microscope could do."""
        # Named inputs are not colours; their stains are varied before the inputs are computed.
        return Augmentation(strength, without=(StainMixing,) if self.card.network_inputs.names else ())

    def stains(self, strength: float) -> StainVariation | None:
        """Return how to vary the stains of crops; None without augmentation, or if the network reads raw channels."""
        names = self.card.network_inputs.names
        return StainVariation(names, self.card.percentiles, strength) if strength and names else None

    def draw_crop(self, sample: Sample, side: int, strength: float, rng: np.random.Generator) -> Crop:
        """Cut a random square with nuclei mostly near the model's size, or draw one without nuclei."""
        if rng.random() < BLANK_SHARE:
            return blank_crop(len(sample.image), side, rng)
        scale = draw_scale(sample, self.card.diameter, rng)
        crop = cut_crop(sample, side, scale, rng, self.stains(strength))
        return add_fill(crop, rng) if rng.random() < FILL_SHARE * strength else crop

    def targets(self, crops: Sequence[Crop]) -> Targets:
        """Encode the target maps."""
        maps = [
            encode_labels(crop.labels, self.card.diameter, crop.diameters, crop.reviewed, OUTLINE_WEIGHTS[crop.kind])
            for crop in crops
        ]
        return Targets.stack(maps)

    def loss(self, logits: Tensor, targets: Targets) -> Tensor:
        """Sum the losses of all heads."""
        return instance_loss(logits, targets, self.card.architecture.heads)

    def validate(self, network: UNet, samples: Sequence[Sample], device: Device, crop: int) -> Validation:
        """Segment every sample at its true nucleus size, and compare using the notch depth that suits best."""
        # A copy, since the runner converts and places what it is given; training goes on with the original.
        frozen = copy.deepcopy(network).cpu().eval()
        runner = NetworkRunner(Model(self.card, frozen), device, TILE)
        # Transposed: from a row per image to one per notch depth.
        tried = zip(*(self._compared(sample, runner) for sample in samples), strict=True)
        best = max(tried, key=lambda comparisons: _score(samples, comparisons))
        mean = mean_scores([comparison.scores for comparison in best])
        scores = {FOREGROUND_IOU: mean.foreground_iou, AP50: float(mean.average_precision[0])}
        precision = [float(comparison.matches.average_precision[0]) for comparison in best]
        scores |= broken_down(
            AP50, by_dataset_and_kind(samples), lambda part: float(np.mean([precision[n] for n in part]))
        )
        losses = [self._fixed_loss(frozen, sample, crop) for sample in samples]
        return Validation(float(np.mean(losses)), scores, _score(samples, best))

    def _compared(self, sample: Sample, runner: NetworkRunner) -> list[LabelComparison]:
        """Compare the result of each notch depth with the truth; the decoder finds the basins only once."""
        prediction = predict_plane(sample_reader(sample), self._true_scale(sample), runner, Silent())
        decoder = PlaneDecoder(prediction.maps, 1 / prediction.scale)
        tried = (thresholds_at(self._with_split(sample, split), prediction.scale) for split in TRIED_SPLITS)
        return [compare_labels(*in_reviewed(sample, decoder.decode(thresholds).labels)) for thresholds in tried]

    def _with_split(self, sample: Sample, split: float) -> ModelCard:
        """Return the card for a sample's kind with another notch depth, and no score threshold."""
        card = self.card.for_kind(sample.kind)
        # The score was fitted to other weights, so it must not drop nuclei here.
        thresholds = card.thresholds.model_copy(update={"split": split, "score": 0.0})
        return card.model_copy(update={"thresholds": thresholds})

    def _true_scale(self, sample: Sample) -> float:
        return scale_for(sample.median_diameter or self.card.diameter, self.card.diameter)

    def _fixed_loss(self, network: UNet, sample: Sample, side: int) -> float:
        """Return the loss on a piece of a sample that is the same in every epoch."""
        return loss_on(self, network, cut_crop(sample, side, self._true_scale(sample), np.random.default_rng(0)))


def _score(samples: Sequence[Sample], comparisons: Sequence[LabelComparison]) -> float:
    """Average the scores of the data sets, so that one with many images does not select the epoch alone."""
    return mean_of_datasets(samples, lambda part: score([comparisons[number].matches for number in part]))


def instance_loss(logits: Tensor, targets: Targets, heads: Sequence[Head]) -> Tensor:
    """Sum the losses of all heads, one channel of logits (N, K, Y, X) per head; 0 if no pixel has weight.

    Foreground and border: binary cross-entropy plus soft Dice; distance and size: smooth L1 (Huber).
    """
    losses = [_HEAD_LOSSES[head](logits[:, k : k + 1], targets) for k, head in enumerate(heads)]
    return torch.stack(losses).sum()


def _weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    # At least 1: a crop whose weights sum to less, at the corner of a reviewed region, must not outweigh the others.
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def _soft_dice(probability: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return 1 - Dice over the whole batch; the added 1 keeps an empty batch at 0."""
    # Over the batch and not per crop: Dice of a crop with a dozen foreground pixels is mostly noise.
    overlap = (probability * target * weight).sum()
    total = ((probability + target) * weight).sum()
    return 1 - (2 * overlap + 1) / (total + 1)


def _foreground_loss(logits: Tensor, targets: Targets) -> Tensor:
    entropy = F.binary_cross_entropy_with_logits(logits, targets.foreground, reduction="none")
    return _weighted_mean(entropy, targets.weight) + _soft_dice(logits.sigmoid(), targets.foreground, targets.weight)


def _border_loss(logits: Tensor, targets: Targets) -> Tensor:
    # Outline weights serve the foreground only; here a pixel counts fully or not at all.
    seen = (targets.weight > 0).float()
    entropy = F.binary_cross_entropy_with_logits(
        logits, targets.border, reduction="none", pos_weight=torch.tensor(BORDER_POSITIVE_WEIGHT, device=logits.device)
    )
    return _weighted_mean(entropy, seen) + _soft_dice(logits.sigmoid(), targets.border, seen)


def _distance_loss(logits: Tensor, targets: Targets) -> Tensor:
    importance = targets.foreground + BACKGROUND_DISTANCE_WEIGHT * (1 - targets.foreground)
    # Linear beyond 0.1: a few misplaced summits must not outweigh the slopes that separate nuclei.
    error = F.smooth_l1_loss(logits.sigmoid(), targets.distance, reduction="none", beta=0.1)
    return DISTANCE_WEIGHT * _weighted_mean(error, targets.weight * importance)


def _size_loss(logits: Tensor, targets: Targets) -> Tensor:
    # Inside nuclei only: background has no diameter. In octaves, hence without a sigmoid.
    seen = (targets.weight > 0).float() * targets.foreground
    return SIZE_WEIGHT * _weighted_mean(F.smooth_l1_loss(logits, targets.size, reduction="none", beta=0.25), seen)


_HEAD_LOSSES = {
    "foreground": _foreground_loss,
    "border": _border_loss,
    "distance": _distance_loss,
    "size": _size_loss,
}

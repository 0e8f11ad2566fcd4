"""The task of telling nuclei apart: every pixel's foreground, border, distance and size, decoded to labels."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from napari_unet_nuclei.core.labels.comparison import Comparison, compare_labels, mean_scores
from napari_unet_nuclei.core.labels.decode import PlaneDecoder
from napari_unet_nuclei.core.labels.encode import encode_labels
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.automatic_size import scale_for
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Prediction, predict_plane, thresholds_at
from napari_unet_nuclei.core.train.augment import Augmentation
from napari_unet_nuclei.core.train.losses import Targets, instance_loss
from napari_unet_nuclei.core.train.samples import Crop, Sample, blank_crop, cut_crop, draw_scale
from napari_unet_nuclei.core.train.task import Judged, loss_on
from napari_unet_nuclei.core.train.validate import TILE, judged, sample_reader, score

BLANK_SHARE = 0.04
"""Share of crops that show noise without nuclei."""

TRIED_SPLITS = (0.2, 0.3, 0.4, 0.5)
"""An epoch is judged with the best of these depths of a notch: the distances grow sharper as training goes on, so that
one fixed depth would call later, better weights worse."""

FOREGROUND_IOU = "foreground IoU"
AP50 = "AP@0.5"
"""Names of the figures of an epoch; each is the mean of the validation images."""


@dataclass(frozen=True)
class InstanceTask:
    """Nuclei as instances, at the diameter and with the thresholds of a card."""

    card: ModelCard

    def augmentation(self, strength: float) -> Augmentation:
        """Return everything that another microscope could do."""
        return Augmentation(strength)

    def draw_crop(self, sample: Sample, side: int, rng: np.random.Generator) -> Crop:
        """Cut a square in which nuclei mostly are near the model's size, or make up one without any."""
        if rng.random() < BLANK_SHARE:
            return blank_crop(len(sample.image), side, rng)
        return cut_crop(sample, side, draw_scale(sample, self.card.diameter, rng), rng)

    def targets(self, crops: Sequence[Crop], device: str) -> Targets:
        """Make the target maps."""
        maps = [encode_labels(crop.labels, self.card.diameter, crop.diameters, crop.reviewed) for crop in crops]
        return Targets.stack(maps, device)

    def loss(self, logits: Tensor, targets: Targets) -> Tensor:
        """Sum of the losses of all heads."""
        return instance_loss(logits, targets, self.card.architecture.heads)

    def validate(self, network: UNet, samples: Sequence[Sample], device: Device, crop: int) -> Judged:
        """Segment every sample, its true nucleus size given, and compare, with the depth of a notch that suits best."""
        frozen = copy.deepcopy(network).cpu().eval()
        runner = NetworkRunner(Model(self.card, frozen), device, TILE)
        predictions = [
            predict_plane(sample_reader(sample), self._true_scale(sample), runner, Silent()) for sample in samples
        ]
        tried = zip(
            *(self._compared(sample, prediction) for sample, prediction in zip(samples, predictions, strict=True)),
            strict=True,
        )
        best = max(tried, key=_score)
        mean = mean_scores([comparison.scores for comparison in best])
        scores = {FOREGROUND_IOU: mean.foreground_iou, AP50: float(mean.average_precision[0])}
        losses = [self._fixed_loss(frozen, sample, crop) for sample in samples]
        return Judged(float(np.mean(losses)), scores, _score(best))

    def _compared(self, sample: Sample, prediction: Prediction) -> list[Comparison]:
        """Compare what each depth of a notch gives with the truth; basins are found once."""
        decoder = PlaneDecoder(prediction.maps, 1 / prediction.scale)
        tried = (thresholds_at(self._splitting(sample, split), prediction.scale) for split in TRIED_SPLITS)
        return [compare_labels(*judged(sample, decoder.decode(thresholds).labels)) for thresholds in tried]

    def _splitting(self, sample: Sample, split: float) -> ModelCard:
        """The card for a sample's kind with another depth of a notch, and nothing left out by its score.

        The score was fitted to other weights.
        """
        card = self.card.for_kind(sample.kind)
        thresholds = card.thresholds.model_copy(update={"split": split, "score": 0.0})
        return card.model_copy(update={"thresholds": thresholds})

    def _true_scale(self, sample: Sample) -> float:
        return scale_for(sample.median_diameter or self.card.diameter, self.card.diameter)

    def _fixed_loss(self, network: UNet, sample: Sample, side: int) -> float:
        """Loss on one piece of a sample, always the same one."""
        return loss_on(self, network, cut_crop(sample, side, self._true_scale(sample), np.random.default_rng(0)))


def _score(comparisons: Sequence[Comparison]) -> float:
    return score([comparison.matches for comparison in comparisons])

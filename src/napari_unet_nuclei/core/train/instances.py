"""The task of telling nuclei apart: every pixel's foreground, border, distance and size, decoded to labels."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from napari_unet_nuclei.core.labels.decode import PlaneDecoder
from napari_unet_nuclei.core.labels.encode import OUTLINE_WEIGHTS, encode_labels
from napari_unet_nuclei.core.labels.metrics.comparison import Comparison, compare_labels, mean_scores
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.automatic_size import scale_for
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Prediction, predict_plane, thresholds_at
from napari_unet_nuclei.core.train.augment import Augmentation, StainMixing
from napari_unet_nuclei.core.train.breakdown import broken_down, by_dataset_and_kind, mean_of_datasets
from napari_unet_nuclei.core.train.losses import Targets, instance_loss
from napari_unet_nuclei.core.train.samples import Crop, Sample, StainForm, add_fill, blank_crop, cut_crop, draw_scale
from napari_unet_nuclei.core.train.task import Judged, loss_on
from napari_unet_nuclei.core.train.validate import TILE, judged, sample_reader, score

BLANK_SHARE = 0.04
"""Share of crops that show noise without nuclei."""

FILL_SHARE = 0.05
"""Share of crops of which a piece is no picture."""

TRIED_SPLITS = (0.2, 0.3, 0.4, 0.5)
"""An epoch is judged with the best of these depths of a notch: the distances grow sharper as training goes on, so that
one fixed depth would call later, better weights worse."""

FOREGROUND_IOU = "foreground IoU"
AP50 = "AP@0.5"
"""Names of the figures of an epoch; each is the mean of the validation images. The second is also given for each data
set and kind of image, where there are several."""


@dataclass(frozen=True)
class InstanceTask:
    """Nuclei as instances, at the diameter and with the thresholds of a card."""

    card: ModelCard

    def augmentation(self, strength: float) -> Augmentation:
        """Return everything that another microscope could do."""
        # The network's signals are no colours; their stains vary before they are made.
        return Augmentation(strength, without=(StainMixing,) if self.card.network_inputs.names else ())

    def stains(self, strength: float) -> StainForm | None:
        """Return how stained crops vary; None where they do not, or the network reads no signals."""
        names = self.card.network_inputs.names
        return StainForm(names, self.card.percentiles, strength) if strength and names else None

    def draw_crop(self, sample: Sample, side: int, strength: float, rng: np.random.Generator) -> Crop:
        """Cut a square in which nuclei mostly are near the model's size, or make up one without any."""
        if rng.random() < BLANK_SHARE:
            return blank_crop(len(sample.image), side, rng)
        scale = draw_scale(sample, self.card.diameter, rng)
        crop = cut_crop(sample, side, scale, rng, self.stains(strength))
        return add_fill(crop, rng) if rng.random() < FILL_SHARE * strength else crop

    def targets(self, crops: Sequence[Crop], device: str) -> Targets:
        """Make the target maps."""
        maps = [
            encode_labels(crop.labels, self.card.diameter, crop.diameters, crop.reviewed, OUTLINE_WEIGHTS[crop.kind])
            for crop in crops
        ]
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
        best = max(tried, key=lambda comparisons: _score(samples, comparisons))
        mean = mean_scores([comparison.scores for comparison in best])
        scores = {FOREGROUND_IOU: mean.foreground_iou, AP50: float(mean.average_precision[0])}
        precision = [float(comparison.matches.average_precision[0]) for comparison in best]
        scores |= broken_down(
            AP50, by_dataset_and_kind(samples), lambda part: float(np.mean([precision[n] for n in part]))
        )
        losses = [self._fixed_loss(frozen, sample, crop) for sample in samples]
        return Judged(float(np.mean(losses)), scores, _score(samples, best))

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


def _score(samples: Sequence[Sample], comparisons: Sequence[Comparison]) -> float:
    """Mean over data sets of their scores: one with many images does not decide alone which epoch is best."""
    return mean_of_datasets(samples, lambda part: score([comparisons[number].matches for number in part]))

"""Judge a network on validation images with the same engine that segments for users."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.normalise import IntensityRange
from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.labels.decode import decode_maps
from napari_unet_nuclei.core.labels.encode import encode_labels
from napari_unet_nuclei.core.labels.metrics import IOU_THRESHOLDS, MatchCounts, match, per_image
from napari_unet_nuclei.core.model.card import ModelCard, Thresholds
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Progress, Share, Silent
from napari_unet_nuclei.core.segment.automatic_size import predict_sized, scale_for
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Prediction, predict_plane, thresholds_at
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.train.losses import Targets, instance_loss
from napari_unet_nuclei.core.train.samples import Sample, cut_crop

SCORED = IOU_THRESHOLDS[: IOU_THRESHOLDS.index(0.9) + 1]
"""The score that chooses epochs and thresholds is the mean of AP at these IoU thresholds."""

TRIED_SEEDS = (0.2, 0.3, 0.4, 0.5, 0.6)
"""An epoch is judged with the best of these seed thresholds: the distances grow sharper as training goes on, so that
one fixed threshold would call later, better weights worse."""

_TILE = SegmentSettings().tile


@dataclass(frozen=True)
class Judged:
    """Validation figures of one epoch: mean loss, per-image AP at IoU 0.5, and the score that chooses the best."""

    loss: float
    ap50: float
    score: float


def validate(network: UNet, card: ModelCard, samples: Sequence[Sample], device: Device, crop: int) -> Judged:
    """Segment every sample, its true nucleus size given, and compare, with the seed threshold that suits best.

    Parameters
    ----------
    network : UNet
        Not changed.
    card : ModelCard
    samples : sequence of Sample
    device : Device
    crop : int
        Side in pixels of the piece of each sample that the loss is computed on.
    """
    judged = copy.deepcopy(network).cpu().eval()
    runner = NetworkRunner(Model(card, judged), device, _TILE)
    predictions = [
        predict_plane(sample_reader(sample), _true_scale(sample, card), runner, Silent()) for sample in samples
    ]
    thresholds = [card.thresholds.model_copy(update={"seed": seed}) for seed in TRIED_SEEDS]
    counts = max((_compare_all(samples, predictions, one) for one in thresholds), key=score)
    losses = [_loss(judged, card, sample, crop) for sample in samples]
    return Judged(float(np.mean(losses)), float(per_image(counts)[0]), score(counts))


def _compare_all(
    samples: Sequence[Sample], predictions: Sequence[Prediction], thresholds: Thresholds
) -> list[MatchCounts]:
    return [compare(sample, one, thresholds) for sample, one in zip(samples, predictions, strict=True)]


def predict_samples(model: Model, samples: Sequence[Sample], device: Device, progress: Progress) -> list[Prediction]:
    """Predict samples as a user's image would be, with the nucleus size found automatically."""
    runner = NetworkRunner(model, device, _TILE)
    predictions = []
    for number, sample in enumerate(samples):
        share = Share(progress, number / len(samples), (number + 1) / len(samples))
        predictions.append(predict_sized(sample_reader(sample), runner, share).prediction)
    return predictions


def sample_reader(sample: Sample) -> PlaneReader:
    """Read a sample, which is normalised already, as the engine reads images."""
    height, width = sample.labels.shape
    channels = tuple(range(len(sample.image)))
    ranges = (IntensityRange(0.0, 1.0),) * len(channels)
    source = ImageSource(sample.image, "CYX")
    return PlaneReader(source, (), channels, (0, height, 0, width), ranges, inverted=False, finite=True)


def compare(sample: Sample, prediction: Prediction, thresholds: Thresholds) -> MatchCounts:
    """Decode a prediction and count the nuclei that match the sample's."""
    decoding = thresholds_at(thresholds, prediction.scale)
    return match(sample.labels, decode_maps(prediction.maps, decoding))


def score(counts: Sequence[MatchCounts]) -> float:
    """Mean over images and over the thresholds in `SCORED` of the average precision."""
    return float(per_image(counts)[: len(SCORED)].mean())


def _true_scale(sample: Sample, card: ModelCard) -> float:
    return scale_for(sample.median_diameter or card.diameter, card.diameter)


def _loss(network: UNet, card: ModelCard, sample: Sample, side: int) -> float:
    """Loss on one piece of a sample, always the same one."""
    crop = cut_crop(sample, side, _true_scale(sample, card), np.random.default_rng(0))
    maps = encode_labels(crop.labels, card.diameter, crop.diameters, crop.reviewed)
    with torch.inference_mode():
        logits = network(torch.from_numpy(crop.image)[None])
    return float(instance_loss(logits, Targets.stack([maps], "cpu"), card.architecture.heads))

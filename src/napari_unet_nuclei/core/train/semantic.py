"""The task of classifying every pixel, learned by pixel-wise cross-entropy at the images' own scale."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_unet_nuclei.core.classes.coding import VOID, ClassCounts, count_classes, pool_classes
from napari_unet_nuclei.core.errors import DatasetError
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Progress, Silent, with_shares
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import predict_classes
from napari_unet_nuclei.core.train.augment import Augmentation, Debris, StainMixing
from napari_unet_nuclei.core.train.breakdown import (
    broken_down,
    by_dataset,
    figure_name,
    mean_of_datasets,
    whole_and_parts,
)
from napari_unet_nuclei.core.train.samples import Crop, Sample, cut_crop
from napari_unet_nuclei.core.train.task import Validation, loss_on
from napari_unet_nuclei.core.train.validate import TILE, sample_reader
from napari_unet_nuclei.core.types import Mask

SCALES = (0.7, 1.4)
"""Range of crop pixels per image pixel: narrow, because size may be what tells two classes apart."""

MEAN_IOU = "mean IoU"
PIXEL_ACCURACY = "pixel accuracy"
"""Names of the figures of an epoch, over all pixels of the validation images. The first is also broken down by data set
if there are several."""

LARGEST_LEAP = 50
"""A gap of more than this between class ids suggests that the last id marks pixels without a class, as 255 does."""


@dataclass(frozen=True)
class SemanticTask:
    """Classification of pixels into the classes of a card."""

    card: ModelCard

    def augmentation(self, strength: float) -> Augmentation:
        """Return an augmentation that preserves classes: a bright spot or another colour may be one."""
        return Augmentation(strength, without=(Debris, StainMixing))

    def draw_crop(self, sample: Sample, side: int, strength: float, rng: np.random.Generator) -> Crop:
        """Cut a random square at roughly the image's own scale."""
        # Anywhere, not aimed at rare classes, so that the network learns how often each occurs.
        return cut_crop(sample, side, float(np.exp(rng.uniform(*np.log(SCALES)))), rng)

    def targets(self, crops: Sequence[Crop]) -> Tensor:
        """Stack the classes, int64 (N, Y, X), `VOID` where unknown."""
        classes = np.stack([_known(crop.labels, crop.reviewed) for crop in crops])
        return torch.from_numpy(classes.astype(np.int64))

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy over pixels of known class; 0 if there are none."""
        # Summed and divided here: the mean of PyTorch is NaN if every pixel is void.
        total = F.cross_entropy(logits, targets, ignore_index=VOID, reduction="sum")
        return total / (targets != VOID).sum().clamp(min=1)

    def validate(self, network: UNet, samples: Sequence[Sample], device: Device, crop: int) -> Validation:
        """Predict every sample, and compare all pixels of known class."""
        frozen = copy.deepcopy(network).cpu().eval()
        tables = compare_classes(Model(self.card, frozen), samples, device, Silent())
        counts = pool_classes(tables)

        def mean_iou(numbers: Sequence[int]) -> float:
            return pool_classes([tables[number] for number in numbers]).mean_iou

        # Always the same seed, so that the losses of two epochs are of the same pixels.
        losses = [loss_on(self, frozen, cut_crop(one, crop, 1.0, np.random.default_rng(0))) for one in samples]
        scores = {MEAN_IOU: counts.mean_iou, PIXEL_ACCURACY: counts.pixel_accuracy}
        scores |= broken_down(MEAN_IOU, by_dataset(samples), mean_iou)
        return Validation(float(np.mean(losses)), scores, mean_of_datasets(samples, mean_iou))


def predicted_classes(
    model: Model, samples: Sequence[Sample], device: Device, progress: Progress
) -> Iterator[tuple[Sample, NDArray[np.int32], ClassCounts]]:
    """Predict samples as images of a user; yield each with its predicted classes and the counts of pixels."""
    runner = NetworkRunner(model, device, TILE)
    for sample, share in with_shares(samples, progress):
        predicted = predict_classes(sample_reader(sample), runner, share).astype(np.int32)
        yield sample, predicted, count_classes(true_classes(sample), predicted, len(model.card.classes))


def compare_classes(model: Model, samples: Sequence[Sample], device: Device, progress: Progress) -> list[ClassCounts]:
    """Predict samples, and count the pixels of every class."""
    return [counts for *_, counts in predicted_classes(model, samples, device, progress)]


def class_figures(samples: Sequence[Sample], tables: Sequence[ClassCounts], card: ModelCard) -> dict[str, float]:
    """Compute the card's figures of classes, over all images and per data set; classes that never occur have none."""
    metrics: dict[str, float] = {}
    for part, numbers in whole_and_parts(by_dataset(samples)).items():
        counts = pool_classes([tables[number] for number in numbers])
        figures = {MEAN_IOU: counts.mean_iou, PIXEL_ACCURACY: counts.pixel_accuracy}
        figures |= {f"IoU {name}": value for name, value in zip(card.classes, counts.iou, strict=True)}
        metrics |= {
            figure_name(name, part): round(float(value), 3) for name, value in figures.items() if not math.isnan(value)
        }
    return metrics


def true_classes(sample: Sample) -> NDArray[np.int32]:
    """Return the class of every pixel of a sample (Y, X), `VOID` where unknown."""
    return _known(sample.labels, sample.reviewed)


def _known(labels: NDArray[np.int32], reviewed: Mask | None) -> NDArray[np.int32]:
    return labels if reviewed is None else np.where(reviewed, labels, np.int32(VOID))


def find_class_names(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Determine the number of classes from the labels, and name them by their ids.

    Raises `DatasetError` if there are fewer than two, or the largest id is unlikely to be one.
    """
    present = np.unique(np.concatenate([np.unique(true_classes(sample)) for sample in samples]))
    ids = [int(number) for number in present if number != VOID]
    if len(ids) < 2:
        held = f"all labelled pixels are of class {ids[0]}" if ids else "no pixel of the labels has a class"
        raise DatasetError(f"There is only one class to learn or none: {held}. Are these the right labels?")
    last = ids[-1]
    if max(after - before for before, after in pairwise(ids)) > LARGEST_LEAP:
        name = next(sample.name for sample in samples if (true_classes(sample) == last).any())
        raise DatasetError(
            f"The labels of '{name}' contain the id {last}, although there are only {len(ids)} different ids. If "
            f"{last} marks pixels without a class, add --void {last}. If the labels are masks of two classes, add "
            "--binary. Otherwise name all classes."
        )
    if last == 1:
        return "background", "foreground"
    # An id missing in between is a class that these images happen to lack: it keeps its channel.
    return tuple(f"class {number}" for number in range(last + 1))

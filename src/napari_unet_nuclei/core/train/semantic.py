"""The task of telling the class of every pixel, learnt by pixel-wise cross-entropy at the images' own scale."""

from __future__ import annotations

import copy
from collections.abc import Sequence
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
from napari_unet_nuclei.core.progress import Progress, Share, Silent
from napari_unet_nuclei.core.segment.classes import predict_classes
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.train.augment import Augmentation, Debris, StainMixing
from napari_unet_nuclei.core.train.breakdown import broken_down, by_dataset, mean_of_datasets
from napari_unet_nuclei.core.train.samples import Crop, Sample, cut_crop
from napari_unet_nuclei.core.train.task import Judged, loss_on
from napari_unet_nuclei.core.train.validate import TILE, sample_reader
from napari_unet_nuclei.core.types import Mask

SCALES = (0.7, 1.4)
"""Crop pixels per image pixel: mild, for a class may be told by its size."""

MEAN_IOU = "mean IoU"
PIXEL_ACCURACY = "pixel accuracy"
"""Names of the figures of an epoch, in which every pixel of the validation images weighs the same. The first is also
given for each data set, where there are several."""

LARGEST_LEAP = 50
"""Where ids leap by more, the last one hardly is a class."""


@dataclass(frozen=True)
class SemanticTask:
    """The classes of a card."""

    card: ModelCard

    def augmentation(self, strength: float) -> Augmentation:
        """Return what changes no class: a bright spot, or another colour, may be one."""
        return Augmentation(strength, without=(Debris, StainMixing))

    def draw_crop(self, sample: Sample, side: int, strength: float, rng: np.random.Generator) -> Crop:
        """Cut a square at about the image's own scale."""
        return cut_crop(sample, side, float(np.exp(rng.uniform(*np.log(SCALES)))), rng)

    def targets(self, crops: Sequence[Crop], device: str) -> Tensor:
        """Stack the classes, int64 (N, Y, X), `VOID` where nobody knows."""
        classes = np.stack([_known(crop.labels, crop.reviewed) for crop in crops])
        return torch.from_numpy(classes.astype(np.int64)).to(device)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of the pixels whose class is known; 0 where there are none."""
        total = F.cross_entropy(logits, targets, ignore_index=VOID, reduction="sum")
        return total / (targets != VOID).sum().clamp(min=1)

    def validate(self, network: UNet, samples: Sequence[Sample], device: Device, crop: int) -> Judged:
        """Predict every sample and compare all pixels of known class."""
        judged = copy.deepcopy(network).cpu().eval()
        tables = compare_classes(Model(self.card, judged), samples, device, Silent())
        counts = pool_classes(tables)

        def mean_iou(numbers: Sequence[int]) -> float:
            return pool_classes([tables[number] for number in numbers]).mean_iou

        losses = [loss_on(self, judged, cut_crop(one, crop, 1.0, np.random.default_rng(0))) for one in samples]
        scores = {MEAN_IOU: counts.mean_iou, PIXEL_ACCURACY: counts.pixel_accuracy}
        scores |= broken_down(MEAN_IOU, by_dataset(samples), mean_iou)
        return Judged(float(np.mean(losses)), scores, mean_of_datasets(samples, mean_iou))


def compare_classes(model: Model, samples: Sequence[Sample], device: Device, progress: Progress) -> list[ClassCounts]:
    """Predict samples as a user's image would be, and count the pixels of every class."""
    runner = NetworkRunner(model, device, TILE)
    counts = []
    for number, sample in enumerate(samples):
        share = Share(progress, number / len(samples), (number + 1) / len(samples))
        predicted = predict_classes(sample_reader(sample), runner, share)
        counts.append(count_classes(true_classes(sample), predicted, len(model.card.classes)))
    return counts


def true_classes(sample: Sample) -> NDArray[np.int32]:
    """Return the class of every pixel of a sample, (Y, X), `VOID` where nobody knows."""
    return _known(sample.labels, sample.reviewed)


def _known(labels: NDArray[np.int32], reviewed: Mask | None) -> NDArray[np.int32]:
    return labels if reviewed is None else np.where(reviewed, labels, np.int32(VOID))


def find_class_names(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Find out how many classes labelled images hold, and name them by their ids.

    Raises
    ------
    DatasetError
        If there are fewer than two, or if the largest id can hardly be a class; the message names the image.
    """
    present = np.unique(np.concatenate([np.unique(true_classes(sample)) for sample in samples]))
    ids = [int(number) for number in present if number != VOID]
    if len(ids) < 2:
        held = f"all pixels of the labels are of class {ids[0]}" if ids else "no pixel of the labels has a class"
        raise DatasetError(f"There is nothing to tell apart: {held}. Are these the right labels?")
    last = ids[-1]
    if max(after - before for before, after in pairwise(ids)) > LARGEST_LEAP:
        name = next(sample.name for sample in samples if (true_classes(sample) == last).any())
        raise DatasetError(
            f"The labels of '{name}' hold the id {last}, and there are only {len(ids)} different ids. If {last} marks "
            "pixels of no class, say so (--void); masks of two classes need --binary; else name all classes."
        )
    if last == 1:
        return "background", "foreground"
    return tuple(f"class {number}" for number in range(last + 1))

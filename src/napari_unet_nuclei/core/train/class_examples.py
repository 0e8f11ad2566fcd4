"""Makes pictures of the classes that a model tells in labelled images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_unet_nuclei.core.classes.coding import VOID, ClassCounts, count_classes
from napari_unet_nuclei.core.image.picture import filled
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.progress import Progress, Share
from napari_unet_nuclei.core.segment.classes import predict_classes
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.train.examples import as_seen
from napari_unet_nuclei.core.train.report import Example
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.semantic import true_classes
from napari_unet_nuclei.core.train.validate import TILE, sample_reader


def class_examples(model: Model, samples: Sequence[Sample], device: Device, progress: Progress) -> list[Example]:
    """Predict the classes of every sample, and show them beside the truth; void pixels are black in both.

    Returns
    -------
    list of Example
        Scored by the mean IoU, in the order of the samples.
    """
    runner = NetworkRunner(model, device, TILE)
    examples = []
    for number, sample in enumerate(samples):
        share = Share(progress, number / len(samples), (number + 1) / len(samples))
        predicted = predict_classes(sample_reader(sample), runner, share).astype(np.int32)
        truth = true_classes(sample)
        counts = count_classes(truth, predicted, len(model.card.classes))
        known = np.where(truth == VOID, 0, predicted)
        pictures = as_seen(sample.image), filled(truth), filled(known)
        examples.append(Example(sample.name, *pictures, counts.mean_iou, _caption(counts, model.card.classes)))
    return examples


def _caption(counts: ClassCounts, names: Sequence[str]) -> str:
    """Mean IoU, and the class that is told worst."""
    caption = f"mean IoU {counts.mean_iou:.2f}"
    if np.isnan(counts.iou).all():
        return caption
    worst = int(np.nanargmin(counts.iou))
    return f"{caption}, lowest {counts.iou[worst]:.2f} of {names[worst]}"

"""Makes pictures of what a model of nuclei finds in labelled images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_unet_nuclei.core.image.picture import Picture, for_screen, outlined
from napari_unet_nuclei.core.labels.metrics.overlaps import match
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.train.report import Example
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import decoded, predict_samples
from napari_unet_nuclei.core.types import Image


def nuclei_examples(model: Model, samples: Sequence[Sample], device: Device, progress: Progress) -> list[Example]:
    """Segment every sample as a user's image would be, and show it beside the truth.

    Returns
    -------
    list of Example
        Scored by AP at IoU 0.5, in the order of the samples.
    """
    predictions = predict_samples(model, samples, device, progress)
    examples = []
    for sample, prediction in zip(samples, predictions, strict=True):
        labels = decoded(prediction, model.card.for_kind(sample.kind))
        counts = match(sample.labels, labels)
        found, spurious, missed = (int(each[0]) for each in (counts.found, counts.spurious, counts.missed))
        score = float(counts.average_precision[0])
        image = as_seen(sample.image)
        caption = f"AP@0.5 {score:.2f}: {found} found, {missed} missed, {spurious} that are none"
        truth, predicted = outlined(image, sample.labels), outlined(image, labels)
        examples.append(Example(sample.name, image, truth, predicted, score, caption))
    return examples


def as_seen(image: Image) -> Picture:
    """Show an image (C, Y, X) as the network sees it: one channel in grey, three as colours."""
    if len(image) == 3:
        return for_screen((255 * np.clip(np.moveaxis(image, 0, -1), 0, 1)).astype(np.uint8))
    return for_screen(image[0])

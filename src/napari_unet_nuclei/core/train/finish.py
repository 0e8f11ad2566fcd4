"""From the best weights to a model that can be shipped: figures measured, for nuclei thresholds fitted first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_unet_nuclei.core.labels.classes import ClassCounts, pool_classes
from napari_unet_nuclei.core.labels.metrics import IOU_THRESHOLDS, MatchCounts, per_image, pooled
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Progress, Share
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.train.fit_score import augmented, fit_score, score_figures
from napari_unet_nuclei.core.train.fit_thresholds import fit_thresholds
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.semantic import MEAN_IOU, PIXEL_ACCURACY, compare_classes
from napari_unet_nuclei.core.train.validate import TILE, compare, predict_samples

PUBLISHED = (0.5, 0.75, 0.9)
"""IoU thresholds whose average precision goes into the card."""


def finish_model(
    network: UNet,
    card: ModelCard,
    validation: Sequence[Sample],
    device: Device,
    progress: Progress,
    training: Sequence[Sample] = (),
) -> Model:
    """Measure a model on validation images as its users will meet it; for nuclei, fit score and thresholds first.

    Parameters
    ----------
    network : UNet
        Trained weights, float32 on the CPU, in evaluation mode.
    card : ModelCard
        For nuclei, its thresholds are where the search starts.
    validation : sequence of Sample
        The size of nuclei is found automatically in each.
    device : Device
    progress : Progress
    training : sequence of Sample
        Images that it learnt from: altered, they teach the score what wrong nuclei look like.

    Returns
    -------
    Model
        With score, thresholds and metrics in its card. Average precision is given pooled over all nuclei and as the
        mean of the images, the IoU of classes pooled over all pixels; the validation images have chosen epoch and
        thresholds, so these figures flatter a little.
    """
    if card.task == "semantic":
        tables = compare_classes(Model(card, network), validation, device, progress)
        return Model(card.model_copy(update={"metrics": summarise_classes(pool_classes(tables), card)}), network)
    predictions = predict_samples(Model(card, network), validation, device, Share(progress, 0.0, 0.25))
    runner = NetworkRunner(Model(card, network), device, TILE)
    crops, seen = augmented(training, runner, Share(progress, 0.25, 0.5))
    score = fit_score([*validation, *crops], [*predictions, *seen], card)
    # Coefficients of other weights say nothing, and neither does a threshold that was fitted with them.
    start = card.thresholds if score == card.score else card.thresholds.model_copy(update={"score": 0.0})
    card = card.model_copy(update={"score": score, "thresholds": start})
    thresholds = fit_thresholds(validation, predictions, card, Share(progress, 0.5, 1.0))
    card = card.model_copy(update={"thresholds": thresholds})
    counts = [compare(sample, prediction, card) for sample, prediction in zip(validation, predictions, strict=True)]
    figures = summarise(counts) | score_figures(validation, predictions, card)
    return Model(card.model_copy(update={"metrics": figures}), network)


def refit(
    model: Model, training: Sequence[Sample], validation: Sequence[Sample], device: Device, progress: Progress
) -> Model:
    """Fit score and thresholds of a finished model anew, as at the end of its training, and measure it again.

    What else its card says stays, figures other than those on validation images included.
    """
    again = finish_model(model.network, model.card, validation, device, progress, training)
    return Model(again.card.model_copy(update={"metrics": model.card.metrics | again.card.metrics}), model.network)


def summarise(counts: Sequence[MatchCounts]) -> dict[str, float]:
    """Name the figures of a model card, rounded to what the number of images supports."""
    figures = {"per image": per_image(counts), "pooled": pooled(counts).average_precision}
    return {
        f"validation AP@{threshold:g} {kind}": round(float(values[IOU_THRESHOLDS.index(threshold)]), 3)
        for kind, values in figures.items()
        for threshold in PUBLISHED
    }


def summarise_classes(counts: ClassCounts, card: ModelCard) -> dict[str, float]:
    """Name the figures of a model card of classes; a class that occurs nowhere has none."""
    figures = {MEAN_IOU: counts.mean_iou, PIXEL_ACCURACY: counts.pixel_accuracy}
    figures |= {f"IoU {name}": value for name, value in zip(card.classes, counts.iou, strict=True)}
    return {f"validation {name}": round(float(value), 3) for name, value in figures.items() if not math.isnan(value)}

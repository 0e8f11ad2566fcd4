"""From the best weights to a model that can be shipped: figures measured, for nuclei thresholds fitted first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_unet_nuclei.core.labels.classes import ClassCounts, pool_classes
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Progress, Share
from napari_unet_nuclei.core.train.breakdown import by_dataset, figure_name, summarise, whole_and_parts
from napari_unet_nuclei.core.train.fit_thresholds import fit_thresholds
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.semantic import MEAN_IOU, PIXEL_ACCURACY, compare_classes
from napari_unet_nuclei.core.train.validate import compare, predict_samples


def finish_model(
    network: UNet, card: ModelCard, validation: Sequence[Sample], device: Device, progress: Progress
) -> Model:
    """Measure a model on validation images as its users will meet it; for nuclei, fit its thresholds there first.

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

    Returns
    -------
    Model
        With thresholds and metrics in its card. Average precision is given pooled over all nuclei and as the mean of
        the images, the IoU of classes pooled over all pixels; the validation images have chosen epoch and thresholds,
        so these figures flatter a little.
    """
    if card.task == "semantic":
        tables = compare_classes(Model(card, network), validation, device, progress)
        return Model(card.model_copy(update={"metrics": summarise_classes(validation, tables, card)}), network)
    predictions = predict_samples(Model(card, network), validation, device, Share(progress, 0.0, 0.3))
    thresholds = fit_thresholds(validation, predictions, card.thresholds, Share(progress, 0.3, 1.0))
    counts = [
        compare(sample, prediction, thresholds) for sample, prediction in zip(validation, predictions, strict=True)
    ]
    return Model(card.model_copy(update={"thresholds": thresholds, "metrics": summarise(validation, counts)}), network)


def summarise_classes(samples: Sequence[Sample], tables: Sequence[ClassCounts], card: ModelCard) -> dict[str, float]:
    """Name the figures of a card of classes, of all images and of several data sets; what occurs nowhere has none."""
    metrics: dict[str, float] = {}
    for part, numbers in whole_and_parts(by_dataset(samples)).items():
        counts = pool_classes([tables[number] for number in numbers])
        figures = {MEAN_IOU: counts.mean_iou, PIXEL_ACCURACY: counts.pixel_accuracy}
        figures |= {f"IoU {name}": value for name, value in zip(card.classes, counts.iou, strict=True)}
        metrics |= {
            figure_name(name, part): round(float(value), 3) for name, value in figures.items() if not math.isnan(value)
        }
    return metrics

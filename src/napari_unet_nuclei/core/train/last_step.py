"""From the best weights to a model that can be shipped: figures measured, for nuclei thresholds fitted first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_unet_nuclei.core.classes.coding import ClassCounts, pool_classes
from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Progress, Share
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Prediction
from napari_unet_nuclei.core.train.breakdown import by_dataset, figure_name, summarise, whole_and_parts
from napari_unet_nuclei.core.train.fit_score import augmented, fit_score, score_figures
from napari_unet_nuclei.core.train.fit_thresholds import fit_thresholds
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.semantic import MEAN_IOU, PIXEL_ACCURACY, compare_classes
from napari_unet_nuclei.core.train.validate import TILE, compare, predict_samples

Predicted = tuple[Sample, Prediction]
"""A labelled image, and what the network makes of it."""


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
        return Model(card.model_copy(update={"metrics": summarise_classes(validation, tables, card)}), network)
    predictions = predict_samples(Model(card, network), validation, device, Share(progress, 0.0, 0.25))
    runner = NetworkRunner(Model(card, network), device, TILE)
    crops, seen = augmented(training, runner, Share(progress, 0.25, 0.5))
    judging, altered = (list(zip(*part, strict=True)) for part in ((validation, predictions), (crops, seen)))
    kinds = sorted({sample.kind for sample in validation})
    for done, kind in enumerate(kinds):
        share = Share(progress, 0.5 + 0.5 * done / len(kinds), 0.5 + 0.5 * (done + 1) / len(kinds))
        card = _fitted_to_kind(card, kind, judging, altered, share)
    counts = [
        compare(sample, prediction, card.for_kind(sample.kind))
        for sample, prediction in zip(validation, predictions, strict=True)
    ]
    figures = summarise(validation, counts) | score_figures(validation, predictions, card)
    return Model(card.model_copy(update={"metrics": figures}), network)


def _fitted_to_kind(
    card: ModelCard, kind: ImageKind, validation: Sequence[Predicted], altered: Sequence[Predicted], progress: Progress
) -> ModelCard:
    """Fit score and thresholds on the images of one kind; thresholds on those that were not learnt from alone."""
    own = card.for_kind(kind)
    judging = [one for one in validation if one[0].kind == kind]
    samples, predictions = zip(*judging, *(one for one in altered if one[0].kind == kind), strict=True)
    score = fit_score(samples, predictions, own)
    # Coefficients of other weights say nothing, and neither does a threshold that was fitted with them.
    start = own.thresholds if score == own.score else own.thresholds.model_copy(update={"score": 0.0})
    own = own.model_copy(update={"score": score, "thresholds": start})
    count = len(judging)
    thresholds = fit_thresholds(samples[:count], predictions[:count], own, progress)
    return card.fitted(kind, score=score, thresholds=thresholds)


def refit(
    model: Model, training: Sequence[Sample], validation: Sequence[Sample], device: Device, progress: Progress
) -> Model:
    """Fit score and thresholds of a finished model anew, as at the end of its training, and measure it again.

    What else its card says stays, figures other than those on validation images included.
    """
    again = finish_model(model.network, model.card, validation, device, progress, training)
    return Model(again.card.model_copy(update={"metrics": model.card.metrics | again.card.metrics}), model.network)


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

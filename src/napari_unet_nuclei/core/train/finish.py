"""From the best weights to a model that can be shipped: thresholds fitted, figures measured, both in the card."""

from __future__ import annotations

from collections.abc import Sequence

from napari_unet_nuclei.core.labels.metrics import IOU_THRESHOLDS, MatchCounts, per_image, pooled
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Progress, Share
from napari_unet_nuclei.core.train.fit_thresholds import fit_thresholds
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import compare, predict_samples

PUBLISHED = (0.5, 0.75, 0.9)
"""IoU thresholds whose average precision goes into the card."""


def finish_model(
    network: UNet, card: ModelCard, validation: Sequence[Sample], device: Device, progress: Progress
) -> Model:
    """Fit thresholds on validation images and measure the model as its users will meet it.

    Parameters
    ----------
    network : UNet
        Trained weights, float32 on the CPU, in evaluation mode.
    card : ModelCard
        Its thresholds are where the search starts.
    validation : sequence of Sample
        The nucleus size is found automatically in each.
    device : Device
    progress : Progress

    Returns
    -------
    Model
        With thresholds and metrics in its card. Average precision is given pooled over all nuclei and as the mean of
        the images; the validation images have chosen epoch and thresholds, so these figures flatter a little.
    """
    predictions = predict_samples(Model(card, network), validation, device, Share(progress, 0.0, 0.3))
    thresholds = fit_thresholds(validation, predictions, card.thresholds, Share(progress, 0.3, 1.0))
    counts = [
        compare(sample, prediction, thresholds) for sample, prediction in zip(validation, predictions, strict=True)
    ]
    return Model(card.model_copy(update={"thresholds": thresholds, "metrics": summarise(counts)}), network)


def summarise(counts: Sequence[MatchCounts]) -> dict[str, float]:
    """Name the figures of a model card, rounded to what the number of images supports."""
    figures = {"per image": per_image(counts), "pooled": pooled(counts).average_precision}
    return {
        f"validation AP@{threshold:g} {kind}": round(float(values[IOU_THRESHOLDS.index(threshold)]), 3)
        for kind, values in figures.items()
        for threshold in PUBLISHED
    }

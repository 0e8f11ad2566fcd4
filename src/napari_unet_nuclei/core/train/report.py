"""The report of a training: figures, curves, and images beside truth and prediction, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.classes.coding import VOID, ClassCounts
from napari_unet_nuclei.core.image.picture import Picture, filled, for_screen, outlined
from napari_unet_nuclei.core.labels.metrics.overlaps import match
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.progress import EpochDone, Progress, with_shares
from napari_unet_nuclei.core.report.page import Figure, Grid, Section, write_page
from napari_unet_nuclei.core.report.pictures import curves, picture
from napari_unet_nuclei.core.train.breakdown import (
    COUNTS,
    OVERALL,
    by_dataset,
    by_dataset_and_kind,
    figure_name,
    is_part,
)
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.semantic import predicted_classes, true_classes
from napari_unet_nuclei.core.train.validate import decoded, predict_samples
from napari_unet_nuclei.core.types import Image

TRAINING, VALIDATION, UNSEEN = "Training", "Validation", "Unseen"
"""Titles of the parts of a report."""

MOST_IMAGES = 40
"""Images of each part, evenly spaced, that are predicted for the report."""

SHOWN = 8
"""Worst images of each part that are shown."""


@dataclass(frozen=True)
class Example:
    """One image with true and predicted labels, as pictures."""

    name: str
    image: Picture
    truth: Picture
    predicted: Picture
    score: float  # 0 to 1; the lowest are shown first
    caption: str


def report_training(
    path: Path,
    model: Model,
    history: Sequence[EpochDone],
    parts: Mapping[str, Sequence[Sample]],
    device: Device,
    progress: Progress,
) -> None:
    """Predict images of every part, `VALIDATION` among them, and write the report; empty parts are left out."""
    semantic = model.card.task == "semantic"
    examples_of = class_examples if semantic else nuclei_examples
    # The double minus rounds up, for at most MOST_IMAGES; evenly spaced, as data sets are often sorted by kind.
    shown = [(title, samples[:: -(-len(samples) // MOST_IMAGES)]) for title, samples in parts.items() if samples]
    examples = {
        title: examples_of(model, samples, device, share) for (title, samples), share in with_shares(shown, progress)
    }
    judged = parts[VALIDATION]
    broken_down = list(by_dataset(judged) if semantic else by_dataset_and_kind(judged))
    write_report(path, model.card, history, examples, broken_down if len(broken_down) > 1 else ())


def nuclei_examples(model: Model, samples: Sequence[Sample], device: Device, progress: Progress) -> list[Example]:
    """Segment samples as images of a user, and show them beside the truth, scored by AP at IoU 0.5."""
    examples = []
    for sample, prediction in zip(samples, predict_samples(model, samples, device, progress), strict=True):
        labels = decoded(prediction, model.card.for_kind(sample.kind))
        counts = match(sample.labels, labels)
        found, spurious, missed = (int(each[0]) for each in (counts.found, counts.spurious, counts.missed))
        score = float(counts.average_precision[0])
        image = as_seen(sample.image, sample.picture)
        caption = f"AP@0.5 {score:.2f}: {found} found, {missed} missed, {spurious} spurious"
        truth, predicted = outlined(image, sample.labels), outlined(image, labels)
        examples.append(Example(sample.name, image, truth, predicted, score, caption))
    return examples


def class_examples(model: Model, samples: Sequence[Sample], device: Device, progress: Progress) -> list[Example]:
    """Classify the pixels of samples, and show them beside the truth, scored by mean IoU; void pixels are black."""
    examples = []
    for sample, predicted, counts in predicted_classes(model, samples, device, progress):
        truth = true_classes(sample)
        known = np.where(truth == VOID, 0, predicted)
        pictures = as_seen(sample.image, sample.picture), filled(truth), filled(known)
        examples.append(Example(sample.name, *pictures, counts.mean_iou, _class_caption(counts, model.card.classes)))
    return examples


def _class_caption(counts: ClassCounts, names: Sequence[str]) -> str:
    """State the mean IoU and the worst class."""
    caption = f"mean IoU {counts.mean_iou:.2f}"
    # NaN marks a class that the image lacks; `nanargmin` fails if there is no other.
    if np.isnan(counts.iou).all():
        return caption
    worst = int(np.nanargmin(counts.iou))
    return f"{caption}, lowest {counts.iou[worst]:.2f} ({names[worst]})"


def as_seen(image: Image, picture: NDArray[np.uint8] | None = None) -> Picture:
    """Show a picture (3, Y, X) in its own colours; else a network's input (C, Y, X), three channels as RGB, or grey."""
    if picture is not None:
        return np.ascontiguousarray(np.moveaxis(picture, 0, -1))
    if len(image) == 3:
        return for_screen((255 * np.clip(np.moveaxis(image, 0, -1), 0, 1)).astype(np.uint8))
    return for_screen(image[0])


def write_report(
    path: Path,
    card: ModelCard,
    history: Sequence[EpochDone],
    parts: Mapping[str, Sequence[Example]],
    broken_down: Sequence[str] = (),
) -> None:
    """Write the report of a training as an HTML page.

    ``broken_down`` are the data sets and kinds of image for which the card has separate figures.
    """
    sections = [
        _summary(card),
        _data(card),
        _accuracy(card, broken_down),
        _course(history),
        *(_part(title, examples) for title, examples in parts.items()),
    ]
    write_page(path, f"Training of {card.name}", sections)


def _summary(card: ModelCard) -> Section:
    record = card.training
    nuclei = f", {record.nuclei} nuclei" if record.nuclei else ""
    facts = {
        "trained on": f"{record.images} images{nuclei}",
        "optimiser steps": f"{record.steps} in {record.seconds:.0f} s",
        "seed": str(record.seed),
        "command": record.command,
        "started from": card.parent,
    }
    figures = {name: f"{value:.3f}" for name, value in card.metrics.items() if not name.startswith("validation")}
    return Section("Model", facts={name: value for name, value in (facts | figures).items() if value})


def _data(card: ModelCard) -> Section:
    """List the data sets behind the weights, with their licences and credits."""
    rows = [
        (source.title, source.licence or "not stated", f"{source.images:,}", f"{source.nuclei:,}", source.through)
        for source in card.training.datasets
    ]
    return Section("Data", table=Grid(("data set", "licence", "training images", "nuclei", "through"), rows))


def _accuracy(card: ModelCard, parts: Sequence[str]) -> Section:
    """Tabulate the validation figures: a row for all images, and one for each data set and kind."""
    figures = [name.removeprefix(OVERALL) for name in card.metrics if name.startswith(OVERALL)]
    rows = [
        [part or "all", *(_cell(figure, card.metrics.get(figure_name(figure, part))) for figure in figures)]
        for part in ("", *parts)
    ]
    text = "These images selected the epoch and, for nuclei, the thresholds, so the figures are slightly optimistic."
    return Section("On validation images", text, table=Grid(("", *figures), rows))


def _cell(figure: str, value: float | None) -> str:
    """Format a figure; empty if the part lacks it, as for a class that never occurs there."""
    if value is None:
        return ""
    return f"{value:,.0f}" if figure in COUNTS else f"{value:.3f}"


def _course(history: Sequence[EpochDone]) -> Section:
    epochs = [event.epoch for event in history]
    losses = {
        "training": [event.train_loss for event in history],
        "validation": [event.val_loss for event in history],
    }
    # Not every epoch has all figures: an earlier version may have run the first ones.
    scores = {name: [event.scores.get(name, np.nan) for event in history] for name in history[-1].scores}
    parts = {name: values for name, values in scores.items() if is_part(name, list(scores))}
    whole = {name: values for name, values in scores.items() if name not in parts}
    figures = [
        Figure(curves(losses, epochs, "epoch", "loss"), "Mean loss of every epoch."),
        Figure(curves(whole, epochs, "epoch", "score"), "Scores on the validation images."),
    ]
    if parts:
        figures.append(Figure(curves(parts, epochs, "epoch", "score"), "Scores of each data set and kind of image."))
    text = "A validation loss that rises while the training loss falls is a sign of too few images."
    return Section("Course", text, figures=[figures])


def _part(title: str, examples: Sequence[Example]) -> Section:
    """Show the worst examples, each as image, truth and prediction."""
    worst = sorted(examples, key=lambda example: example.score)[:SHOWN]
    text = f"The {len(worst)} worst of {len(examples)} images: image, truth, prediction."
    rows = [
        [
            Figure(picture(example.image, f"image {example.name}"), example.name),
            Figure(picture(example.truth, f"true labels of {example.name}"), "truth"),
            Figure(picture(example.predicted, f"predicted labels of {example.name}"), example.caption),
        ]
        for example in worst
    ]
    return Section(title, text, figures=rows)

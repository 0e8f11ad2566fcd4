"""The report of a training: how it went, and image, truth and prediction side by side, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.image.picture import Picture
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.progress import EpochDone
from napari_unet_nuclei.core.report.page import Figure, Grid, Section, write_page
from napari_unet_nuclei.core.report.pictures import curves, picture
from napari_unet_nuclei.core.train.breakdown import COUNTS, OVERALL, figure_name, is_part

SHOWN = 8
"""Images of each part that are shown."""


@dataclass(frozen=True)
class Example:
    """One image with its true labels and the predicted ones, as a person should see them.

    Attributes
    ----------
    name : str
    image, truth, predicted : ndarray, shape (Y, X, 3), uint8
    score : float
        0 to 1; the worst are shown first.
    caption : str
        What the score is made of.
    """

    name: str
    image: Picture
    truth: Picture
    predicted: Picture
    score: float
    caption: str


def write_report(
    path: Path,
    card: ModelCard,
    history: Sequence[EpochDone],
    parts: Mapping[str, Sequence[Example]],
    broken_down: Sequence[str] = (),
) -> None:
    """Write the report of a training.

    Parameters
    ----------
    path : Path
        An HTML file.
    card : ModelCard
        Of the finished model.
    history : sequence of EpochDone
    parts : mapping of str to sequence of Example
        For instance training, validation and unseen images, by the titles that they get.
    broken_down : sequence of str
        Names of the data sets and kinds of images for which the card has figures of their own.

    Raises
    ------
    OutputFileError
        If the file cannot be written.
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
    facts = {
        "learnt from": f"{record.images} images, {record.nuclei} nuclei"
        if record.nuclei
        else f"{record.images} images",
        "optimiser steps": f"{record.steps} in {record.seconds:.0f} s",
        "seed": str(record.seed),
        "command": record.command,
        "started from": card.parent,
    }
    figures = {name: f"{value:.3f}" for name, value in card.metrics.items() if not name.startswith("validation")}
    return Section("Model", facts={name: value for name, value in (facts | figures).items() if value})


def _data(card: ModelCard) -> Section:
    """List what the weights were learnt from, and whom it is owed to."""
    rows = [
        (source.title, source.licence or "not stated", f"{source.images:,}", f"{source.nuclei:,}", source.through)
        for source in card.training.datasets
    ]
    return Section("Data", table=Grid(("data set", "licence", "images learnt from", "nuclei", "through"), rows))


def _accuracy(card: ModelCard, parts: Sequence[str]) -> Section:
    """Tabulate the figures of validation: a row for all images, and one for each data set and kind."""
    figures = [name.removeprefix(OVERALL) for name in card.metrics if name.startswith(OVERALL)]
    rows = [
        [part or "all", *(_cell(figure, card.metrics.get(figure_name(figure, part))) for figure in figures)]
        for part in ("", *parts)
    ]
    text = "These images chose the epoch, and the thresholds of a model for nuclei, so the figures flatter a little."
    return Section("On validation images", text, table=Grid(("", *figures), rows))


def _cell(figure: str, value: float | None) -> str:
    """Spell a figure; one that a part does not have, because a class does not occur there, stays empty."""
    if value is None:
        return ""
    return f"{value:,.0f}" if figure in COUNTS else f"{value:.3f}"


def _course(history: Sequence[EpochDone]) -> Section:
    epochs = [event.epoch for event in history]
    losses = {
        "training": [event.train_loss for event in history],
        "validation": [event.val_loss for event in history],
    }
    scores = {name: [event.scores.get(name, np.nan) for event in history] for name in history[-1].scores}
    parts = {name: values for name, values in scores.items() if is_part(name, list(scores))}
    whole = {name: values for name, values in scores.items() if name not in parts}
    figures = [
        Figure(curves(losses, epochs, "epoch", "loss"), "Mean loss of every epoch."),
        Figure(curves(whole, epochs, "epoch", "score"), "Scores on the validation images."),
    ]
    if parts:
        figures.append(Figure(curves(parts, epochs, "epoch", "score"), "Scores of each data set and kind of image."))
    text = "A validation loss that rises while the training loss falls tells of too few images."
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

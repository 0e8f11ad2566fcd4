"""The report of a training: how it went, and image, truth and prediction side by side, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.image.overlay import Picture
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.progress import EpochDone
from napari_unet_nuclei.core.report.page import Figure, Grid, Section, write_page
from napari_unet_nuclei.core.report.pictures import curves, picture

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
    path: Path, card: ModelCard, history: Sequence[EpochDone], parts: Mapping[str, Sequence[Example]]
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

    Raises
    ------
    OutputFileError
        If the file cannot be written.
    """
    sections = [
        _summary(card),
        _data(card),
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
    figures = {name: f"{value:.3f}" for name, value in card.metrics.items()}
    return Section("Model", facts={name: value for name, value in (facts | figures).items() if value})


def _data(card: ModelCard) -> Section:
    """List what the weights were learnt from, and whom it is owed to."""
    rows = [
        (source.title, source.licence or "not stated", f"{source.images:,}", f"{source.nuclei:,}", source.through)
        for source in card.training.datasets
    ]
    return Section("Data", table=Grid(("data set", "licence", "images learnt from", "nuclei", "through"), rows))


def _course(history: Sequence[EpochDone]) -> Section:
    epochs = [event.epoch for event in history]
    losses = {
        "training": [event.train_loss for event in history],
        "validation": [event.val_loss for event in history],
    }
    scores = {name: [event.scores.get(name, np.nan) for event in history] for name in history[-1].scores}
    return Section(
        "Course",
        "A validation loss that rises while the training loss falls tells of too few images.",
        figures=[
            [
                Figure(curves(losses, epochs, "epoch", "loss"), "Mean loss of every epoch."),
                Figure(curves(scores, epochs, "epoch", "score"), "Scores on the validation images."),
            ]
        ],
    )


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

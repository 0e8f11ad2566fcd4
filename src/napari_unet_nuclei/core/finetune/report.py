"""Report a fine-tuning: which model is better, by how much, and which nuclei changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from napari_unet_nuclei.core.finetune.before_after import COUNT_ERROR, BeforeAfter
from napari_unet_nuclei.core.finetune.finetune_model import Finetuned
from napari_unet_nuclei.core.image.picture import Picture, outlined
from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, find_overlaps
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.report.page import Figure, Grid, Section, write_page
from napari_unet_nuclei.core.report.pictures import curves, picture
from napari_unet_nuclei.core.train.report import as_seen
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import in_reviewed
from napari_unet_nuclei.core.types import Labels

SHOWN = 8
"""Largest number of changed nuclei shown."""

SIDE = 72
"""Side of their pictures in pixels."""

Changed = tuple[str, Picture, Picture, Picture]
"""What changed about a nucleus, and pictures of it: as corrected, by the old model and by the new one."""


def write_finetune_report(path: Path, done: Finetuned) -> None:
    """Write the report as an HTML page."""
    card = done.chosen.model.card
    verdict = Section("Which model is better", done.chosen.report.sentence, facts(done))
    compared = (_comparison(title, report) for title, report in comparisons(done).items())
    sections = [verdict, *compared, _changes(done), _course(done)]
    write_page(path, f"{card.name}: old and new model", sections)


def changed_nuclei(samples: Sequence[Sample], before: Sequence[Labels], after: Sequence[Labels]) -> Iterator[Changed]:
    """Yield the nuclei that only one of two models finds, given the labels of each model for each sample."""
    for sample, old, new in zip(samples, before, after, strict=True):
        truth = in_reviewed(sample, sample.labels)[0]
        found = [_found(truth, labels) for labels in (old, new)]
        # Found by exactly one of the two.
        for number in sorted(found[0] ^ found[1]):
            # Of one nucleus only: `find_objects` would list every id up to the largest, which may be huge.
            [window] = ndimage.find_objects((truth == number).astype(np.uint8))
            y, x = (_widened(side, size) for side, size in zip(window, truth.shape, strict=True))
            part = (y, x)
            shown = sample.cut(part, None)
            image = as_seen(shown.image, shown.picture)
            became = "found now" if number in found[1] else "no longer found"
            corrected, was, is_now = (outlined(image, labels[part]) for labels in (sample.labels, old, new))
            yield became, corrected, was, is_now


def _found(truth: Labels, predicted: Labels) -> set[int]:
    """Return the ids of the true nuclei found at IoU 0.5."""
    overlaps = find_overlaps(truth, predicted)
    ids = np.unique(truth[truth > 0])
    return set(ids[overlaps.true_index[overlaps.ious > IOU_THRESHOLDS[0]]].tolist())


def _widened(side: slice, size: int) -> slice:
    """Widen a slice to `SIDE` pixels, unless it is longer, within ``size``."""
    length = min(max(side.stop - side.start, SIDE), size)
    start = min(max((side.start + side.stop - length) // 2, 0), size - length)
    return slice(start, start + length)


def facts(done: Finetuned) -> dict[str, str]:
    """Return how a new model was made, as names and values."""
    training, card = done.training, done.chosen.model.card
    return {
        "old model": card.parent,
        "trained on": f"{done.division.training_nuclei} corrected nuclei",
        "judged on": f"{done.division.judging_nuclei} other corrected nuclei, which also selected the epoch",
        "optimiser steps": f"{training.steps} in {training.seconds:.0f} s",
        "share of new weights": f"{done.chosen.share:.0%}",
        **({"left out": "; ".join(done.left_out)} if done.left_out else {}),
        **({"trained on in spite of a doubt": "; ".join(done.doubtful)} if done.doubtful else {}),
    }


def comparisons(done: Finetuned) -> dict[str, BeforeAfter]:
    """Return all comparisons of old and new model by title, that on held-out nuclei first."""
    reports = {
        "Held-out nuclei": done.chosen.report,
        "What the old model was made for": done.chosen.rehearsed,
        "Reference images": done.reference,
    }
    return {title: report for title, report in reports.items() if report is not None}


def _comparison(title: str, report: BeforeAfter) -> Section:
    return Section(
        title,
        f"{quantity(report.nuclei, 'nucleus', 'nuclei')}.",
        table=Grid(("", "old model", "new model"), figures(report)),
    )


def figures(report: BeforeAfter) -> list[tuple[str, str, str]]:
    """Return the rows of a table of figures: name, old model, new model."""
    before, after = report.before.figures, report.after.figures
    return [(name, _text(name, before[name]), _text(name, after[name])) for name in before]


def _text(name: str, value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.1%}" if name == COUNT_ERROR else f"{value:.3f}"


def _changes(done: Finetuned) -> Section:
    changed = list(changed_nuclei(done.division.judging, done.before, done.chosen.found))
    rows = [
        [
            Figure(picture(truth, "corrected outlines"), "corrected"),
            Figure(picture(old, "outlines of the old model"), "old model"),
            Figure(picture(new, "outlines of the new model"), f"new model: {became}"),
        ]
        for became, truth, old, new in changed[:SHOWN]
    ]
    gained = sum(became == "found now" for became, *_ in changed)
    text = f"{gained} nuclei are newly found, {len(changed) - gained} are no longer found."
    return Section("Nuclei that changed", text, figures=rows)


def _course(done: Finetuned) -> Section:
    history = done.training.history
    rehearsed = " and on rehearsed crops that were not trained on" if done.chosen.rehearsed else ""
    epochs = [event.epoch for event in history]
    losses = {"training": [event.train_loss for event in history], "held-out": [event.val_loss for event in history]}
    scores = {name: [event.scores[name] for event in history] for name in history[-1].scores}
    figures = [
        Figure(curves(losses, epochs, "epoch", "loss"), "Mean loss of every epoch."),
        Figure(curves(scores, epochs, "epoch", "score"), f"Scores on the held-out nuclei{rehearsed}."),
    ]
    return Section("Course of the training", figures=[figures])

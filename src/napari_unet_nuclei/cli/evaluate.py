"""The subcommand ``evaluate``: score predicted labels against true ones."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from napari_unet_nuclei.cli.errors import FAILED
from napari_unet_nuclei.cli.options import CLASSES_PANEL, Binary, Json, LabelChannel, Quiet, Series, Void
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.classes.coding import ClassCoding, ClassCounts
from napari_unet_nuclei.core.evaluate import ClassEvaluation, Evaluation, evaluate, evaluate_classes
from napari_unet_nuclei.core.labels.metrics.comparison import LabelComparison, Scores
from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS
from napari_unet_nuclei.core.quantity import quantity

TITLES = {
    "mean_average_precision": "mean AP",
    "panoptic_quality": "panoptic quality",
    "segmentation_quality": "segmentation quality",
    "detection_quality": "detection quality",
    "aggregated_jaccard": "aggregated Jaccard",
    "foreground_iou": "foreground IoU",
    "foreground_dice": "foreground Dice",
    "count_error": "count error",
}
"""Row titles of the scalar scores."""


def evaluate_command(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="Predicted label image, or a folder of them.")
    ],
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="True label image, or a folder of them with matching names: a.png for a.tif or a_labels.tif.",
        ),
    ],
    semantic: Annotated[
        bool,
        typer.Option(
            "--semantic", help="Compare the classes of pixels instead of nuclei.", rich_help_panel=CLASSES_PANEL
        ),
    ] = False,
    void: Void = None,
    label_channel: LabelChannel = None,
    binary: Binary = False,
    series: Series = "",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare predicted labels with true ones.

    AP is TP / (TP + FP + FN), where nuclei match above an IoU threshold. Pooled scores weight every nucleus equally,
    per-image scores every image. Stacks are compared plane by plane. --semantic prints the IoU of every class, over all
    pixels of all images, and their mean.
    """
    coding = ClassCoding(label_channel, void, binary)
    # Compared with the default, which refuses each of the options without a list of them.
    if not semantic and coding != ClassCoding():
        raise typer.BadParameter("This option requires --semantic.", param_hint="--semantic")
    evaluation: Evaluation | ClassEvaluation
    with TerminalProgress(quiet) as progress:
        if semantic:
            evaluation = evaluate_classes(predictions, labels, coding, progress, series=series)
            description, lines = _described_classes(evaluation), _class_lines(evaluation)
        else:
            evaluation = evaluate(predictions, labels, progress, series=series)
            description, lines = _described(evaluation), _lines(evaluation)
    typer.echo(json.dumps(description, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))
    for problem in evaluation.problems:
        typer.echo(f"Error: {problem}", err=True)
    if evaluation.problems:
        raise typer.Exit(FAILED)


def _lines(evaluation: Evaluation) -> Iterator[str]:
    """Yield the lines of the printed table."""
    pooled, per_image, matches = evaluation.pooled, evaluation.per_image, evaluation.total.matches
    images = quantity(len(evaluation.images), "image")
    yield f"{images}, {matches.true_count} true and {matches.predicted_count} predicted nuclei"
    yield ""
    yield _row("IoU", "", *(f"{threshold:.2f}" for threshold in IOU_THRESHOLDS))
    for title, name in (("AP", "average_precision"), ("F1", "f1")):
        for way, scores in (("pooled", pooled), ("per image", per_image)):
            yield _row(title, way, *(f"{value:.3f}" for value in getattr(scores, name)))
    yield ""
    yield f"{'':22}{'pooled':>10}{'per image':>11}"
    for name, title in TITLES.items():
        yield f"{title:22}{getattr(pooled, name):>10.3f}{getattr(per_image, name):>11.3f}"


def _row(title: str, way: str, *values: str) -> str:
    return f"{title:4}{way:10}" + "".join(f"{value:>7}" for value in values)


def _described(evaluation: Evaluation) -> dict[str, object]:
    """Return the scores as JSON values."""
    return {
        "iou_thresholds": IOU_THRESHOLDS,
        "pooled": _counts(evaluation.total) | _scores(evaluation.pooled),
        "per_image": _scores(evaluation.per_image),
        "images": [
            {"name": image.name} | _counts(image.comparison) | _scores(image.comparison.scores)
            for image in evaluation.images
        ],
        "problems": evaluation.problems,
    }


def _counts(comparison: LabelComparison) -> dict[str, object]:
    return {"true": comparison.matches.true_count, "predicted": comparison.matches.predicted_count}


def _scores(scores: Scores) -> dict[str, object]:
    values = asdict(scores) | {"mean_average_precision": scores.mean_average_precision}
    return values | {name: values[name].tolist() for name in ("average_precision", "f1")}


def _class_lines(evaluation: ClassEvaluation) -> Iterator[str]:
    """Yield the lines of the printed table of classes; absent classes are omitted."""
    total = evaluation.total
    yield f"{quantity(len(evaluation.images), 'image')}, {total.pixels:,} pixels with a true class"
    yield ""
    yield f"{'class':>14}{'IoU':>8}{'true px':>14}{'predicted px':>14}"
    for number, iou in enumerate(total.iou):
        if not math.isnan(iou):
            true, predicted = total.table[number].sum(), total.table[:, number].sum()
            yield f"{number:>14}{iou:>8.3f}{true:>14,}{predicted:>14,}"
    yield ""
    yield f"{'mean IoU':14}{total.mean_iou:>8.3f}"
    yield f"{'pixel accuracy':14}{total.pixel_accuracy:>8.3f}"


def _described_classes(evaluation: ClassEvaluation) -> dict[str, object]:
    """Return the scores of classes as JSON values."""
    return {
        "pooled": _class_scores(evaluation.total),
        "images": [{"name": image.name} | _class_scores(image.counts) for image in evaluation.images],
        "problems": evaluation.problems,
    }


def _class_scores(counts: ClassCounts) -> dict[str, object]:
    """Return the scores of one comparison; the IoU of an absent class is None."""
    return {
        "pixels": counts.pixels,
        "iou": [None if math.isnan(iou) else iou for iou in counts.iou.tolist()],
        "mean_iou": counts.mean_iou,
        "pixel_accuracy": counts.pixel_accuracy,
    }

"""The subcommand ``evaluate``: how well labels agree with true ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from napari_unet_nuclei.cli.errors import FAILED
from napari_unet_nuclei.cli.options import Json, Quiet
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.evaluate import Evaluation, evaluate_folders
from napari_unet_nuclei.core.labels.comparison import Comparison, Scores
from napari_unet_nuclei.core.labels.metrics import IOU_THRESHOLDS

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
"""What the table calls the scores that are one number."""


def evaluate_command(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="Label image to judge, or a folder of them.")
    ],
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="True label image, or a folder of them with matching names: a.png for a.tif or a_labels.tif.",
        ),
    ],
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare labels with true ones.

    AP is TP / (TP + FP + FN) among nuclei that match above an IoU. Pooled, every nucleus weighs the same; per image,
    every image does. Stacks are compared plane by plane.
    """
    with TerminalProgress(quiet) as progress:
        evaluation = evaluate_folders(predictions, labels, progress)
    typer.echo(json.dumps(_described(evaluation), indent=2, ensure_ascii=False) if as_json else _table(evaluation))
    for problem in evaluation.problems:
        typer.echo(f"Error: {problem}", err=True)
    if evaluation.problems:
        raise typer.Exit(FAILED)


def _table(evaluation: Evaluation) -> str:
    """The scores for people."""
    return "\n".join(_lines(evaluation))


def _lines(evaluation: Evaluation) -> Iterator[str]:
    pooled, per_image, matches = evaluation.pooled, evaluation.per_image, evaluation.total.matches
    images = "1 image" if len(evaluation.images) == 1 else f"{len(evaluation.images)} images"
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
    """The scores for programs."""
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


def _counts(comparison: Comparison) -> dict[str, object]:
    return {"true": comparison.matches.true_count, "predicted": comparison.matches.predicted_count}


def _scores(scores: Scores) -> dict[str, object]:
    values = asdict(scores) | {"mean_average_precision": scores.mean_average_precision}
    return values | {name: values[name].tolist() for name in ("average_precision", "f1")}

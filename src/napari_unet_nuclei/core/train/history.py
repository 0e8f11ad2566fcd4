"""The history of a training as a table that any program can draw: one row per epoch."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.progress import EpochDone


def column(figure: str) -> str:
    """Name the column of a figure that validation gave.

    Examples
    --------
    >>> column("foreground IoU"), column("AP@0.5")
    ('val_foreground_iou', 'val_ap50')
    """
    return "val_" + figure.lower().replace("@0.5", "50").replace(" ", "_")


def write_history(path: Path, history: Sequence[EpochDone]) -> None:
    """Write one CSV row per epoch: number, losses, and the figures of validation; atomic.

    A figure that an epoch does not have, because an earlier version ran it, is left empty.
    """
    figures = list(dict.fromkeys(figure for event in reversed(history) for figure in event.scores))
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("epoch", "train_loss", "val_loss", *map(column, figures)))
        writer.writerows(
            (event.epoch, event.train_loss, event.val_loss, *(event.scores.get(figure, "") for figure in figures))
            for event in history
        )

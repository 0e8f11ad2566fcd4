"""Writes a new model with all that a person needs to decide whether to keep it."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from napari_unet_nuclei.core.corrections.index import file_stem
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.finetune.report import (
    SHOWN,
    changed_nuclei,
    comparisons,
    facts,
    figures,
    write_finetune_report,
)
from napari_unet_nuclei.core.finetune.run import Finetuned
from napari_unet_nuclei.core.finetune.undecided import (
    MODEL,
    REPORT,
    RESULT,
    Comparison,
    Result,
    Undecided,
    picture_name,
)
from napari_unet_nuclei.core.image.io.write import write_json
from napari_unet_nuclei.core.image.picture import Picture
from napari_unet_nuclei.core.model.file import save_model

GAP = 2
"""White pixels between the three pictures of a nucleus."""

LEFT_OVER = 3600.0
"""Unfinished folders that are older than this many seconds are remains of a writing that was killed."""


def write_undecided(folder: Path, done: Finetuned, base: str) -> Undecided:
    """Write a new model into a folder of its own, which is there whole or not at all.

    Parameters
    ----------
    folder : Path
        As `undecided_folder` gives it.
    done : Finetuned
    base : str
        Name of the old model.

    Raises
    ------
    OutputFileError
        If it cannot be written.
    """
    _sweep(folder)
    name = done.chosen.model.card.name
    changed = list(changed_nuclei(done.division.judging, done.before, done.chosen.found))[:SHOWN]
    result = Result(
        name=name,
        base=base,
        made=datetime.now(UTC).isoformat(),
        sentence=done.chosen.report.sentence,
        facts=facts(done),
        comparisons=tuple(
            Comparison(title=title, nuclei=report.nuclei, outcome=report.outcome, rows=tuple(figures(report)))
            for title, report in comparisons(done).items()
        ),
        changed=tuple(became for became, *_ in changed),
    )
    target = folder / file_stem(name, secrets.token_hex(6))
    with atomic(target) as partial:
        partial.mkdir()
        save_model(partial / MODEL, done.chosen.model)
        write_finetune_report(partial / REPORT, done)
        for number, (_, *pictures) in enumerate(changed):
            iio.imwrite(partial / picture_name(number), side_by_side(pictures))
        write_json(partial / RESULT, result.model_dump())
    return Undecided(target, result)


def side_by_side(pictures: list[Picture]) -> Picture:
    """Put pictures of the same height next to each other."""
    gap = np.full((len(pictures[0]), GAP, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)]
    return np.concatenate(parts[1:], axis=1)


def _sweep(folder: Path) -> None:
    """Delete what a killed writing left."""
    oldest = time.time() - LEFT_OVER
    for path in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path)

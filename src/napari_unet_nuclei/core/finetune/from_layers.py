"""Fine-tune on corrections: save them first, train, and store the new model until the user decides."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from napari_unet_nuclei.core.corrections.correction import Correction, hash_image
from napari_unet_nuclei.core.corrections.index import file_stem
from napari_unet_nuclei.core.corrections.store import read_correction
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.files.atomic import atomic, half_written
from napari_unet_nuclei.core.files.lock import locked
from napari_unet_nuclei.core.finetune.bases import RankedBase, rank_bases
from napari_unet_nuclei.core.finetune.finetune_model import Finetuned, finetune_model
from napari_unet_nuclei.core.finetune.kept import as_kind, keep_corrections, open_input, own_labels
from napari_unet_nuclei.core.finetune.report import (
    SHOWN,
    changed_nuclei,
    comparisons,
    facts,
    figures,
    write_finetune_report,
)
from napari_unet_nuclei.core.finetune.request import CorrectionsRequest
from napari_unet_nuclei.core.finetune.undecided import (
    MODEL,
    REPORT,
    RESULT,
    ComparisonTable,
    Result,
    Undecided,
    discard,
    picture_name,
    undecided_folder,
)
from napari_unet_nuclei.core.image.io.write import write_json
from napari_unet_nuclei.core.image.picture import Picture
from napari_unet_nuclei.core.model.file import save_model
from napari_unet_nuclei.core.model.registry import BEST, load_model
from napari_unet_nuclei.core.progress import Advanced, Cancelled, Progress, Share
from napari_unet_nuclei.core.train.dataset import read_dataset, sample_of_plane
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample

KEPT, READ = 0.01, 0.03
"""Ends of saving and reading on the progress bar."""

GAP = 2
"""White pixels between the three pictures of a nucleus."""


@dataclass(frozen=True)
class FinetuneOutcome:
    """Outcome of fine-tuning on corrections."""

    done: Finetuned
    base: str  # name of the old model
    undecided: Undecided | None  # the new model on disk; None if it could not be written
    problem: str = ""  # why it could not be written; empty if it was


def finetune_corrections(request: CorrectionsRequest, progress: Progress) -> FinetuneOutcome:
    """Save corrections, fine-tune on them, and store the new model beside them until the user decides.

    *Finish* ends with the current epoch and keeps the best weights; cancelling leaves nothing but the corrections.
    Raises `OutputFileError` before training if the corrections cannot be saved; `DatasetError`, `NoSamplesError` or
    `ImageShapeError` if they or the reference images cannot be used; `UnknownModelError` or `ModelFileError` for the
    model to start from; `TrainingDivergedError`.
    """
    progress.report(Advanced(0.0, "saving the corrections"))
    # First of all: hours of drawing must survive whatever happens during the training.
    saved = keep_corrections(request.folder, request.corrections)
    corrections = [*saved, *_saved_before(request, saved)]
    best = request.base == BEST
    base = load_model(rank_bases_for(request, Share(progress, 0.0, KEPT))[0].name if best else request.base)
    form = InputForm.of_model(base.card)
    progress.report(Advanced(KEPT, "reading the corrections"))
    samples = [sample_of(one, form) for one in corrections]
    reference = () if request.reference is None else read_dataset(request.reference, form)
    share = Share(progress, READ, 1.0)
    done = finetune_model(base, samples, request.settings, request.name, share, reference, request.left_out)
    return write_outcome(done, base.card.name, request.folder, progress)


def rank_bases_for(request: CorrectionsRequest, progress: Progress) -> tuple[RankedBase, ...]:
    """Score the installed models on the corrections of a request, the best first, as `rank_bases`; nothing is saved."""
    corrections = [*request.corrections, *_saved_before(request, request.corrections)]
    return rank_bases(
        lambda form: [sample_of(one, form) for one in corrections],
        progress,
        request.settings.device,
        request.settings.seed,
    )


def _saved_before(request: CorrectionsRequest, corrections: tuple[Correction, ...]) -> list[Correction]:
    """Read the saved corrections of a request, without those of the same images, as the kinds that the user chose."""
    # By content, as a layer may have been renamed since its correction was saved.
    images = {hash_image(one.image) for one in corrections}
    saved = (read_correction(request.folder, name) for name in request.kept)
    return [
        as_kind(one, request.kinds[one.name]) if one.name in request.kinds else one
        for one in saved
        if hash_image(one.image) not in images
    ]


def sample_of(correction: Correction, form: InputForm) -> Sample:
    """Return a correction as a sample in the form of a network; raise `ImageShapeError` if it lacks channels."""
    reader, doubt = open_input(correction, form)
    sample = sample_of_plane(reader, correction.name, own_labels(correction), correction.reviewed, doubt)
    return replace(sample, group=correction.stack or sample.group)


def write_outcome(done: Finetuned, base: str, folder: Path, progress: Progress) -> FinetuneOutcome:
    """Store a new model beside the corrections; if that fails, it can be tried again with the same result.

    ``base`` is the name of the old model. If progress is cancelled meanwhile, the new model is deleted again.
    """
    try:
        written = write_undecided(undecided_folder(folder), done, base)
    except OutputFileError as error:
        return FinetuneOutcome(done, base, None, str(error))
    try:
        # Last chance to cancel: the model is on disk, and the user has not seen it yet.
        progress.report(Advanced(1.0, "done"))
    except Cancelled:
        discard(written)
        raise
    return FinetuneOutcome(done, base, written)


def write_undecided(folder: Path, done: Finetuned, base: str) -> Undecided:
    """Write a new model with its report and pictures into a folder of its own, atomically; see `undecided`."""
    name = done.chosen.model.card.name
    changed = list(changed_nuclei(done.division.judging, done.before, done.chosen.found))[:SHOWN]
    result = Result(
        name=name,
        base=base,
        made=datetime.now(UTC).isoformat(),
        sentence=done.chosen.report.sentence,
        facts=facts(done),
        comparisons=tuple(
            ComparisonTable(title=title, nuclei=report.nuclei, outcome=report.outcome, rows=tuple(figures(report)))
            for title, report in comparisons(done).items()
        ),
        changed=tuple(became for became, *_ in changed),
    )
    # Two runs may give the same name; both stay until the user decides.
    target = folder / file_stem(name, secrets.token_hex(6))
    # Locked with the corrections, so that nothing half-written is anybody's but that of a killed program.
    with locked(folder.parent):
        for remains in half_written(folder):
            shutil.rmtree(remains, ignore_errors=True)
        # The folder appears under its name when everything is in it, so that no half model is ever offered.
        with atomic(target) as partial:
            partial.mkdir()
            save_model(partial / MODEL, done.chosen.model)
            write_finetune_report(partial / REPORT, done)
            for number, (_, *pictures) in enumerate(changed):
                iio.imwrite(partial / picture_name(number), side_by_side(pictures))
            write_json(partial / RESULT, result.model_dump())
    return Undecided(target, result)


def side_by_side(pictures: list[Picture]) -> Picture:
    """Join pictures of the same height side by side."""
    gap = np.full((len(pictures[0]), GAP, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)]
    return np.concatenate(parts[1:], axis=1)

"""The verb *fine-tune* on corrections: they are kept first, then taught, and the new model waits for a decision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_unet_nuclei.core.corrections.correction import Correction, hash_image
from napari_unet_nuclei.core.corrections.store import read_correction
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.finetune.bases import RankedBase, rank_bases
from napari_unet_nuclei.core.finetune.kept import as_kind, keep_corrections, open_input, own_labels
from napari_unet_nuclei.core.finetune.request import Lesson
from napari_unet_nuclei.core.finetune.run import Finetuned, finetune
from napari_unet_nuclei.core.finetune.undecided import Undecided, discard, undecided_folder
from napari_unet_nuclei.core.finetune.write_undecided import write_undecided
from napari_unet_nuclei.core.model.registry import BEST, load_model
from napari_unet_nuclei.core.progress import Advanced, Cancelled, Progress, Share
from napari_unet_nuclei.core.train.dataset import read_dataset
from napari_unet_nuclei.core.train.reading import ImageRead, InputForm
from napari_unet_nuclei.core.train.samples import Sample

KEPT, READ = 0.01, 0.03
"""Where keeping and reading end on the progress bar."""


@dataclass(frozen=True)
class Taught:
    """What came of a lesson.

    Attributes
    ----------
    done : Finetuned
    base : str
        Name of the old model.
    undecided : Undecided or None
        The new model on disk; None where it could not be written.
    problem : str
        Why it could not; empty where it could.
    """

    done: Finetuned
    base: str
    undecided: Undecided | None
    problem: str = ""


def teach(lesson: Lesson, progress: Progress) -> Taught:
    """Keep the corrections, fine-tune on them, and write the new model beside them until somebody decides.

    Parameters
    ----------
    lesson : Lesson
    progress : Progress
        *Finish* ends with the epoch and keeps the best weights; cancelling leaves the corrections and nothing else.

    Raises
    ------
    OutputFileError
        If the corrections cannot be kept; nothing was trained then.
    DatasetError, NoSamplesError, ImageShapeError
        If the corrections or the reference images cannot be used.
    UnknownModelError, ModelFileError
        If there is no such model to start from.
    TrainingDivergedError
        If there is no good model to keep.
    """
    progress.report(Advanced(0.0, "keeping the corrections"))
    made = keep_corrections(lesson.folder, lesson.corrections)
    images = {hash_image(one.image) for one in made}
    earlier = (read_correction(lesson.folder, name) for name in lesson.kept)
    before = [one for one in earlier if hash_image(one.image) not in images]
    best = lesson.base == BEST
    base = load_model(rank_bases_for(lesson, Share(progress, 0.0, KEPT))[0].name if best else lesson.base)
    form = InputForm.of_model(base.card)
    progress.report(Advanced(KEPT, "reading the corrections"))
    samples = [sample_of(one, form) for one in (*made, *(_told(one, lesson) for one in before))]
    reference = () if lesson.reference is None else read_dataset(lesson.reference, form)
    done = finetune(base, samples, lesson.settings, lesson.name, Share(progress, READ, 1.0), reference, lesson.left_out)
    return write_taught(done, base.card.name, lesson.folder, progress)


def rank_bases_for(lesson: Lesson, progress: Progress) -> tuple[RankedBase, ...]:
    """Score the installed models on what a lesson would teach, the best one first; nothing is kept.

    Raises
    ------
    NucleiError
        As `rank_bases`.
    """
    images = {hash_image(one.image) for one in lesson.corrections}
    earlier = (read_correction(lesson.folder, name) for name in lesson.kept)
    before = [_told(one, lesson) for one in earlier if hash_image(one.image) not in images]
    corrections = [*lesson.corrections, *before]
    return rank_bases(
        lambda form: [sample_of(one, form) for one in corrections],
        progress,
        lesson.settings.device,
        lesson.settings.seed,
    )


def _told(correction: Correction, lesson: Lesson) -> Correction:
    """Return a kept correction with the kind of image that was chosen for it."""
    kind = lesson.kinds.get(correction.name)
    return correction if kind is None else as_kind(correction, kind)


def sample_of(correction: Correction, form: InputForm) -> Sample:
    """Return a correction as a network that takes ``form`` learns it.

    Raises
    ------
    ImageShapeError
        If the image has other channels than the network takes.
    """
    reader, doubt = open_input(correction, form)
    read, name = ImageRead.of(reader, doubt), correction.name
    return Sample(
        name,
        read.image,
        own_labels(correction),
        name,
        reviewed=correction.reviewed,
        kind=read.kind,
        picture=read.picture,
        doubt=read.doubt,
    )


def write_taught(done: Finetuned, base: str, folder: Path, progress: Progress) -> Taught:
    """Write a new model beside the corrections; where that fails, it can be tried again with the same result.

    Parameters
    ----------
    done : Finetuned
    base : str
        Name of the old model.
    folder : Path
        Where corrections are kept.
    progress : Progress
        Asked once more whether the result is still wanted: where it is not, nothing stays.
    """
    try:
        written = write_undecided(undecided_folder(folder), done, base)
    except OutputFileError as error:
        return Taught(done, base, None, str(error))
    try:
        progress.report(Advanced(1.0, "done"))
    except Cancelled:
        discard(written)
        raise
    return Taught(done, base, written)

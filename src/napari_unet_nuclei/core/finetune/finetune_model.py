"""Fine-tune a model on corrected nuclei without forgetting, and find out whether it got better.

``python -m benchmarks.finetuning`` measures what other values of the constants gain and forget.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.finetune.before_after import BeforeAfter, Judge, Mixture, choose
from napari_unet_nuclei.core.finetune.hold_out import Division, hold_out
from napari_unet_nuclei.core.finetune.preview import Previewing
from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.model.author_notes import AuthorNotes
from napari_unet_nuclei.core.model.card import DataSource, ModelCard, TrainingRecord
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Share, Silent
from napari_unet_nuclei.core.segment.remedy import KIND_NAMES
from napari_unet_nuclei.core.settings import FinetuneSettings, TrainSettings
from napari_unet_nuclei.core.train.batches import BatchSource
from napari_unet_nuclei.core.train.credits import data_sources, with_inherited
from napari_unet_nuclei.core.train.dataset import read_entries
from napari_unet_nuclei.core.train.division import DataSet, Divided
from napari_unet_nuclei.core.train.layouts import TRAIN, VALIDATION, Condition, list_entries
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample, sampling_weights
from napari_unet_nuclei.core.train.trainer import Trainer, TrainResult
from napari_unet_nuclei.core.types import Labels

TRAINING_SHARE = 0.9
"""Share of the progress bar and of the time limit for training; judging takes the rest."""

CHOSEN = 0.95
"""End of choosing a mixture on the progress bar; reference images take the rest."""

CROP = 192
"""Side of a training crop in pixels, that of rehearsed crops: small, for more steps in the same time."""

COLOURS = 3

EXPECTED = 64
"""Largest number of diameters on a card."""

LEAST_EPOCHS = 8
"""Epochs to choose the best from, if time alone ends the training."""

FEWEST_STEPS = 4
"""Least number of steps in an epoch, however slow the computer: fewer change nothing worth showing."""

CORRECTIONS = "corrections"
"""Name on a card of the images that a model was fine-tuned on."""

SUMMARY = ("AP at IoU 0.5",)
"""Figures on a card of rehearsed and reference images; the report has all figures."""

REHEARSED = Path(__file__).parent / "rehearsal"
"""Crops of the bundled model's training data: a data set with an index, whose README names the sources.

``python -m benchmarks.rehearsal`` cuts them.
"""


@dataclass(frozen=True)
class Finetuned:
    """A fine-tuned model, not saved yet, and its comparison with the old one.

    Attributes
    ----------
    chosen : Mixture
        The new model with its reports.
    division : Division
        Nuclei trained on and nuclei held out.
    before : tuple of ndarray, shape (Y, X), int
        Labels by the old model of the held-out samples.
    training : TrainResult
    device : str
        Where it was trained, in plain words.
    reference : BeforeAfter or None
        Old and new model on reference images, if there are any.
    left_out : tuple of str
        Images not trained on because something is wrong with them: name and reason.
    """

    chosen: Mixture
    division: Division
    before: tuple[Labels, ...]
    training: TrainResult
    device: str
    reference: BeforeAfter | None = None
    left_out: tuple[str, ...] = ()

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Images trained on although something may be wrong with them: name and reason."""
        doubtful = {one.name: one.doubt for one in (*self.division.training, *self.division.judging) if one.doubt}
        return tuple(f"{name}: {doubt}" for name, doubt in doubtful.items())


def finetune_model(
    base: Model,
    samples: Sequence[Sample],
    settings: FinetuneSettings,
    name: str,
    progress: Progress | None = None,
    reference: Sequence[Sample] = (),
    left_out: Sequence[str] = (),
) -> Finetuned:
    """Fine-tune a model on corrected, possibly partial labels; ``base`` is left unchanged.

    Progress receives, after each epoch, a picture of a held-out crop; *Finish* keeps the best epoch so far. The
    ``reference`` images, labelled, score both models and serve neither training nor any choice; ``left_out`` tells
    report and card of images that something is wrong with, name and reason.

    Raises `NoSamplesError` if reviewed nuclei are too few to train on some and judge on others, `ModelFileError` if the
    model is not for nuclei, `TrainingDivergedError` if the loss becomes infinite before the first epoch has ended.

    Three things counteract forgetting: crops of the kind that the old model was made for are mixed with the corrections
    (rehearsal); old and new weights are interpolated (Wortsman et al. 2022, *Robust fine-tuning of zero-shot models*,
    CVPR) as far as the gain on held-out nuclei outweighs what is forgotten; and the training is short. If images of
    another kind were corrected, crops of that kind are rehearsed as well.
    """
    if base.card.task != "instances":
        raise ModelFileError(f"'{base.card.name}' predicts classes, not nuclei, so it cannot be fine-tuned on nuclei.")
    network = base.unet  # before any work: there is none that could be trained in a model from elsewhere
    progress = progress or Silent()
    for sample in (one for one in samples if one.doubt):
        progress.report(Notice(f"Trained on all the same: {sample.name}: {sample.doubt}.", warning=True))
    samples = without_dataset(samples)
    # Before anything is learned from the samples, sizes included: what judges must be new to the model.
    division = hold_out(samples, settings.seed)
    old, other = _rehearsals(base.card, samples) if settings.rehearsal else (Rehearsal(), Rehearsal())
    training = balanced(division.training, old.training, other.training)
    taught = _taught(base.card, division.training, old, other)
    trainer = Trainer(base.card, _training(settings), network)
    progress.report(Advanced(0.0, "timing a training step"))
    # Only now can a step be timed, as it needs the network on its device.
    trainer.settings = with_short_epochs(trainer, training)
    # A quarter of the crops suffices to choose an epoch, and validation takes time from training.
    validation = (*division.judging, *old.validation[::4], *other.validation[::4])
    watched = Previewing(Share(progress, 0.0, TRAINING_SHARE), trainer, division.judging)
    watched.show(epoch=0)
    result = trainer.fit(training, validation, watched)
    # All crops of other images here, since the choice of mixture is made only once.
    judge = Judge(base, division.judging, old.validation, other.validation, trainer.device)
    share = Share(progress, TRAINING_SHARE, CHOSEN)
    chosen = choose(judge, Model(taught, result.network), settings.strength, share)
    compared = judge.compare(chosen.model, reference, Share(progress, CHOSEN, 1.0)) if reference else None
    device = f"{trainer.device.name} ({trainer.device.title})"
    done = Finetuned(chosen, division, judge.before, result, device, compared, tuple(left_out))
    card = _card(base.card, name, done, hash_samples(samples), (*old.sources, *other.sources), settings)
    progress.report(Advanced(1.0, "done"))
    return replace(done, chosen=replace(chosen, model=Model(card, chosen.model.network)))


def _rehearsals(card: ModelCard, samples: Sequence[Sample]) -> tuple[Rehearsal, Rehearsal]:
    """Read crops of the kind that the old model was made for, and of the corrected kind if that is another."""
    form = InputForm.of_model(card)
    # Named inputs can be computed from any picture; raw channels only if there are as many as in grey or colour crops.
    readable = bool(form.inputs.names) or form.channels in (1, COLOURS)
    # At most one, as there are two kinds of image.
    others = {sample.kind for sample in samples} - {card.image_kind} if readable else set()
    other = read_rehearsal(others.pop(), form) if others else Rehearsal()
    return read_rehearsal(card.image_kind, form), other


def _taught(card: ModelCard, training: Sequence[Sample], old: Rehearsal, other: Rehearsal) -> ModelCard:
    """Add to a card the diameters to expect: those of the corrections, and as many of rehearsed crops of their kind."""
    for kind in sorted({sample.kind for sample in training}):
        # An estimate of the size is drawn to diameters on the card: those of the corrections alone would make the model
        # misjudge what it knew, hence as many of rehearsed crops.
        own, known = (
            sorted(sample.median_diameter for sample in part if sample.kind == kind and sample.median_diameter)
            for part in (training, (*old.training, *other.training))
        )
        count = min(len(own), EXPECTED // 2)
        diameters = tuple(round(one, 1) for part in (own, known) for one in _evenly(part, count))
        card = card.fitted(kind, taught=diameters)
    return card


def _evenly(values: Sequence[float], count: int) -> list[float]:
    """Pick ``count`` sorted values, evenly from the smallest to the largest."""
    if not values:
        return []
    # The middle of each of ``count`` equal parts of the list.
    return [values[round(place)] for place in (np.arange(count) + 0.5) / count * len(values) - 0.5]


def _training(settings: FinetuneSettings) -> TrainSettings:
    """Return the settings of the training."""
    shared = settings.model_dump(include=set(TrainSettings.model_fields))
    # At least a second, so that even the shortest limit leaves some steps.
    shared["time"] = max(TRAINING_SHARE * settings.time, 1.0)
    return TrainSettings(**shared, crop=CROP)


def with_short_epochs(trainer: Trainer, samples: Sequence[Sample]) -> TrainSettings:
    """Return the trainer's settings with epochs short enough for several within the time limit, on any computer.

    If steps or epochs are set, nothing is changed, so that a run can be repeated exactly.
    """
    settings = trainer.settings
    if not (settings.steps_auto and settings.epochs_auto):
        return settings
    affordable = settings.time / (LEAST_EPOCHS * seconds_per_step(trainer, samples))
    fewer = max(int(affordable), FEWEST_STEPS)
    changed: TrainSettings = settings.changed(epoch_steps=min(settings.epoch_steps, fewer))
    return changed


def seconds_per_step(trainer: Trainer, samples: Sequence[Sample]) -> float:
    """Time a batch with its forward and backward pass, leaving the network unchanged."""
    source = BatchSource(samples, trainer.task, trainer.settings, trainer.device)
    seconds = 0.0
    for step in range(2):  # the first one is slowed down by one-off preparations
        started = time.monotonic()
        trainer.loss(source.batch(step)).backward()  # in evaluation mode, so no batch statistics are learned
        trainer.optimiser.zero_grad()
        seconds = time.monotonic() - started
    return max(seconds, 1e-6)


def hash_samples(samples: Sequence[Sample]) -> str:
    """Return the SHA-256 of images, labels and reviewed regions."""
    digest = hashlib.sha256()
    for sample in samples:
        for array in (sample.image, sample.labels, sample.reviewed):
            if array is not None:
                # Type and shape first: the same bytes may be another image.
                digest.update(f"{array.dtype.str} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _card(
    base: ModelCard,
    name: str,
    done: Finetuned,
    data_hash: str,
    rehearsed: Sequence[DataSource],
    settings: FinetuneSettings,
) -> ModelCard:
    """Build the card of the new model: its parent, its data, and the figures of the report."""
    chosen, division = done.chosen, done.division
    metrics = {
        "held-out nuclei": float(chosen.report.nuclei),
        **_figures("held-out", chosen.report),
        "share of new weights": chosen.share,
    }
    for what, report in (("rehearsed", chosen.rehearsed), ("reference", done.reference)):
        if report is not None:
            metrics |= _figures(what, report, SUMMARY)
    own = DataSource(name=CORRECTIONS, images=len(division.training), nuclei=division.training_nuclei)
    taught = sorted({sample.kind for sample in division.training})
    record = TrainingRecord(
        datasets=with_inherited([own, *rehearsed], base),
        images=len(division.training),
        nuclei=division.training_nuclei,
        seed=settings.seed,
        steps=done.training.steps,
        seconds=round(done.training.seconds, 1),
        data_hash=data_hash,
        settings=settings.model_dump() | ({"left_out": "; ".join(done.left_out)} if done.left_out else {}),
    )
    return chosen.model.card.model_copy(
        update={
            "name": name,
            "description": f"{base.name}, fine-tuned on {division.training_nuclei} corrected nuclei in "
            f"images of {' and of '.join(KIND_NAMES[kind] for kind in taught)}.",
            "training": record,
            "metrics": metrics,
            # What its author said of the old model need not hold for the new one.
            "limits": "",
            "licence": "",
            "parent": f"{base.name} ({base.weights_hash[:16]})",
        }
    )


def _figures(what: str, report: BeforeAfter, names: Sequence[str] = ()) -> dict[str, float]:
    """Name the figures of both models, or some of them, rounded to what the number of nuclei supports."""
    models = {"before": report.before.figures, "after": report.after.figures}
    return {
        f"{what} {name} {when}": round(float(figures[name]), 3)
        for name in names or report.before.figures
        for when, figures in models.items()
    }


@dataclass(frozen=True)
class Rehearsal:
    """Crops of one kind that are mixed into fine-tuning.

    Those of the kind that the old model was made for keep it from forgetting; those of the corrected kind help a few
    corrections generalise.
    """

    training: tuple[Sample, ...] = ()  # crops to train on
    # Of other images, not trained on: they measure forgetting, and scores are calibrated on them.
    validation: tuple[Sample, ...] = ()
    sources: tuple[DataSource, ...] = ()  # their credits


def read_rehearsal(kind: ImageKind, form: InputForm) -> Rehearsal:
    """Read the crops of a kind of image in the form that a network needs."""
    form = replace(form, kind=kind)  # a crowded crop has too little background for its labels to tell
    entries = [
        replace(entry, dataset=f"rehearsed {kind}") for entry in list_entries(REHEARSED, [Condition("kind", kind)])
    ]
    learned, held_back = (tuple(one for one in entries if one.split == part) for part in (TRAIN, VALIDATION))
    training, validation = (without_dataset(read_entries(part, form, Silent())) for part in (learned, held_back))
    nuclei = [int(sample.labels.max(initial=0)) for sample in training]
    sources = data_sources([Divided(DataSet(REHEARSED), learned, held_back, ())], nuclei, AuthorNotes())
    return Rehearsal(training, validation, sources)


def without_dataset(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Return samples without a data set, so that held-out corrections and rehearsed crops are scored as one set."""
    return tuple(replace(sample, dataset="") for sample in samples)


def balanced(*parts: Sequence[Sample]) -> tuple[Sample, ...]:
    """Join corrections and rehearsed crops of each kind, weighted so that every part provides equally many crops."""
    everything = [sample for part in parts for sample in part]
    # Over all parts at once, as the trainer will compute them: dividing by the share of a part makes the shares equal.
    weights = iter(sampling_weights(everything))
    shares = [sum(next(weights) for _ in part) for part in parts]
    return tuple(
        replace(sample, importance=sample.importance / share)
        for part, share in zip(parts, shares, strict=True)
        for sample in part
    )

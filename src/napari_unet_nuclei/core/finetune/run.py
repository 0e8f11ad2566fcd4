"""Teach a model corrected nuclei, keep what it knew, and report whether it got better."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.finetune.before_after import BeforeAfter
from napari_unet_nuclei.core.finetune.candidates import Candidate, Judge, choose
from napari_unet_nuclei.core.finetune.hold_out import Division, hold_out
from napari_unet_nuclei.core.finetune.preview import Previewing
from napari_unet_nuclei.core.finetune.rehearsal import Rehearsal, mixed, read_rehearsal, without_dataset
from napari_unet_nuclei.core.finetune.time_estimate import paced
from napari_unet_nuclei.core.model.card import DataSource, ModelCard, TrainingRecord
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Share, Silent
from napari_unet_nuclei.core.segment.remedy import KIND_NAMES
from napari_unet_nuclei.core.settings import FinetuneSettings, TrainSettings
from napari_unet_nuclei.core.train.credits import with_inherited
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.trainer import Trainer, TrainResult
from napari_unet_nuclei.core.types import Labels

TRAINING_SHARE = 0.8
"""Share of the progress bar, and of the time limit, that the training takes; judging has the rest."""

CHOSEN = 0.95
"""Where the choice between mixtures ends on the progress bar; reference images have the rest."""

CROP = 192
"""Side of a training crop in pixels, as of the rehearsed ones: more steps for the same time than with larger ones."""

COLOURS = 3

EXPECTED = 64
"""Diameters that a card lists, at most."""

CORRECTIONS = "corrections"
"""What a card calls the images that a model was fine-tuned on."""

SUMMARY = ("AP at IoU 0.5",)
"""Figures on a card of the images that did not choose the model; its report has all of them."""


@dataclass(frozen=True)
class Finetuned:
    """A fine-tuned model, not kept yet, and what is known of it.

    Attributes
    ----------
    chosen : Candidate
        The new model with its reports.
    division : Division
        Which nuclei trained and which judged.
    before : tuple of ndarray, shape (Y, X), int
        What the old model finds in the judging samples.
    training : TrainResult
    device : str
        Where it was trained, for people.
    reference : BeforeAfter or None
        Old model and new one on reference images; None without any.
    left_out : tuple of str
        Images that were not learnt from because something is wrong with them: name and reason.
    """

    chosen: Candidate
    division: Division
    before: tuple[Labels, ...]
    training: TrainResult
    device: str
    reference: BeforeAfter | None = None
    left_out: tuple[str, ...] = ()

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Images that were learnt from although something may be wrong with them: name and reason."""
        doubtful = {one.name: one.doubt for one in (*self.division.training, *self.division.judging) if one.doubt}
        return tuple(f"{name}: {doubt}" for name, doubt in doubtful.items())


def finetune(
    base: Model,
    samples: Sequence[Sample],
    settings: FinetuneSettings,
    name: str,
    progress: Progress | None = None,
    reference: Sequence[Sample] = (),
    left_out: Sequence[str] = (),
) -> Finetuned:
    """Fine-tune a model on corrected, possibly partial labels.

    Parameters
    ----------
    base : Model
        Not changed.
    samples : sequence of Sample
        Corrected images, with their reviewed regions.
    settings : FinetuneSettings
    name : str
        Of the new model.
    progress : Progress, optional
        Hears of every step and epoch, and sees what the network makes of a held-out crop by then; *Finish* keeps the
        best epoch so far.
    reference : sequence of Sample
        Labelled images that neither teach nor choose: both models are scored on them.
    left_out : sequence of str
        Images that are not among the samples because something is wrong with them, for report and card.

    Returns
    -------
    Finetuned

    Raises
    ------
    NoSamplesError
        If there are too few reviewed nuclei to learn from some and judge with others.
    ModelFileError
        If the model is not one for nuclei.
    TrainingDivergedError
        If the loss becomes infinite before the first epoch has ended.

    Notes
    -----
    Three things keep the old knowledge: crops of the kind the old model was made for are rehearsed between the
    corrections; old and new weights are mixed (Wortsman et al. 2022, *Robust fine-tuning of zero-shot models*, CVPR),
    as far as what is gained on held-out nuclei outweighs what is forgotten; and the training is short. Where other
    images were corrected than the old model was made for, crops of their kind are rehearsed as well.
    """
    if base.card.task != "instances":
        raise ModelFileError(f"'{base.card.name}' tells classes, not nuclei, so corrected nuclei cannot teach it.")
    progress = progress or Silent()
    for sample in (one for one in samples if one.doubt):
        progress.report(Notice(f"Learnt from all the same: {sample.name}: {sample.doubt}.", warning=True))
    samples = without_dataset(samples)
    division = hold_out(samples, settings.seed)
    old, other = _rehearsals(base.card, samples) if settings.rehearsal else (Rehearsal(), Rehearsal())
    lesson = mixed(division.training, old.learnt, other.learnt)
    taught = _taught(base.card, division.training, old, other)
    trainer = Trainer(base.card, _training(settings), base.network)
    progress.report(Advanced(0.0, "finding out how fast this computer is"))
    trainer.settings = paced(trainer, lesson)
    validation = (*division.judging, *old.checked[::2], *other.checked[::2])
    watched = Previewing(Share(progress, 0.0, TRAINING_SHARE), trainer, division.judging)
    watched.show(epoch=0)
    result = trainer.fit(lesson, validation, watched)
    judge = Judge(base, division.judging, old.checked, other.checked, trainer.device)
    share = Share(progress, TRAINING_SHARE, CHOSEN)
    chosen = choose(judge, Model(taught, result.network), settings.strength, share)
    compared = judge.compare(chosen.model, reference, Share(progress, CHOSEN, 1.0)) if reference else None
    rehearsed = (*old.sources, *other.sources)
    card = _card(base.card, name, chosen, samples, division, rehearsed, settings, result, left_out)
    if compared is not None:
        card = card.model_copy(update={"metrics": card.metrics | _figures("reference", compared, SUMMARY)})
    progress.report(Advanced(1.0, "done"))
    chosen = replace(chosen, model=Model(card, chosen.model.network))
    device = f"{trainer.device.name} ({trainer.device.title})"
    return Finetuned(chosen, division, judge.before, result, device, compared, tuple(left_out))


def _rehearsals(card: ModelCard, samples: Sequence[Sample]) -> tuple[Rehearsal, Rehearsal]:
    """Crops of the kind that the old model was made for, and of the one that was corrected where that is another."""
    form = InputForm.of_model(card)
    # Nuclear signals are made of any picture; by a network for other channels, crops in colour cannot be read.
    readable = bool(form.inputs.names) or form.channels in (1, COLOURS)
    others = {sample.kind for sample in samples} - {card.image_kind} if readable else set()
    other = read_rehearsal(others.pop(), form) if others else Rehearsal()
    return read_rehearsal(card.image_kind, form), other


def _taught(card: ModelCard, training: Sequence[Sample], old: Rehearsal, other: Rehearsal) -> ModelCard:
    """Add to a card the diameters to expect: those of the corrections, and as many of rehearsed crops of their kind.

    A card lists few, so they are taken evenly from the smallest to the largest.
    """
    for kind in sorted({sample.kind for sample in training}):
        own, known = (
            sorted(sample.median_diameter for sample in part if sample.kind == kind and sample.median_diameter)
            for part in (training, (*old.learnt, *other.learnt))
        )
        count = min(len(own), EXPECTED // 2)
        diameters = tuple(round(one, 1) for part in (own, known) for one in _evenly(part, count))
        card = card.fitted(kind, taught=diameters)
    return card


def _evenly(values: Sequence[float], count: int) -> list[float]:
    """So many of some sorted values, from all over their range."""
    if not values:
        return []
    return [values[round(place)] for place in (np.arange(count) + 0.5) / count * len(values) - 0.5]


def _training(settings: FinetuneSettings) -> TrainSettings:
    """The settings that training and fine-tuning share."""
    shared = settings.model_dump(include=set(TrainSettings.model_fields))
    shared["time"] = max(TRAINING_SHARE * settings.time, 1.0)
    return TrainSettings(**shared, crop=CROP)


def hash_samples(samples: Sequence[Sample]) -> str:
    """SHA-256 over images, labels and reviewed regions."""
    digest = hashlib.sha256()
    for sample in samples:
        for array in (sample.image, sample.labels, sample.reviewed):
            if array is not None:
                digest.update(f"{array.dtype.str} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _card(
    base: ModelCard,
    name: str,
    chosen: Candidate,
    samples: Sequence[Sample],
    division: Division,
    rehearsed: Sequence[DataSource],
    settings: FinetuneSettings,
    result: TrainResult,
    left_out: Sequence[str],
) -> ModelCard:
    """The card of the new model: its parent, what it was taught, and the report's figures."""
    report = chosen.report
    metrics = {
        "held-out nuclei": float(report.nuclei),
        **_figures("held-out", report),
        "share of new weights": chosen.share,
    }
    if chosen.memory is not None:
        metrics |= _figures("rehearsed", chosen.memory, SUMMARY)
    own = DataSource(name=CORRECTIONS, images=len(division.training), nuclei=division.training_nuclei)
    taught = sorted({sample.kind for sample in division.training})
    record = TrainingRecord(
        datasets=with_inherited([own, *rehearsed], base),
        images=len(division.training),
        nuclei=division.training_nuclei,
        seed=settings.seed,
        steps=result.steps,
        seconds=round(result.seconds, 1),
        data_hash=hash_samples(samples),
        settings=settings.model_dump() | ({"left_out": "; ".join(left_out)} if left_out else {}),
    )
    return chosen.model.card.model_copy(
        update={
            "name": name,
            "description": f"{base.name}, fine-tuned on {division.training_nuclei} corrected nuclei in "
            f"images of {' and of '.join(KIND_NAMES[kind] for kind in taught)}.",
            "training": record,
            "metrics": metrics,
            "limits": "",
            "licence": "",
            "parent": f"{base.name} ({base.weights_hash[:16]})",
        }
    )


def _figures(what: str, report: BeforeAfter, names: Sequence[str] = ()) -> dict[str, float]:
    """Figures of both models, or some of them by name, rounded to what the number of nuclei supports."""
    models = {"before": report.before.figures, "after": report.after.figures}
    return {
        f"{what} {name} {when}": round(float(figures[name]), 3)
        for name in names or report.before.figures
        for when, figures in models.items()
    }

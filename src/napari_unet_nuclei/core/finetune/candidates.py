"""Chooses what of the new weights goes into a fine-tuned model, by what it gains and what it forgets."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch

from napari_unet_nuclei.core.finetune.before_after import BeforeAfter, compare_models
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Progress, Share, Silent
from napari_unet_nuclei.core.train.fit_score import fit_score
from napari_unet_nuclei.core.train.fit_thresholds import fit_thresholds
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import decoded, predict_samples
from napari_unet_nuclei.core.types import Labels

FORGOTTEN = 0.04
"""AP at IoU 0.5 that the new model may lose on crops of the kind that the old one was made for."""

SURER = 0.03
"""How much surer of its nuclei a network is on such crops than on images that neither model has seen, as a mean
foreground: where that is the score, the threshold that is fitted to them is lowered by it."""

SHARES = (1.0, 0.5)
"""Mixtures of old and new weights that are tried, as shares of the largest one: what is wanted, and what is left where
that forgets too much, or where the corrections were few and odd."""

DECODINGS = tuple(product((0.45, 0.55, 0.65), (0.25, 0.4, 0.5)))
"""Foreground thresholds and depths of a notch that are tried for each: coarsely, as a person waits."""


@dataclass(frozen=True)
class Candidate:
    """A model that may become the new one, beside the old one.

    Attributes
    ----------
    model : Model
    share : float
        How much of the new weights is in it; the rest is the old ones.
    found : tuple of ndarray, shape (Y, X), int
        What it finds in the judging samples.
    report : BeforeAfter
        Old model and this one on the held-out corrections.
    memory : BeforeAfter or None
        Old model and this one on crops of the kind that the old one was made for; None without rehearsal.
    """

    model: Model
    share: float
    found: tuple[Labels, ...]
    report: BeforeAfter
    memory: BeforeAfter | None

    @property
    def remembers(self) -> bool:
        """True where no more was forgotten than may be."""
        return self.memory is None or self.memory.gain >= -FORGOTTEN


def mixture(old: UNet, new: UNet, share: float) -> UNet:
    """Return a network whose weights lie between two; ``share`` is how near to the new one."""
    network = copy.deepcopy(old)
    weights = {
        name: torch.lerp(value, new.state_dict()[name], share) if value.is_floating_point() else value
        for name, value in old.state_dict().items()
    }
    network.load_state_dict(weights)
    return network.eval()


class Judge:
    """Compares candidates with the old model, on the same samples.

    Parameters
    ----------
    base : Model
    judging : sequence of Sample
        Held-out corrections.
    old, other : sequence of Sample
        Crops that were not learnt from: of the kind that the old model was made for, and of the one that was corrected
        where that is another.
    device : Device
    """

    def __init__(
        self,
        base: Model,
        judging: Sequence[Sample],
        old: Sequence[Sample],
        other: Sequence[Sample],
        device: Device,
    ) -> None:
        self.base = base
        self.judging = judging
        self.old = old
        self.other = other
        self.device = device
        self.before, self._remembered = (self.found(base, samples) for samples in (judging, old))

    @property
    def unseen(self) -> tuple[Sample, ...]:
        """All samples that were not learnt from."""
        return (*self.judging, *self.old, *self.other)

    def found(self, model: Model, samples: Sequence[Sample], progress: Progress | None = None) -> tuple[Labels, ...]:
        """Segment samples as a user's images would be."""
        predictions = predict_samples(model, samples, self.device, progress or Silent())
        return tuple(
            decoded(prediction, model.card.for_kind(sample.kind))
            for sample, prediction in zip(samples, predictions, strict=True)
        )

    def candidate(self, model: Model, share: float) -> Candidate:
        """Compare a model with the old one on what judges, and on what may be forgotten."""
        found = self.found(model, self.judging)
        memory = compare_models(self.old, self._remembered, self.found(model, self.old)) if self.old else None
        return Candidate(model, share, found, compare_models(self.judging, self.before, found), memory)

    def compare(self, model: Model, samples: Sequence[Sample], progress: Progress) -> BeforeAfter:
        """Compare a model with the old one on other samples."""
        old = self.found(self.base, samples, Share(progress, 0.0, 0.5))
        return compare_models(samples, old, self.found(model, samples, Share(progress, 0.5, 1.0)))


def choose(judge: Judge, new: Model, strength: float, progress: Progress) -> Candidate:
    """Choose between mixtures of old and new weights, each with the thresholds that suit it.

    Parameters
    ----------
    judge : Judge
    new : Model
        The new weights, and what the card of every mixture says.
    strength : float
        Largest share of new weights.
    progress : Progress
    """
    candidates = []
    for number, part in enumerate(SHARES):
        step = Share(progress, number / len(SHARES), (number + 1) / len(SHARES))
        share = strength * part
        mixed = Model(new.card, mixture(judge.base.network, new.network, share))
        card = _fitted(mixed, judge, Share(step, 0.0, 0.9))
        candidates.append(judge.candidate(Model(card, mixed.network), share))
    return _best(candidates, judge.judging)


def _fitted(model: Model, judge: Judge, progress: Progress) -> ModelCard:
    """Fit score and thresholds for each kind of images.

    After a few steps, a network is less sure of one kind than of another. All samples of a kind are taken together,
    since a handful of held-out nuclei would be followed too closely.
    """
    card, unseen = model.card, judge.unseen
    predictions = predict_samples(model, unseen, judge.device, Share(progress, 0.0, 0.3))
    kinds = sorted({sample.kind for sample in unseen})
    for number, kind in enumerate(kinds):
        pairs = [(one, two) for one, two in zip(unseen, predictions, strict=True) if one.kind == kind]
        samples, predicted = zip(*pairs, strict=True)
        fitting = Share(progress, 0.3 + 0.7 * number / len(kinds), 0.3 + 0.7 * (number + 1) / len(kinds))
        known = card.for_kind(kind)
        score = fit_score(samples, predicted, known, known.score)
        if score is not None and known.score is None:
            known = known.model_copy(update={"thresholds": known.thresholds.model_copy(update={"score": 0.0})})
        known = known.model_copy(update={"score": score})
        thresholds = fit_thresholds(samples, predicted, known, fitting, DECODINGS)
        if judge.old and kind == card.image_kind and score is None:
            thresholds = thresholds.model_copy(update={"score": max(thresholds.score - SURER, 0.0)})
        card = card.fitted(kind, thresholds=thresholds, score=score)
    return card


def _best(candidates: Sequence[Candidate], judging: Sequence[Sample]) -> Candidate:
    """The first of those that remember, unless another finds clearly more; where none does, the one that forgot least.

    Parameters
    ----------
    candidates : sequence of Candidate
        By falling share.
    judging : sequence of Sample
        Held-out corrections. There are few of them, and a small difference is chance.
    """
    remembering = [candidate for candidate in candidates if candidate.remembers]
    if not remembering:
        return max(candidates, key=lambda candidate: candidate.memory.gain if candidate.memory else 0.0)
    best, *others = remembering
    for other in others:
        if compare_models(judging, best.found, other.found).outcome == "better":
            best = other
    return best

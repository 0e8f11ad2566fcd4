"""Chooses what of the new weights goes into a fine-tuned model, by what it gains and what it forgets."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch

from napari_unet_nuclei.core.finetune.before_after import BeforeAfter, compare_models
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Progress, Share, Silent
from napari_unet_nuclei.core.train.fit_thresholds import fit_thresholds
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import SCORED, decoded, predict_samples
from napari_unet_nuclei.core.types import Labels

FORGOTTEN = 0.04
"""AP at IoU 0.5 that the new model may lose on crops of the kind that the old one was made for. The old one has learnt
from these very crops; on images that neither has seen, about a third of it is lost."""

SHARES = (1.0, 0.7, 0.4)
"""Mixtures of old and new weights that are tried, as shares of the largest one."""

DECODINGS = tuple(product((0.45, 0.55, 0.65), (0.1, 0.2, 0.3)))
"""Foreground and seed thresholds that are tried for each: coarsely, as a person waits."""


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

    @property
    def worth(self) -> float:
        """Mean AP at IoU 0.5 to 0.9 on the held-out corrections, and the same on what may be forgotten."""
        reports = [self.report] if self.memory is None else [self.report, self.memory]
        return float(sum(report.after.scores.average_precision[: len(SCORED)].mean() for report in reports))


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
    """Compares candidates with the old model, on the same samples."""

    def __init__(self, base: Model, judging: Sequence[Sample], checked: Sequence[Sample], device: Device) -> None:
        self.base = base
        self.judging = judging
        self.checked = checked
        self.device = device
        self.before = self.found(base, judging)
        self._remembered = self.found(base, checked)

    def found(self, model: Model, samples: Sequence[Sample], progress: Progress | None = None) -> tuple[Labels, ...]:
        """Segment samples as a user's images would be."""
        predictions = predict_samples(model, samples, self.device, progress or Silent())
        return tuple(decoded(prediction, model.card.thresholds) for prediction in predictions)

    def candidate(self, model: Model, share: float) -> Candidate:
        """Compare a model with the old one on what judges, and on what may be forgotten."""
        found = self.found(model, self.judging)
        memory = None
        if self.checked:
            memory = compare_models(self.checked, self._remembered, self.found(model, self.checked))
        return Candidate(model, share, found, compare_models(self.judging, self.before, found), memory)

    def compare(self, model: Model, samples: Sequence[Sample], progress: Progress) -> BeforeAfter:
        """Compare a model with the old one on other samples."""
        old = self.found(self.base, samples, Share(progress, 0.0, 0.5))
        return compare_models(samples, old, self.found(model, samples, Share(progress, 0.5, 1.0)))


def choose(judge: Judge, new: Model, strength: float, others: Sequence[Sample], progress: Progress) -> Candidate:
    """Choose between mixtures of old and new weights, each with the thresholds that suit it.

    Parameters
    ----------
    judge : Judge
    new : Model
        The new weights, and what the card of every mixture says.
    strength : float
        Largest share of new weights.
    others : sequence of Sample
        More crops that were not learnt from. Thresholds are fitted to all of these together, since a handful of
        held-out nuclei would be followed too closely.
    progress : Progress
    """
    unseen = (*judge.judging, *judge.checked, *others)
    candidates = []
    for number, part in enumerate(SHARES):
        step = Share(progress, number / len(SHARES), (number + 1) / len(SHARES))
        share = strength * part
        mixed = Model(new.card, mixture(judge.base.network, new.network, share))
        predictions = predict_samples(mixed, unseen, judge.device, Share(step, 0.0, 0.3))
        fitting = Share(step, 0.3, 0.9)
        thresholds = fit_thresholds(unseen, predictions, new.card.thresholds, fitting, DECODINGS)
        card = new.card.model_copy(update={"thresholds": thresholds})
        candidates.append(judge.candidate(Model(card, mixed.network), share))
    return _best(candidates)


def _best(candidates: Sequence[Candidate]) -> Candidate:
    """The best of those that remember; where none does, the one that forgot least."""
    remembering = [candidate for candidate in candidates if candidate.remembers]
    if remembering:
        return max(remembering, key=lambda candidate: candidate.worth)
    return max(candidates, key=lambda candidate: candidate.memory.gain if candidate.memory else 0.0)

"""Compare the old model with mixtures of old and new weights on held-out nuclei, and choose the mixture to keep.

``python -m benchmarks.finetuning`` measures what other values of FORGOTTEN, SHARES and DECODINGS gain on images of
the corrected kind and lose on others; docs/finetune.md has its figures with these values.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet_nuclei.core.finetune.hold_out import FEWEST_NUCLEI
from napari_unet_nuclei.core.labels.metrics.comparison import Mistakes, Scores, compare_labels, find_mistakes, pool
from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, find_overlaps
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Progress, Share, Silent, with_shares
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.segment.predict import Prediction
from napari_unet_nuclei.core.train.fit_thresholds import fit_thresholds
from napari_unet_nuclei.core.train.fitting import calibrate_score
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import decoded, in_reviewed, predict_samples
from napari_unet_nuclei.core.types import Labels

FORGOTTEN = 0.04
"""AP at IoU 0.5 that the new model may lose on rehearsed crops of the old model's kind; above the largest loss in the
benchmark, 0.036."""

SHARES = (1.0, 0.5)
"""Mixtures to try, as fractions of the largest share of new weights: all of it, and a fallback if that forgets too
much, or if the corrections were few or unusual."""

DECODINGS = tuple(product((0.45, 0.55, 0.65), (0.25, 0.4, 0.5)))
"""Foreground thresholds and notch depths to try for each mixture of a model without coefficients of a score; a coarse
grid, as a person is waiting."""

DRAWS = 2000
CONFIDENCE = 0.9
"""Number of bootstrap draws, and the central part of their distribution that must agree on the sign of a difference."""

COUNT_ERROR = "count error"

Outcome = Literal["better", "worse", "no clear difference", "too little to tell"]


@dataclass(frozen=True)
class Judgement:
    """Performance of one model on the held-out nuclei; scores are pooled over all nuclei."""

    scores: Scores
    mistakes: Mistakes

    @property
    def ap50(self) -> float:
        """Average precision at IoU 0.5."""
        return float(self.scores.average_precision[0])

    @property
    def figures(self) -> dict[str, float]:
        """All figures by their names in reports and on cards; numbers of nuclei are whole."""
        return {
            "AP at IoU 0.5": self.ap50,
            "AP at IoU 0.75": float(self.scores.average_precision[IOU_THRESHOLDS.index(0.75)]),
            "F1 at IoU 0.5": float(self.scores.f1[0]),
            **asdict(self.mistakes),
            COUNT_ERROR: self.scores.count_error,
        }


@dataclass(frozen=True)
class BeforeAfter:
    """Old and new model on the same nuclei."""

    before: Judgement
    after: Judgement
    nuclei: int  # number of held-out nuclei
    gain: float  # increase of AP at IoU 0.5
    interval: tuple[float, float]  # 90 % confidence interval of the gain, by bootstrap over nuclei
    outcome: Outcome

    @property
    def _in_nuclei(self) -> str:
        """What the new model does with the nuclei: "it finds 24 of 130, before 0; 1 false, 25 merged"."""
        after, before = self.after.mistakes, self.before.mistakes
        wrong = {"false": after.spurious, "merged": after.merged, "split": after.split}
        told = ", ".join(f"{count:,} {what}" for what, count in wrong.items() if count)
        found = f"it finds {after.found:,} of {self.nuclei:,}, before {before.found:,}"
        return f"{found}; {told}" if told else found

    @property
    def sentence(self) -> str:
        """Which model is better and by how much, in plain words."""
        change = f"{self._in_nuclei}; AP@0.5 went from {self.before.ap50:.2f} to {self.after.ap50:.2f}"
        span = f"with 90 % confidence the change is between {self.interval[0]:+.2f} and {self.interval[1]:+.2f}"
        if self.outcome == "too little to tell":
            held_out = f"{quantity(self.nuclei, 'nucleus', 'nuclei')} {'was' if self.nuclei == 1 else 'were'} held out"
            return (
                f"Only {held_out}, too few to tell which model is better ({change}). "
                "Correct more nuclei, or compare the two on images that you know."
            )
        if self.outcome == "no clear difference":
            return f"There is no clear difference on {self.nuclei} held-out nuclei: {change}; {span}."
        return f"The new model is {self.outcome} on {self.nuclei} held-out nuclei: {change}; {span}."


def compare_models(samples: Sequence[Sample], before: Sequence[Labels], after: Sequence[Labels]) -> BeforeAfter:
    """Compare what two models found in held-out samples, given the labels (Y, X) of each for every sample.

    Only nuclei in the reviewed regions count, and predicted ones of which at least half lies there.
    """
    truths = [in_reviewed(sample, sample.labels)[0] for sample in samples]
    found = [
        [in_reviewed(sample, labels)[1] for sample, labels in zip(samples, each, strict=True)]
        for each in (before, after)
    ]
    old, new = (_judge(truths, labels) for labels in found)
    interval = _bootstrap([_matches(truths, labels) for labels in found])
    nuclei = sum(len(np.unique(truth[truth > 0])) for truth in truths)
    return BeforeAfter(old, new, nuclei, new.ap50 - old.ap50, interval, _outcome(nuclei, interval))


def _judge(truths: Sequence[Labels], labels: Sequence[Labels]) -> Judgement:
    pairs = list(zip(truths, labels, strict=True))
    # `sum` begins with 0, which cannot be added to mistakes: begin with the first.
    first, *rest = (find_mistakes(truth, found) for truth, found in pairs)
    return Judgement(pool(compare_labels(truth, found) for truth, found in pairs).scores, sum(rest, first))


def _matches(truths: Sequence[Labels], labels: Sequence[Labels]) -> tuple[NDArray[np.bool_], int]:
    """Return which true nuclei are found at IoU 0.5, by sample and id, and the number of spurious ones."""
    found, spurious = [], 0
    for truth, predicted in zip(truths, labels, strict=True):
        overlaps = find_overlaps(truth, predicted)
        matched = np.zeros(len(overlaps.true_areas), bool)
        matched[overlaps.true_index[overlaps.ious > IOU_THRESHOLDS[0]]] = True
        found.append(matched)
        spurious += len(overlaps.predicted_areas) - int(matched.sum())
    return np.concatenate(found), spurious


def _bootstrap(models: Sequence[tuple[NDArray[np.bool_], int]]) -> tuple[float, float]:
    """Return the confidence interval of the difference in AP, resampling nuclei, the same for both models."""
    rng = np.random.default_rng(0)
    (old, old_spurious), (new, new_spurious) = models
    # Without true nuclei there is nothing to resample, and any change is possible.
    if not len(old):
        return (-1.0, 1.0)
    # How often each true nucleus is drawn, (DRAWS, nuclei): a bootstrap as one matrix product. Both models get the
    # same draws, so that what is hard for both cancels out and does not widen the interval of the difference.
    times = rng.multinomial(len(old), np.full(len(old), 1 / len(old)), size=DRAWS)
    # Spurious nuclei belong to no true nucleus to resample; their number is drawn from a Poisson distribution. Those
    # that both models find are likely the same debris, so both share one draw.
    shared = rng.poisson(min(old_spurious, new_spurious), DRAWS)
    gains = np.zeros(DRAWS)
    for sign, matched, spurious in ((-1, old, old_spurious), (1, new, new_spurious)):
        invented = shared + rng.poisson(spurious - min(old_spurious, new_spurious), DRAWS)
        # AP = TP / (true nuclei + FP), as TP + FN are all true nuclei.
        gains += sign * (times @ matched) / (len(old) + invented)
    low, high = np.quantile(gains, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return float(low), float(high)


def _outcome(nuclei: int, interval: tuple[float, float]) -> Outcome:
    if nuclei < FEWEST_NUCLEI:
        return "too little to tell"
    low, high = interval
    # Only an interval on one side of 0 decides; how far the gain itself is from 0 says nothing about chance.
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no clear difference"


@dataclass(frozen=True)
class Mixture:
    """A mixture of old and new weights, compared with the old model."""

    model: Model
    share: float  # of new weights
    found: tuple[Labels, ...]  # its labels of the held-out samples, each (Y, X)
    report: BeforeAfter  # on held-out corrections
    rehearsed: BeforeAfter | None  # on crops of the kind that the old model was made for; None without rehearsal

    @property
    def retains(self) -> bool:
        """True unless more was forgotten than allowed."""
        return self.rehearsed is None or self.rehearsed.gain >= -FORGOTTEN


def mix(old: UNet, new: UNet, share: float) -> UNet:
    """Interpolate linearly between the weights of two networks; ``share`` is that of the new one."""
    network = copy.deepcopy(old)
    weights = {
        # Batch counters are integers, and matter only to training.
        name: torch.lerp(value, new.state_dict()[name], share) if value.is_floating_point() else value
        for name, value in old.state_dict().items()
    }
    network.load_state_dict(weights)
    return network.eval()


class Judge:
    """Compares mixtures with the old model on samples that were not trained on.

    ``judging`` are held-out corrections; ``old`` and ``other`` rehearsed crops of the kind that the old model was made
    for, and of the corrected kind if that is another.
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
        self.unseen = (*judging, *old, *other)
        self.device = device
        # Once, not for each mixture: the old model does not change.
        self.before, self._rehearsed_before = (self.found(base, samples) for samples in (judging, old))

    def found(self, model: Model, samples: Sequence[Sample], progress: Progress | None = None) -> tuple[Labels, ...]:
        """Segment samples as images of a user."""
        predictions = predict_samples(model, samples, self.device, progress or Silent())
        return tuple(
            decoded(prediction, model.card.for_kind(sample.kind))
            for sample, prediction in zip(samples, predictions, strict=True)
        )

    def judge(self, model: Model, share: float, predictions: Sequence[Prediction]) -> Mixture:
        """Compare a mixture, given its predictions of all unseen samples, with the old model."""
        labels = tuple(
            decoded(prediction, model.card.for_kind(sample.kind))
            for sample, prediction in zip(self.unseen, predictions, strict=True)
        )
        found, old = labels[: len(self.judging)], labels[len(self.judging) :][: len(self.old)]
        rehearsed = compare_models(self.old, self._rehearsed_before, old) if self.old else None
        return Mixture(model, share, found, compare_models(self.judging, self.before, found), rehearsed)

    def compare(self, model: Model, samples: Sequence[Sample], progress: Progress) -> BeforeAfter:
        """Compare a model with the old one on other samples."""
        old = self.found(self.base, samples, Share(progress, 0.0, 0.5))
        return compare_models(samples, old, self.found(model, samples, Share(progress, 0.5, 1.0)))


def choose(judge: Judge, new: Model, strength: float, progress: Progress) -> Mixture:
    """Choose between mixtures of old and new weights, each with a score that suits it and the card of ``new``.

    ``strength`` is the largest share of new weights.
    """
    mixtures: list[Mixture] = []
    for part, step in with_shares(SHARES, progress):
        share = strength * part
        mixed = Model(new.card, mix(judge.base.unet, new.unet, share))
        # Once for thresholds and judgement: the network's maps do not depend on thresholds.
        predictions = predict_samples(mixed, judge.unseen, judge.device, Share(step, 0.0, 0.6))
        card = _fitted(mixed.card, judge, predictions, Share(step, 0.6, 0.9))
        mixtures.append(judge.judge(Model(card, mixed.network), share, predictions))
        # Less of the new weights is for those that forget, or gain too little to be told from chance.
        if mixtures[-1].retains and mixtures[-1].report.outcome == "better":
            break
    return _best(mixtures, judge.judging)


def _fitted(card: ModelCard, judge: Judge, predictions: Sequence[Prediction], progress: Progress) -> ModelCard:
    """Calibrate the score for each kind of image: after a short training a network is less sure of one of them.

    The thresholds stay, since a calibrated score means the same as before. Without coefficients the score is the mean
    foreground probability, which cannot be calibrated; then the thresholds are fitted.
    """
    unseen = judge.unseen
    kinds = sorted({sample.kind for sample in unseen})
    for kind, fitting in with_shares(kinds, progress):
        # All unseen samples of a kind together: a handful of held-out nuclei would be overfitted.
        pairs = [(one, two) for one, two in zip(unseen, predictions, strict=True) if one.kind == kind]
        samples, predicted = zip(*pairs, strict=True)
        known = card.for_kind(kind)
        if known.score is None:
            card = card.fitted(kind, thresholds=fit_thresholds(samples, predicted, known, fitting, DECODINGS))
        else:
            card = card.fitted(kind, score=calibrate_score(samples, predicted, known, known.score))
    return card


def _best(mixtures: Sequence[Mixture], judging: Sequence[Sample]) -> Mixture:
    """Return the best mixture, given by falling share.

    That is the first that retains what the old model knew, unless another clearly finds more: held-out nuclei are few,
    so small differences are chance. If none retains it, the one that forgets least.
    """
    retaining = [mixture for mixture in mixtures if mixture.retains]
    if not retaining:
        return max(mixtures, key=lambda mixture: mixture.rehearsed.gain if mixture.rehearsed else 0.0)
    # By falling share: the first has learned most from the corrections.
    best, *others = retaining
    for other in others:
        if compare_models(judging, best.found, other.found).outcome == "better":
            best = other
    return best

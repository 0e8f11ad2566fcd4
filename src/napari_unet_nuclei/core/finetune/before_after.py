"""Compares a fine-tuned model with the one it came from, on nuclei that were held out from training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.finetune.hold_out import FEWEST_NUCLEI
from napari_unet_nuclei.core.labels.metrics.comparison import Scores, compare_labels, pool
from napari_unet_nuclei.core.labels.metrics.mistakes import Mistakes, find_mistakes
from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, find_overlaps
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import judged
from napari_unet_nuclei.core.types import Labels

DRAWS = 2000
CONFIDENCE = 0.9
"""A difference counts where so many of the bootstrap's draws agree on its sign, in the middle of their distribution."""

COUNT_ERROR = "count error"

Outcome = Literal["better", "worse", "no clear difference", "too little to tell"]


@dataclass(frozen=True)
class Judgement:
    """One model on the held-out nuclei.

    Attributes
    ----------
    scores : Scores
        Pooled over all nuclei.
    mistakes : Mistakes
    """

    scores: Scores
    mistakes: Mistakes

    @property
    def ap50(self) -> float:
        """Average precision at IoU 0.5."""
        return float(self.scores.average_precision[0])

    @property
    def ap75(self) -> float:
        """Average precision at IoU 0.75."""
        return float(self.scores.average_precision[IOU_THRESHOLDS.index(0.75)])

    @property
    def figures(self) -> dict[str, float]:
        """All figures by the names that reports and cards have for them; numbers of nuclei are whole."""
        return {
            "AP at IoU 0.5": self.ap50,
            "AP at IoU 0.75": self.ap75,
            "F1 at IoU 0.5": float(self.scores.f1[0]),
            **asdict(self.mistakes),
            COUNT_ERROR: self.scores.count_error,
        }


@dataclass(frozen=True)
class BeforeAfter:
    """Old and new model on the same nuclei.

    Attributes
    ----------
    before, after : Judgement
    nuclei : int
        Held-out nuclei.
    gain : float
        AP at IoU 0.5 after, less that before.
    interval : tuple of float
        Where the gain lies with 90 % confidence, by bootstrap over nuclei.
    outcome : str
    """

    before: Judgement
    after: Judgement
    nuclei: int
    gain: float
    interval: tuple[float, float]
    outcome: Outcome

    @property
    def sentence(self) -> str:
        """Which model is better, and by how much, in plain words."""
        change = f"AP@0.5 went from {self.before.ap50:.2f} to {self.after.ap50:.2f}"
        span = f"with 90 % confidence the change is between {self.interval[0]:+.2f} and {self.interval[1]:+.2f}"
        if self.outcome == "too little to tell":
            return (
                f"Only {self.nuclei} nuclei were held out, too few to tell which model is better ({change}). "
                "Correct more nuclei, or compare the two on images that you know."
            )
        if self.outcome == "no clear difference":
            return f"There is no clear difference on {self.nuclei} held-out nuclei: {change}; {span}."
        return f"The new model is {self.outcome} on {self.nuclei} held-out nuclei: {change}; {span}."


def compare_models(samples: Sequence[Sample], before: Sequence[Labels], after: Sequence[Labels]) -> BeforeAfter:
    """Compare what two models found in held-out samples.

    Parameters
    ----------
    samples : sequence of Sample
        Only nuclei in their reviewed regions count, and predicted ones that lie there at least by half.
    before, after : sequence of ndarray, shape (Y, X), int
        Labels of the old and of the new model for each sample.
    """
    truths = [judged(sample, sample.labels)[0] for sample in samples]
    found = [
        [judged(sample, labels)[1] for sample, labels in zip(samples, each, strict=True)] for each in (before, after)
    ]
    old, new = (_judge(truths, labels) for labels in found)
    interval = _bootstrap([_outcomes(truths, labels) for labels in found])
    nuclei = sum(len(np.unique(truth[truth > 0])) for truth in truths)
    return BeforeAfter(
        before=old,
        after=new,
        nuclei=nuclei,
        gain=new.ap50 - old.ap50,
        interval=interval,
        outcome=_outcome(nuclei, interval),
    )


def _judge(truths: Sequence[Labels], labels: Sequence[Labels]) -> Judgement:
    pairs = list(zip(truths, labels, strict=True))
    first, *rest = (find_mistakes(truth, found) for truth, found in pairs)
    return Judgement(pool(compare_labels(truth, found) for truth, found in pairs).scores, sum(rest, first))


def _outcomes(truths: Sequence[Labels], labels: Sequence[Labels]) -> tuple[NDArray[np.bool_], int]:
    """Which true nuclei were found at IoU 0.5, by sample and id, and how many predicted ones match none."""
    found, spurious = [], 0
    for truth, predicted in zip(truths, labels, strict=True):
        overlaps = find_overlaps(truth, predicted)
        matched = np.zeros(len(overlaps.true_areas), bool)
        matched[overlaps.true_index[overlaps.ious > IOU_THRESHOLDS[0]]] = True
        found.append(matched)
        spurious += len(overlaps.predicted_areas) - int(matched.sum())
    return np.concatenate(found), spurious


def _bootstrap(models: Sequence[tuple[NDArray[np.bool_], int]]) -> tuple[float, float]:
    """Draw nuclei again and again, the same for both models, and see how their difference in AP varies.

    Spurious nuclei belong to no true one; their number is drawn from the Poisson distribution around what was seen.
    """
    rng = np.random.default_rng(0)
    (old, old_spurious), (new, new_spurious) = models
    if not len(old):
        return (-1.0, 1.0)
    times = rng.multinomial(len(old), np.full(len(old), 1 / len(old)), size=DRAWS)
    # What both models invent is likely the same debris, so both draws share it.
    shared = rng.poisson(min(old_spurious, new_spurious), DRAWS)
    gains = np.zeros(DRAWS)
    for sign, matched, spurious in ((-1, old, old_spurious), (1, new, new_spurious)):
        invented = shared + rng.poisson(spurious - min(old_spurious, new_spurious), DRAWS)
        gains += sign * (times @ matched) / (len(old) + invented)
    low, high = np.quantile(gains, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return float(low), float(high)


def _outcome(nuclei: int, interval: tuple[float, float]) -> Outcome:
    if nuclei < FEWEST_NUCLEI:
        return "too little to tell"
    low, high = interval
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no clear difference"

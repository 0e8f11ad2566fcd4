"""Which installed model to start from: all that tell nuclei are scored on the corrected ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_unet_nuclei.core.errors import NoSamplesError, NucleiError, UnknownModelError
from napari_unet_nuclei.core.finetune.hold_out import SURROUNDINGS, count_nuclei
from napari_unet_nuclei.core.labels.metrics.overlaps import MatchCounts, pooled
from napari_unet_nuclei.core.labels.reviewed import trusted
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.file import read_model
from napari_unet_nuclei.core.model.registry import ModelEntry, default_registry
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Share
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import compare, predict_samples

PIXELS = 2**20
"""Every model looks at so many pixels at most: a few seconds each, and a hundred nuclei or more."""

SIDE = 512
"""Largest side in pixels of what is looked at of one image, so that several images have a say."""


@dataclass(frozen=True)
class RankedBase:
    """A model on the corrected nuclei.

    Attributes
    ----------
    name : str
    nuclei : int
        Corrected ones that were looked at.
    found, spurious : int
        Those of them that it finds at IoU 0.5, and what it takes for nuclei besides.
    score : float
        Average precision at IoU 0.5.
    """

    name: str
    nuclei: int
    found: int
    spurious: int
    score: float

    @property
    def sentence(self) -> str:
        """What it finds, for people."""
        return f"'{self.name}' finds {self.found:,} of {self.nuclei:,} nuclei, and {self.spurious:,} that are none."


def rank_bases(
    samples_for: Callable[[InputForm], Sequence[Sample]], progress: Progress, device: str = "auto", seed: int = 0
) -> tuple[RankedBase, ...]:
    """Score the installed models for nuclei on corrected ones, the best one first.

    Parameters
    ----------
    samples_for : callable
        Returns the corrected images as a network with these inputs reads them.
    progress : Progress
        Hears of every model, and may cancel.
    device : str
        Where the networks run.
    seed : int
        Decides which images are looked at where there are more than `PIXELS`.

    Raises
    ------
    NoSamplesError
        If no nucleus was reviewed.
    UnknownModelError
        If no model for nuclei is installed.
    """
    entries = [entry for entry in default_registry().list() if entry.card.task == "instances"]
    if not entries:
        raise UnknownModelError("No model for nuclei is installed: install the package again, or import a model file.")
    looked_at: dict[InputForm, tuple[Sample, ...]] = {}
    ranked: list[RankedBase] = []
    for number, entry in enumerate(entries):
        progress.report(Advanced(number / len(entries), f"trying '{entry.name}'"))
        share = Share(progress, number / len(entries), (number + 1) / len(entries))
        form = InputForm.of_model(entry.card)
        try:
            if form not in looked_at:
                looked_at[form] = some_of(samples_for(form), seed)
            ranked.append(_scored(entry, looked_at[form], share, device))
        except NoSamplesError:
            raise
        except NucleiError as error:  # a model for other channels, or a damaged file, is passed over
            progress.report(Notice(f"'{entry.name}' was passed over: {error}"))
    if not ranked:
        raise UnknownModelError("No installed model can read all of these images. Choose one model, or fewer images.")
    progress.report(Advanced(1.0, "done"))
    return tuple(sorted(ranked, key=lambda one: -one.score))


def some_of(samples: Sequence[Sample], seed: int) -> tuple[Sample, ...]:
    """Choose `PIXELS` of corrected images in all, drawn at random, of each the part with most reviewed nuclei.

    Raises
    ------
    NoSamplesError
        If no nucleus was reviewed.
    """
    with_nuclei = [sample for sample in samples if count_nuclei(sample)]
    if not with_nuclei:
        raise NoSamplesError("No nucleus lies whole in what was reviewed, so the models cannot be compared.")
    chosen: list[Sample] = []
    left = PIXELS
    for number in np.random.default_rng(seed).permutation(len(with_nuclei)):
        part = _fullest(with_nuclei[number])
        if chosen and part.labels.size > left:
            break
        chosen.append(part)
        left -= part.labels.size
    return tuple(chosen)


def _fullest(sample: Sample) -> Sample:
    """Cut a sample to the surroundings of its reviewed nuclei, and to `SIDE` pixels where most of them are."""
    reviewed = np.ones(sample.labels.shape, bool) if sample.reviewed is None else sample.reviewed
    whole = trusted(sample.labels, reviewed)
    ids = np.unique(sample.labels[whole])
    centres = np.array(ndimage.center_of_mass(sample.labels > 0, sample.labels, ids[ids > 0]))
    near = np.abs(centres[:, None] - centres[None]).max(axis=-1) < SIDE / 2
    middle = centres[near[near.sum(axis=1).argmax()]]
    spans = []
    for low, high, size in zip(middle.min(axis=0), middle.max(axis=0), sample.labels.shape, strict=True):
        centre, half = (low + high) / 2, min((high - low) / 2 + SURROUNDINGS, SIDE / 2)
        spans.append(slice(max(round(centre - half), 0), min(round(centre + half), size)))
    y, x = spans
    return sample.cut((y, x), whole[y, x])


def _scored(entry: ModelEntry, samples: Sequence[Sample], progress: Progress, device: str) -> RankedBase:
    """Segment and count."""
    model = read_model(entry.path)
    predictions = predict_samples(model, samples, choose_device(device), progress)
    counts: MatchCounts = pooled(
        compare(sample, prediction, model.card.for_kind(sample.kind))
        for sample, prediction in zip(samples, predictions, strict=True)
    )
    return RankedBase(
        entry.name, counts.true_count, int(counts.found[0]), int(counts.spurious[0]), float(counts.average_precision[0])
    )

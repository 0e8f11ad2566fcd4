"""Rank the installed models for nuclei by how well they find the corrected nuclei, to propose one to start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from napari_unet_nuclei.core.errors import NoSamplesError, NucleiError, UnknownModelError
from napari_unet_nuclei.core.finetune.hold_out import SURROUNDINGS, count_nuclei, densest_square
from napari_unet_nuclei.core.labels.metrics.overlaps import MatchCounts, pooled
from napari_unet_nuclei.core.labels.reviewed import trusted
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.file import read_model
from napari_unet_nuclei.core.model.registry import ModelEntry, default_registry
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, with_shares
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import compare, predict_samples

PIXELS = 2**20
"""Most pixels that each model segments: a few seconds per model, and a hundred nuclei or more."""

SIDE = 512
"""Largest side in pixels of the part used of one image, so that several images contribute."""


@dataclass(frozen=True)
class RankedBase:
    """Performance of an installed model on the corrected nuclei."""

    name: str
    nuclei: int  # number of corrected nuclei used
    found: int  # at IoU 0.5
    spurious: int  # predicted nuclei that match none
    score: float  # average precision at IoU 0.5

    @property
    def sentence(self) -> str:
        """What the model finds, in plain words."""
        true = quantity(self.nuclei, "nucleus", "nuclei")
        return f"'{self.name}' finds {self.found:,} of {true}, and {self.spurious:,} spurious ones."


def rank_bases(
    samples_for: Callable[[InputForm], Sequence[Sample]], progress: Progress, device: str = "auto", seed: int = 0
) -> tuple[RankedBase, ...]:
    """Score the installed models for nuclei on corrected nuclei, the best first.

    ``samples_for`` returns the corrected images in the form that a network needs; ``seed`` draws some of them if they
    have more than `PIXELS` pixels. Raises `NoSamplesError` if no nucleus was reviewed, and `UnknownModelError` if no
    model for nuclei is installed, or none can read all images.
    """
    entries = [
        entry for entry in default_registry().list() if entry.card.task == "instances" and entry.card.is_trainable
    ]
    if not entries:
        raise UnknownModelError("No model for nuclei is installed. Install the package again, or import a model file.")
    drawn: dict[InputForm, tuple[Sample, ...]] = {}
    ranked: list[RankedBase] = []
    for entry, share in with_shares(entries, progress):
        share.report(Advanced(0.0, f"trying '{entry.name}'"))
        form = InputForm.of_model(entry.card)
        try:
            # Models of one input form share the samples, which need reading and separating into stains only once.
            if form not in drawn:
                drawn[form] = some_of(samples_for(form), seed)
            ranked.append(_scored(entry, drawn[form], share, device))
        except NoSamplesError:  # the corrections are at fault, not this model
            raise
        except NucleiError as error:  # skip models for other channels and damaged files
            progress.report(Notice(f"'{entry.name}' was skipped: {error}"))
    if not ranked:
        raise UnknownModelError("No installed model can read all of these images. Choose a model, or fewer images.")
    progress.report(Advanced(1.0, "done"))
    return tuple(sorted(ranked, key=lambda one: -one.score))


def some_of(samples: Sequence[Sample], seed: int) -> tuple[Sample, ...]:
    """Draw corrected images up to `PIXELS` pixels, the part of each densest in reviewed nuclei; there must be some."""
    with_nuclei = [sample for sample in samples if count_nuclei(sample)]
    if not with_nuclei:
        raise NoSamplesError("No nucleus lies entirely in a reviewed region, so the models cannot be compared.")
    chosen: list[Sample] = []
    left = PIXELS
    for number in np.random.default_rng(seed).permutation(len(with_nuclei)):
        part = _densest_part(with_nuclei[number])
        # The first is taken whatever its size, so that there is always one.
        if chosen and part.labels.size > left:
            break
        chosen.append(part)
        left -= part.labels.size
    return tuple(chosen)


def _densest_part(sample: Sample) -> Sample:
    """Cut a sample to the densest square of its reviewed nuclei with some surroundings, at most `SIDE` pixels wide."""
    reviewed = np.ones(sample.labels.shape, bool) if sample.reviewed is None else sample.reviewed
    whole = trusted(sample.labels, reviewed)
    _, centres = densest_square(sample, SIDE)
    spans = []
    for low, high, size in zip(centres.min(axis=0), centres.max(axis=0), sample.labels.shape, strict=True):
        # Around the nuclei, not the square: a square of empty pixels costs time and judges nothing.
        centre, half = (low + high) / 2, min((high - low) / 2 + SURROUNDINGS, SIDE / 2)
        spans.append(slice(max(round(centre - half), 0), min(round(centre + half), size)))
    y, x = spans
    return sample.cut((y, x), whole[y, x])


def _scored(entry: ModelEntry, samples: Sequence[Sample], progress: Progress, device: str) -> RankedBase:
    """Segment with a model, and count matches."""
    model = read_model(entry.path)
    predictions = predict_samples(model, samples, choose_device(device), progress)
    counts: MatchCounts = pooled(
        compare(sample, prediction, model.card.for_kind(sample.kind))
        for sample, prediction in zip(samples, predictions, strict=True)
    )
    return RankedBase(
        entry.name, counts.true_count, int(counts.found[0]), int(counts.spurious[0]), float(counts.average_precision[0])
    )

"""Crops from the bundled model's training data that are mixed into fine-tuning.

Those of the kind that the old model was made for keep it from forgetting; those of the corrected kind help a few
corrections generalise. ``python -m benchmarks.rehearsal`` cuts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.model.author_notes import AuthorNotes
from napari_unet_nuclei.core.model.card import DataSource
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.train.credits import data_sources
from napari_unet_nuclei.core.train.dataset import read_entries
from napari_unet_nuclei.core.train.division import DataSet, Divided
from napari_unet_nuclei.core.train.layouts import TRAIN, VALIDATION, Condition, list_entries
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample, sampling_weights

FOLDER = Path(__file__).parent / "rehearsal"
"""A data set with an index; its README names the sources."""


@dataclass(frozen=True)
class Rehearsal:
    """Crops of one kind."""

    training: tuple[Sample, ...] = ()  # crops to train on
    # Of other images, not trained on: they measure forgetting, and thresholds are fitted to them.
    validation: tuple[Sample, ...] = ()
    sources: tuple[DataSource, ...] = ()  # their credits


def read_rehearsal(kind: ImageKind, form: InputForm) -> Rehearsal:
    """Read the crops of a kind of image in the form that a network needs."""
    form = replace(form, kind=kind)  # a crowded crop has too little background for its labels to tell
    entries = [replace(entry, dataset=f"rehearsed {kind}") for entry in list_entries(FOLDER, [Condition("kind", kind)])]
    learned, held_back = (tuple(one for one in entries if one.split == part) for part in (TRAIN, VALIDATION))
    training, validation = (without_dataset(read_entries(part, form, Silent())) for part in (learned, held_back))
    nuclei = [int(sample.labels.max(initial=0)) for sample in training]
    sources = data_sources([Divided(DataSet(FOLDER), learned, held_back, ())], nuclei, AuthorNotes())
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

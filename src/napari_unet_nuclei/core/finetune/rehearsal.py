"""Crops that the bundled model learnt from, shown again while one is fine-tuned.

Those of the kind that the old model was made for keep it from forgetting them; those of the kind that was corrected
help a few corrections to go further.
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
from napari_unet_nuclei.core.train.division import TRAIN, VALIDATION, DataSet, Divided
from napari_unet_nuclei.core.train.layouts import Condition, list_entries
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample, sampling_weights

FOLDER = Path(__file__).parent / "rehearsal"
"""A data set like any other, ``index.csv`` with ``images/`` and ``labels/``; its README names the source."""


@dataclass(frozen=True)
class Rehearsal:
    """Crops of one kind.

    Attributes
    ----------
    learnt : tuple of Sample
        Crops to learn from.
    checked : tuple of Sample
        Crops of other images, not learnt from: they tell how much was forgotten, and where thresholds belong.
    sources : tuple of DataSource
        Whom they are owed to.
    """

    learnt: tuple[Sample, ...] = ()
    checked: tuple[Sample, ...] = ()
    sources: tuple[DataSource, ...] = ()


def read_rehearsal(kind: ImageKind, form: InputForm) -> Rehearsal:
    """Read the crops of a kind for a network.

    Parameters
    ----------
    kind : {"fluorescence", "brightfield"}
    form : InputForm
        What the network takes.
    """
    form = replace(form, kind=kind)  # a crowded crop has hardly any background
    entries = [replace(entry, dataset=f"rehearsed {kind}") for entry in list_entries(FOLDER, [Condition("kind", kind)])]
    learnt, checked = (tuple(entry for entry in entries if entry.split == part) for part in (TRAIN, VALIDATION))
    learnt_samples, checked_samples = (
        without_dataset(read_entries(part, form, Silent())) for part in (learnt, checked)
    )
    nuclei = [int(sample.labels.max(initial=0)) for sample in learnt_samples]
    sources = data_sources([Divided(DataSet(FOLDER), learnt, checked, ())], nuclei, AuthorNotes())
    return Rehearsal(learnt_samples, checked_samples, sources)


def without_dataset(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Return samples that belong to no data set: held-out corrections and rehearsed crops are judged as one."""
    return tuple(replace(sample, dataset="") for sample in samples)


def mixed(*parts: Sequence[Sample]) -> tuple[Sample, ...]:
    """Return the samples of all parts, those of each so important that every part makes as many of the crops.

    Parameters
    ----------
    parts : sequence of Sample
        The corrections, and the rehearsed crops of each kind.
    """
    everything = [sample for part in parts for sample in part]
    weights = iter(sampling_weights(everything))
    shares = [sum(next(weights) for _ in part) for part in parts]
    return tuple(
        replace(sample, importance=sample.importance / share)
        for part, share in zip(parts, shares, strict=True)
        for sample in part
    )

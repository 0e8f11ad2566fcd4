"""Crops that a bundled model learnt from, shown again while it is fine-tuned, so that it does not forget them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_unet_nuclei.core.train.dataset import read_dataset
from napari_unet_nuclei.core.train.layouts import Condition
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample, sampling_weights

FOLDER = Path(__file__).parent / "rehearsal"
"""A data set like any other, ``index.csv`` with ``images/`` and ``labels/``; its README names the source."""

CHECKED = 4
"""Every so many crops one is not learnt from: it tells how much was forgotten."""


def read_rehearsal(kind: str, form: InputForm) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Read the crops for a network.

    Parameters
    ----------
    kind : str
        Kind of images of the model that is fine-tuned: "fluorescence" or "stained".
    form : InputForm
        What the network takes.

    Returns
    -------
    rehearsed, checked : tuple of Sample
        Crops to learn from, and crops to find out what was forgotten.
    """
    samples = read_dataset(FOLDER, form, where=[Condition("kind", kind)])
    rehearsed = tuple(sample for number, sample in enumerate(samples) if number % CHECKED)
    return rehearsed, samples[::CHECKED]


def mixed(corrected: Sequence[Sample], rehearsed: Sequence[Sample], share: float) -> tuple[Sample, ...]:
    """Return all samples, the rehearsed ones so important that they make a given share of the crops.

    Parameters
    ----------
    corrected, rehearsed : sequence of Sample
    share : float
        0 to below 1.
    """
    if share == 0 or not rehearsed:
        return tuple(corrected)
    weights = sampling_weights([*corrected, *rehearsed])
    own = float(weights[: len(corrected)].sum())
    factor = share / (1 - share) * own / (1 - own)
    return (*corrected, *(replace(sample, importance=sample.importance * factor) for sample in rehearsed))

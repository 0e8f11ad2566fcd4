"""Compare two labels layers: scores of all planes, and what became of every nucleus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.measure.shapes import PlaneNuclei
from napari_unet_nuclei.core.labels.metrics.comparison import Scores, compare_labels, pool
from napari_unet_nuclei.core.labels.metrics.verdicts import Verdict, verdicts
from napari_unet_nuclei.core.labels.numbering import as_ids
from napari_unet_nuclei.core.progress import Advanced, Progress, with_shares
from napari_unet_nuclei.core.segment.table import StoredIds
from napari_unet_nuclei.gui.viewer.labels_and_image import MeasuredLabels
from napari_unet_nuclei.gui.viewer.value_layer import looked_up, without_values

KINDS: tuple[Verdict, ...] = ("found", "off", "split", "merged", "missed", "invented")
"""In the order of their colours."""


@dataclass(frozen=True)
class Judgement:
    """One nucleus: what became of it, and where it lies in the labels."""

    verdict: Verdict
    label: int
    index: tuple[int, ...]
    centre: tuple[float, float]
    diameter: float

    @property
    def in_truth(self) -> bool:
        """True for a true nucleus, False for an invented one."""
        return self.verdict != "invented"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Outcome of comparing labels with true ones.

    Attributes
    ----------
    truth : MeasuredLabels
    labels : MeasuredLabels
    scores : Scores
        Of all planes pooled.
    judgements : tuple of Judgement
    values : ndarray of float32, shape (..., Y, X)
        Position in `KINDS` of the nucleus at every pixel; NaN elsewhere.
    """

    truth: MeasuredLabels
    labels: MeasuredLabels
    scores: Scores
    judgements: tuple[Judgement, ...]
    values: NDArray[np.float32]

    @property
    def counts(self) -> Counter[Verdict]:
        """How many nuclei there are of each verdict."""
        return Counter(one.verdict for one in self.judgements)

    @property
    def mistakes(self) -> tuple[Judgement, ...]:
        """All that is not found, plane by plane from the top."""
        wrong = [one for one in self.judgements if one.verdict != "found"]
        return tuple(sorted(wrong, key=lambda one: (one.index, one.centre)))


def check_sizes(labels: MeasuredLabels, truth: MeasuredLabels) -> None:
    """Raise `ImageShapeError` if two layers differ in size."""
    if _planes(labels) != _planes(truth):
        raise ImageShapeError(
            f"'{labels.place.layer.name}' and '{truth.place.layer.name}' differ in size: "
            "choose labels of the same image."
        )


def _planes(labels: MeasuredLabels) -> tuple[int, ...]:
    """Return the shape without axes of one plane, which some programs write and others do not."""
    return (*(length for length in labels.shape[:-2] if length > 1), *labels.shape[-2:])


def compare_job(labels: MeasuredLabels, truth: MeasuredLabels) -> Callable[[Progress], Comparison]:
    """Return the job that compares two layers plane by plane; call it in the window's thread, as both are copied.

    Raises
    ------
    ImageShapeError
        If the sizes differ.
    """
    check_sizes(labels, truth)
    copies: tuple[StoredIds, StoredIds] = (labels.copied(), truth.copied())

    def job(progress: Progress) -> Comparison:
        values = without_values(truth)
        comparisons, judgements = [], []
        indices = list(zip(np.ndindex(*labels.shape[:-2]), np.ndindex(*truth.shape[:-2]), strict=True))
        for number, (pair, share) in enumerate(with_shares(indices, progress), start=1):
            share.report(Advanced(0.0, f"plane {number} of {len(indices)}"))
            found, true = (as_ids(np.maximum(copy[index], 0)) for copy, index in zip(copies, pair, strict=True))
            index = pair[1]
            comparisons.append(compare_labels(true, found))
            told, invented = verdicts(true, found)
            made: dict[int, Verdict] = dict.fromkeys(invented, "invented")
            values[index] = _codes(found, made)
            on_true = _codes(true, told)
            values[index] = np.where(np.isnan(on_true), values[index], on_true)
            judgements += [*_judgements(true, told, index), *_judgements(found, made, index)]
        return Comparison(truth, labels, pool(comparisons).scores, tuple(judgements), values)

    return job


def _codes(plane: NDArray[np.int64], told: dict[int, Verdict]) -> NDArray[np.float32]:
    known = np.array(sorted(told), np.int64)
    return looked_up(plane, known, np.array([KINDS.index(told[one]) for one in known.tolist()], np.float64))


def _judgements(plane: NDArray[np.int64], told: dict[int, Verdict], index: tuple[int, ...]) -> list[Judgement]:
    nuclei = PlaneNuclei(plane)
    diameters = np.sqrt(4 / np.pi * nuclei.areas)
    return [
        Judgement(told[label], label, index, (float(y), float(x)), float(diameter))
        for label, y, x, diameter in zip(nuclei.ids.tolist(), *nuclei.centroids, diameters, strict=True)
        if label in told
    ]

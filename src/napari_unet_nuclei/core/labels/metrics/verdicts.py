"""What became of every nucleus: found, missed, merged, split, or invented, at IoU 0.5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, Overlaps, find_overlaps

Verdict: TypeAlias = Literal["found", "missed", "merged", "split", "off", "invented"]
"""Of a true nucleus, or of a predicted one that is invented; ``off``: its outline is too far off to be found."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Judged:
    """Verdicts by position in `Overlaps`; a true nucleus may have several.

    Attributes
    ----------
    found : ndarray of bool, shape (true nuclei,)
        Matched by a predicted one.
    missed : ndarray
        Less than half covered by predicted ones.
    merged : ndarray
        Lies, by more than half, in a predicted one that also holds others.
    split : ndarray
        Holds several predicted ones, each by more than half.
    invented : ndarray, shape (predicted nuclei,)
        Less than half covered by true ones.
    """

    found: Bools
    missed: Bools
    merged: Bools
    split: Bools
    invented: Bools

    @staticmethod
    def of(overlaps: Overlaps) -> Judged:
        """Judge all nuclei of a plane."""
        true_count, predicted_count = len(overlaps.true_areas), len(overlaps.predicted_areas)
        true, predicted = overlaps.true_index, overlaps.predicted_index
        # By more than half a nucleus can lie in one other at most, so no pair counts twice.
        in_predicted = 2 * overlaps.shared > overlaps.true_areas[true]
        in_true = 2 * overlaps.shared > overlaps.predicted_areas[predicted]
        # How many true nuclei each predicted one holds, and how many predicted ones each true one.
        tenants = np.bincount(predicted[in_predicted], minlength=predicted_count)
        fragments = np.bincount(true[in_true], minlength=true_count)
        on_true = np.bincount(predicted, overlaps.shared, predicted_count)
        covered = np.bincount(true, overlaps.shared, true_count)
        found, merged = np.zeros(true_count, bool), np.zeros(true_count, bool)
        found[true[overlaps.ious > IOU_THRESHOLDS[0]]] = True
        merged[true[in_predicted & (tenants[predicted] > 1)]] = True
        return Judged(
            found=found,
            missed=2 * covered < overlaps.true_areas,
            merged=merged,
            split=fragments > 1,
            invented=2 * on_true < overlaps.predicted_areas,
        )


def verdicts(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> tuple[dict[int, Verdict], list[int]]:
    """Return the verdict of every true nucleus of a plane by its id, and the ids of invented ones.

    One that is merged or split and matched all the same counts as merged or split: that is what there is to correct.

    Examples
    --------
    >>> verdicts(np.array([[1, 1, 2, 2, 0]]), np.array([[5, 5, 5, 5, 7]]))
    ({1: 'merged', 2: 'merged'}, [7])
    """
    judged = Judged.of(find_overlaps(truth, predicted))
    names: NDArray[np.object_] = np.full(len(judged.found), "off", object)
    for name, which in (
        ("missed", judged.missed),
        ("found", judged.found),
        ("split", judged.split),
        ("merged", judged.merged),
    ):
        names[which] = name
    true_ids, predicted_ids = np.unique(truth[truth > 0]), np.unique(predicted[predicted > 0])
    return dict(zip(true_ids.tolist(), names.tolist(), strict=True)), predicted_ids[judged.invented].tolist()

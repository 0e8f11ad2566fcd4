"""What a segmentation got wrong, in the words of somebody who would have to correct it."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, find_overlaps


@dataclass(frozen=True)
class Mistakes:
    """Numbers of nuclei, at IoU 0.5.

    Attributes
    ----------
    found : int
        True nuclei with a predicted one that matches.
    missed : int
        True nuclei of which predicted ones cover less than half.
    spurious : int
        Predicted nuclei that lie to less than half on true ones.
    merged : int
        True nuclei that share a predicted one with others: each lies in it by more than half.
    split : int
        True nuclei that hold several predicted ones: each lies in it by more than half.
    """

    found: int
    missed: int
    spurious: int
    merged: int
    split: int

    def __add__(self, other: Mistakes) -> Mistakes:
        """Add the numbers of two images."""
        return Mistakes(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))


def find_mistakes(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> Mistakes:
    """Count what is right and wrong in predicted labels.

    Parameters
    ----------
    truth, predicted : ndarray, shape (Y, X), int
        0 is background; ids may have gaps.

    Examples
    --------
    >>> find_mistakes(np.array([[1, 1, 2, 2, 0]]), np.array([[5, 5, 5, 5, 7]]))
    Mistakes(found=0, missed=0, spurious=1, merged=2, split=0)
    """
    overlaps = find_overlaps(truth, predicted)
    true_count, predicted_count = len(overlaps.true_areas), len(overlaps.predicted_areas)
    in_predicted = 2 * overlaps.shared > overlaps.true_areas[overlaps.true_index]
    in_true = 2 * overlaps.shared > overlaps.predicted_areas[overlaps.predicted_index]
    tenants = np.bincount(overlaps.predicted_index[in_predicted], minlength=predicted_count)
    pieces = np.bincount(overlaps.true_index[in_true], minlength=true_count)
    on_true = np.bincount(overlaps.predicted_index, overlaps.shared, predicted_count)
    covered = np.bincount(overlaps.true_index, overlaps.shared, true_count)
    return Mistakes(
        found=int(np.count_nonzero(overlaps.ious > IOU_THRESHOLDS[0])),
        missed=int(np.count_nonzero(2 * covered < overlaps.true_areas)),
        spurious=int(np.count_nonzero(2 * on_true < overlaps.predicted_areas)),
        merged=int(tenants[tenants > 1].sum()),
        split=int(np.count_nonzero(pieces > 1)),
    )

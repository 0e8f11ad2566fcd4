"""Images of class ids, one class for every pixel: how they are stored, and how well two of them agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.numbering import as_ids

MOST_CLASSES = 256
"""A class id fits into a byte; whatever holds larger ones holds something else."""

VOID = -1
"""Stands for pixels of no class, which nothing counts."""

_BETWEEN = (0.25, 0.75)
_MOST_BETWEEN = 0.2
"""A mask has blurred edges at most: no more than this share of its pixels above black lies between dark and bright."""


@dataclass(frozen=True)
class ClassCoding:
    """How the label images of a data set tell the class of a pixel.

    Attributes
    ----------
    channel : int or None
        Channel that holds the ids, from 0; None where there is only one, or all are the same.
    void : int or None
        Stored value of pixels that belong to no class.
    binary : bool
        Masks: what is brighter than half of the brightest is class 1, the rest class 0.
    classes : int
        Number of classes; 0 where it is still to be found out.
    """

    channel: int | None = None
    void: int | None = None
    binary: bool = False
    classes: int = 0

    def ids(self, channels: Sequence[NDArray[np.floating]]) -> NDArray[np.int32]:
        """Return the class of every pixel, `VOID` where it has none.

        Parameters
        ----------
        channels : sequence of ndarray, shape (Y, X)
            Values of a label image as stored.

        Raises
        ------
        ImageShapeError
            If they are no class ids.

        Examples
        --------
        >>> ClassCoding(void=255).ids([np.array([[0.0, 2.0, 255.0]])])
        array([[ 0,  2, -1]], dtype=int32)
        >>> ClassCoding(binary=True).ids([np.array([[0.0, 3.0, 255.0]])])
        array([[0, 0, 1]], dtype=int32)
        """
        values = self._values(channels)
        is_void = np.zeros(values.shape, bool) if self.void is None else values == self.void
        classes = _two_classes(np.where(is_void, 0, values)) if self.binary else as_ids(np.where(is_void, 0, values))
        largest = int(classes.max(initial=0))
        if largest >= (self.classes or MOST_CLASSES):
            raise ImageShapeError(_too_large(largest, self.classes))
        return np.where(is_void, VOID, classes).astype(np.int32)

    def _values(self, channels: Sequence[NDArray[np.floating]]) -> NDArray[np.floating]:
        if self.channel is not None:
            if self.channel >= len(channels):
                raise ImageShapeError(
                    f"The labels have no channel {self.channel}: there are {len(channels)}, counted from 0."
                )
            return channels[self.channel]
        first, *others = channels
        if not all(np.array_equal(first, other) for other in others):
            raise ImageShapeError("The labels have colours or channels: say which of them holds the class ids.")
        return first


def _two_classes(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Divide a mask at half of its brightest value."""
    brightest = float(values.max(initial=0))
    above = np.count_nonzero(values > 0)
    between = np.count_nonzero((values > _BETWEEN[0] * brightest) & (values < _BETWEEN[1] * brightest))
    if between > _MOST_BETWEEN * above:
        raise ImageShapeError(
            f"This is no mask of two classes: {between} of {above} pixels above 0 are neither dark nor bright. "
            "Are these ids?"
        )
    return (values > brightest / 2).astype(np.int64)


def _too_large(largest: int, classes: int) -> str:
    if classes:
        return f"The labels hold the class id {largest}, and there are {classes} classes: 0 to {classes - 1}."
    return f"The labels hold the id {largest}: classes are 0 to {MOST_CLASSES - 1}. Are these ids of nuclei?"


@dataclass(frozen=True)
class ClassCounts:
    """How many pixels of every true class were given every class.

    Attributes
    ----------
    table : ndarray, shape (K, K + 1), int64
        Pixels by true class (rows) and predicted class (columns), the last column being those that were given none.
        Pixels without a true class are left out.
    """

    table: NDArray[np.int64]

    def __add__(self, other: ClassCounts) -> ClassCounts:
        """Pool two images, so that every pixel weighs the same; the smaller table is widened."""
        classes = max(len(self.table), len(other.table))
        total = np.zeros((classes, classes + 1), np.int64)
        for table in (self.table, other.table):
            total[: len(table), : len(table)] += table[:, :-1]
            total[: len(table), -1] += table[:, -1]
        return ClassCounts(total)

    @property
    def pixels(self) -> int:
        """Pixels that were counted."""
        return int(self.table.sum())

    @property
    def iou(self) -> NDArray[np.float64]:
        """Shared ÷ united pixels of every class, shape (K,); NaN where it is neither true nor predicted anywhere."""
        shared = np.diag(self.table)
        united = self.table[:, :-1].sum(axis=0) + self.table.sum(axis=1) - shared
        return np.where(united > 0, shared / np.maximum(united, 1), np.nan)

    @property
    def mean_iou(self) -> float:
        """Mean over the classes that occur; 1 where there is nothing to compare."""
        present = self.iou[~np.isnan(self.iou)]
        return float(present.mean()) if present.size else 1.0

    @property
    def pixel_accuracy(self) -> float:
        """Share of the pixels that were given their true class; 1 where there is nothing to compare."""
        return float(np.trace(self.table)) / self.pixels if self.pixels else 1.0


def count_classes(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int = 0) -> ClassCounts:
    """Compare two images of class ids.

    Parameters
    ----------
    truth, predicted : ndarray of int, same shape
        Class ids from 0. Pixels whose truth is `VOID` do not count; those that were only predicted so are missed.
    classes : int
        Number of classes, at least; as many as occur where not given.

    Raises
    ------
    ImageShapeError
        If the two differ in shape.

    Examples
    --------
    >>> counts = count_classes(np.array([0, 0, 1, 1, -1]), np.array([0, 1, 1, 1, 0]))
    >>> counts.iou.round(3), counts.pixel_accuracy
    (array([0.5  , 0.667]), 0.75)
    """
    if truth.shape != predicted.shape:
        raise ImageShapeError(f"Classes of shape {truth.shape} cannot be compared with classes of {predicted.shape}.")
    true_ids, predicted_ids = (ids[truth != VOID].astype(np.int64) for ids in (truth, predicted))
    classes = max(classes, int(true_ids.max(initial=0)) + 1, int(predicted_ids.max(initial=0)) + 1)
    columns = np.where(predicted_ids == VOID, classes, predicted_ids)
    pairs = np.bincount(true_ids * (classes + 1) + columns, minlength=classes * (classes + 1))
    return ClassCounts(pairs.reshape(classes, classes + 1))


def pool_classes(counts: Iterable[ClassCounts]) -> ClassCounts:
    """Add several images (at least one), so that every pixel weighs the same."""
    first, *rest = counts
    return sum(rest, first)

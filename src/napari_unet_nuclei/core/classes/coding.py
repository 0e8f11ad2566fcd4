"""Images of class ids, one for every pixel: how they are stored, and how well two of them agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.numbering import as_ids

MOST_CLASSES = 256
"""Class ids fit into a byte; larger numbers are something else."""

VOID = -1
"""Id of pixels without a class, which are not counted."""

_BETWEEN = (0.25, 0.75)
_MOST_BETWEEN = 0.2
"""A mask may have blurred edges, but at most this share of its pixels above 0 between dark and bright."""


@dataclass(frozen=True)
class ClassCoding:
    """How the label images of a data set encode the class of a pixel.

    Attributes
    ----------
    channel : int or None
        Channel that holds the ids, from 0; None if there is only one, or all are equal.
    void : int or None
        Stored value of pixels without a class.
    binary : bool
        Masks: values above half of the maximum are class 1, all others class 0.
    classes : int
        Number of classes; 0 if unknown.
    """

    channel: int | None = None
    void: int | None = None
    binary: bool = False
    classes: int = 0

    def ids(self, channels: Sequence[NDArray[np.floating]]) -> NDArray[np.int32]:
        """Return the class of every pixel, or `VOID`.

        Parameters
        ----------
        channels : sequence of ndarray, shape (Y, X)
            Values of a label image as stored.

        Returns
        -------
        ndarray, shape (Y, X), int32

        Raises
        ------
        ImageShapeError
            If they are not class ids.

        Examples
        --------
        >>> ClassCoding(void=255).ids([np.array([[0.0, 2.0, 255.0]])])
        array([[ 0,  2, -1]], dtype=int32)
        >>> ClassCoding(binary=True).ids([np.array([[0.0, 3.0, 255.0]])])
        array([[0, 0, 1]], dtype=int32)
        """
        values = self._values(channels)
        is_void = np.zeros(values.shape, bool) if self.void is None else values == self.void
        # Void counts as 0 in the checks, which would take its value for a class, or for the brightest of a mask.
        classed = np.where(is_void, 0, values)
        # Of nuclei, these are background; of classes, 0 is a class like the others.
        if not (classed >= 0).all():
            raise ImageShapeError("Some labels are NaN or below 0, which are no class ids: name the value for none.")
        classes = _two_classes(classed) if self.binary else as_ids(classed)
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
            raise ImageShapeError("The labels have several channels or colours: say which one holds the class ids.")
        return first


def _two_classes(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Threshold a mask at half of its maximum."""
    brightest = float(values.max(initial=0))
    above = np.count_nonzero(values > 0)
    # Ids of several classes read as a mask would merge into two: many values between are a sign of them.
    between = np.count_nonzero((values > _BETWEEN[0] * brightest) & (values < _BETWEEN[1] * brightest))
    if between > _MOST_BETWEEN * above:
        raise ImageShapeError(
            f"This is not a mask of two classes: {between} of {above} pixels above 0 are neither dark nor bright. "
            "Are these ids?"
        )
    return (values > brightest / 2).astype(np.int64)


def _too_large(largest: int, classes: int) -> str:
    if classes:
        return f"The labels contain the class id {largest}, but there are {classes} classes: 0 to {classes - 1}."
    return f"The labels contain the id {largest}, but class ids are 0 to {MOST_CLASSES - 1}. Are these ids of nuclei?"


@dataclass(frozen=True)
class ClassCounts:
    """Confusion matrix of one image, or summed over several.

    Attributes
    ----------
    table : ndarray, shape (K, K + 1), int64
        Pixels by true class (rows) and predicted class (columns); the last column counts those predicted as `VOID`.
        Pixels without a true class are not counted.
    """

    table: NDArray[np.int64]

    def __add__(self, other: ClassCounts) -> ClassCounts:
        """Pool two images: every pixel weighs the same. A table with fewer classes is widened."""
        classes = max(len(self.table), len(other.table))
        total = np.zeros((classes, classes + 1), np.int64)
        for table in (self.table, other.table):
            total[: len(table), : len(table)] += table[:, :-1]
            total[: len(table), -1] += table[:, -1]
        return ClassCounts(total)

    @property
    def pixels(self) -> int:
        """Number of counted pixels."""
        return int(self.table.sum())

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection ÷ union of every class, shape (K,); NaN for classes that do not occur."""
        shared = np.diag(self.table)
        united = self.table[:, :-1].sum(axis=0) + self.table.sum(axis=1) - shared
        return np.where(united > 0, shared / np.maximum(united, 1), np.nan)

    @property
    def mean_iou(self) -> float:
        """Mean over the classes that occur; 1 without pixels."""
        present = self.iou[~np.isnan(self.iou)]
        return float(present.mean()) if present.size else 1.0

    @property
    def pixel_accuracy(self) -> float:
        """Share of the pixels whose predicted class is the true one; 1 without pixels."""
        return float(np.trace(self.table)) / self.pixels if self.pixels else 1.0


def count_classes(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int = 0) -> ClassCounts:
    """Compare two images of class ids; at least ``classes`` of them get a row.

    Pixels whose truth is `VOID` do not count; a prediction of `VOID` is wrong. Raise ImageShapeError if the shapes
    differ.

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
    # One number for each pair of classes, so that one count gives the whole matrix.
    pairs = np.bincount(true_ids * (classes + 1) + columns, minlength=classes * (classes + 1))
    return ClassCounts(pairs.reshape(classes, classes + 1))


def pool_classes(counts: Iterable[ClassCounts]) -> ClassCounts:
    """Pool one or more images: every pixel weighs the same."""
    first, *rest = counts
    return sum(rest, first)

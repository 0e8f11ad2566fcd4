"""Turn labels as stored in files into reliable ids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.types import AnyArray, Labels

BACKGROUND = -1
"""What some programs store in place of 0 where there is no nucleus, or where nobody has looked."""


def as_ids(stored: AnyArray) -> NDArray[np.int64]:
    """Return stored values of any real dtype as ids; some programs store ids as floating-point numbers.

    NaN and −1, which some programs write where there is no nucleus, become 0. Raise ImageShapeError if the others are
    not whole numbers from 0 to 2**63 − 1.

    Examples
    --------
    >>> as_ids(np.array([[0.0, 7.0, np.nan, -1.0]]))
    array([[0, 7, 0, 0]])
    """
    values = np.asarray(stored)
    if values.dtype.kind not in "buif":
        raise ImageShapeError(f"Labels of type {values.dtype} are not ids: save them as integers.")
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), values.dtype.type(0), values)
        if np.isinf(values).any():
            raise ImageShapeError("The labels hold infinities, so they are not ids: is this an image?")
        if not np.array_equal(values, np.trunc(values)):
            raise ImageShapeError("The labels hold fractions, so they are not ids: is this an image?")
    lowest, highest = values.min(initial=0), values.max(initial=0)
    # As Python's integers, which are exact: the largest id of 63 bits is no floating-point number.
    if int(highest) > np.iinfo(np.int64).max:
        raise ImageShapeError(f"The labels hold {highest:.20g}, but ids end at 2**63 - 1: number them anew.")
    if lowest < BACKGROUND:
        raise ImageShapeError("The labels hold numbers below -1, so they are not ids: is this an image?")
    ids = values.astype(np.int64, copy=False)
    return np.maximum(ids, 0) if lowest < 0 else ids


def whole_labels(labels: NDArray[np.integer]) -> Labels:
    """Return labels of any shape, none below 0, as int32 with ids 1..n without gaps, in the same order.

    Examples
    --------
    >>> whole_labels(np.array([0, 9, 9, 4]))
    array([0, 2, 2, 1], dtype=int32)
    """
    ids = small_ids(labels)
    present = np.bincount(ids, minlength=1) > 0
    present[0] = False
    # The running count of the ids that occur is the table of new ids.
    return np.asarray(np.cumsum(present, dtype=np.int32)[ids].reshape(labels.shape))


def small_ids(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return flat ids no larger than the number of pixels, so that tables indexed by id fit into memory.

    Small enough ids do not change; otherwise all are renumbered in the same order.

    Examples
    --------
    >>> small_ids(np.array([[0, 4_000_000_000, 7]]))
    array([0, 2, 1])
    """
    flat = labels.ravel()
    if flat.max(initial=0) <= flat.size:
        return flat
    # With a 0 in front, background stays 0 even if no pixel is background.
    return np.unique(np.append(0, flat), return_inverse=True)[1][1:]

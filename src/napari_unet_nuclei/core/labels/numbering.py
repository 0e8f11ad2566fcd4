"""Turn what files hold as labels into ids that can be counted on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.types import AnyArray, Labels


def as_ids(stored: AnyArray) -> NDArray[np.int64]:
    """Return stored values as ids; some programs store them as floating point.

    Parameters
    ----------
    stored : array_like
        Any shape, any real dtype.

    Raises
    ------
    ImageShapeError
        If they are no whole numbers from 0.

    Examples
    --------
    >>> as_ids(np.array([[0.0, 7.0]]))
    array([[0, 7]])
    """
    values = np.asarray(stored)
    if values.dtype.kind not in "buif":
        raise ImageShapeError(f"Labels of type {values.dtype} are no ids of nuclei: save them as whole numbers.")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ImageShapeError("The labels hold NaN or infinities, so they are no ids of nuclei: is this an image?")
    ids = values.astype(np.int64, copy=False)
    if values.dtype.kind == "f" and not np.array_equal(ids, values):
        raise ImageShapeError("The labels hold fractions, so they are no ids of nuclei: is this an image?")
    if ids.min(initial=0) < 0:
        raise ImageShapeError("The labels hold numbers below 0, so they are no ids of nuclei: is this an image?")
    return ids


def whole_labels(labels: AnyArray) -> Labels:
    """Return labels as int32 with ids 1..n without gaps, in the same order.

    Parameters
    ----------
    labels : ndarray of int
        Any shape, 0 is background.

    Examples
    --------
    >>> whole_labels(np.array([0, 9, 9, 4]))
    array([0, 2, 2, 1], dtype=int32)
    """
    ids, inverse = np.unique(labels, return_inverse=True)
    first = 0 if ids.size and ids[0] == 0 else 1
    return np.asarray(inverse.reshape(labels.shape) + first, np.int32)

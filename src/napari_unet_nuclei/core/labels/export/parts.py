"""Reads labels that are larger than memory in parts, so that every nucleus is seen once and whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import AnyArray

SIDE = 4096
"""Pixels; a plane on disk that is no longer and no wider is read in one part."""

MARGIN = 128
"""Pixels that are read around a part, for nuclei that reach out of it; more where one reaches further."""

Part = tuple[NDArray[np.integer[Any]], tuple[int, int]]
"""Labels (Y, X) of some nuclei, all else 0, and row and column of the first pixel."""


def nuclei_in_parts(labels: AnyArray, index: tuple[int, ...]) -> Iterator[Part]:
    """Yield the nuclei of one plane, each in the part that its first pixel lies in.

    Parameters
    ----------
    labels : array_like, shape (..., Y, X), integer
        0 and below is background. On disk, nuclei are in one piece; an array in memory is one part.
    index : tuple of int
        Of the plane along the leading axes.
    """
    if isinstance(labels, np.ndarray):
        yield labels[index], (0, 0)
        return
    height, width = labels.shape[-2:]
    for top in range(0, max(height, 1), SIDE):
        for left in range(0, max(width, 1), SIDE):
            yield _part(labels, index, (top, min(top + SIDE, height), left, min(left + SIDE, width)))


def _part(labels: AnyArray, index: tuple[int, ...], core: tuple[int, int, int, int]) -> Part:
    """Read a part with as much around it as its nuclei take."""
    height, width = labels.shape[-2:]
    y0, y1, x0, x1 = core
    margin = MARGIN
    while True:
        top, bottom = max(y0 - margin, 0), min(y1 + margin, height)
        left, right = max(x0 - margin, 0), min(x1 + margin, width)
        view = np.array(labels[(*index, slice(top, bottom), slice(left, right))])
        inside = view[y0 - top : y1 - top, x0 - left : x1 - left]
        view[~np.isin(view, np.unique(inside[inside > 0]))] = 0
        beyond = (
            (top > 0, view[:1]),
            (bottom < height, view[-1:]),
            (left > 0, view[:, :1]),
            (right < width, view[:, -1:]),
        )
        if not any(goes_on and edge.any() for goes_on, edge in beyond):
            break
        margin *= 2
    ids, first = np.unique(view, return_index=True)
    rows, columns = np.divmod(first, max(view.shape[1], 1))
    own = (rows >= y0 - top) & (rows < y1 - top) & (columns >= x0 - left) & (columns < x1 - left)
    view[~np.isin(view, ids[own])] = 0
    return view, (top, left)

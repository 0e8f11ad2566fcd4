"""Tell masks, which say where nuclei are, from labels, which tell them apart; number the pieces of a mask."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.types import AnyArray

LARGEST = 2**26
"""Values; larger files are read plane by plane and taken as they are."""


def number_pieces(file: ImageFile) -> tuple[ImageFile, int]:
    """Number the pieces of a mask that are connected by sides, in planes and from plane to plane of a stack.

    Return the file as it is, and 0, if it holds more than one id, or one in a single piece.
    """
    if math.prod(file.array.shape) > LARGEST:
        return file, 0
    inside = _only_value(np.asarray(file.array))
    if inside is None:
        return file, 0
    pieces, count = ndimage.label(inside, structure=_neighbours(file.axes))
    return (replace(file, array=pieces, stored=None, stored_axes=""), count) if count > 1 else (file, 0)


def _only_value(values: AnyArray) -> NDArray[np.bool_] | None:
    """Return where the only value above 0 lies; None if there are none or several, or values that are no ids."""
    inside: NDArray[np.bool_] = values > 0
    known = values[inside]
    if not known.size or (known != known[0]).any() or (values < -1).any():
        return None
    value = known[0].item()
    return inside if value == value // 1 <= np.iinfo(np.int64).max else None


def _neighbours(axes: str) -> NDArray[np.bool_]:
    """Return which neighbours of a pixel are connected with it: those along rows, columns and depth."""
    neighbours = np.zeros((3,) * len(axes), bool)
    middle = (1,) * len(axes)
    neighbours[middle] = True
    for place in (axes.index(letter) for letter in "ZYX" if letter in axes):
        for step in (0, 2):
            neighbours[(*middle[:place], step, *middle[place + 1 :])] = True
    return neighbours

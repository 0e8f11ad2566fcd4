"""Tell masks and images from labels, which tell nuclei apart; number the pieces of a mask."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.pieces import NO_LABELS, middle, pieces_of
from napari_unet_nuclei.core.types import AnyArray

LARGEST = 2**26
"""Values; larger files are read plane by plane and taken as they are."""

SMEARED = (
    "{path} holds no labels any more: it is compressed with loss, as JPEG is, which changes the numbers of nuclei. "
    "Save the labels as PNG or TIFF from the program that made them."
)
"""Error of labels that were saved as pictures are."""

IN_PIECES = (
    "{path} may be no label image: its {pieces}. If these are classes of "
    "pixels, number the pieces first: each number counts as one nucleus."
)
"""Notice of a file whose numbers seem to be none of nuclei."""


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


def doubt_labels(file: ImageFile, *, lossy: bool) -> str:
    """Return why the numbers in a file may be none of nuclei; empty where nothing speaks against it.

    Raise ImageShapeError where they surely are not: of an image, or of labels that compression or interpolation has
    smeared. ``lossy`` says that the file keeps values only roughly.
    """
    source = ImageSource(file.array, file.axes)
    index, region = middle((*source.leading_shape, *source.plane_shape))
    found = pieces_of(source.stored(index, region=region))
    if lossy and found.numbers > 1:
        raise ImageShapeError(SMEARED.format(path=file.path))
    if found.of_an_image:
        raise ImageShapeError(NO_LABELS.format(what=file.path, pieces=found.text))
    return IN_PIECES.format(path=file.path, pieces=found.text) if found.doubtful else ""


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

"""Tell masks and images from labels, which tell nuclei apart; number the pieces of a mask."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.types import AnyArray

LARGEST = 2**26
"""Values; larger files are read plane by plane and taken as they are."""

SAMPLED_SIDE = 1024
"""Pixels; a window of this side in the middle of the middle plane tells labels from images."""

MOST_PIECES = 8
"""Pieces that a nucleus has on average. In four data sets no label image had more than 1.3, no image fewer than 100,
and labels that were saved as JPEG or enlarged with interpolation had 25 and more."""

FEWEST_SHADES, LARGEST_GRAIN = 16, 3
"""Numbers of an image, and pixels of most of its pieces: fewer numbers, or larger pieces, may be classes."""

SMEARED = (
    "{path} holds no labels any more: it is compressed with loss, as JPEG is, which changes the numbers of nuclei. "
    "Save the labels as PNG or TIFF from the program that made them."
)
"""Error of labels that were saved as pictures are."""

NO_LABELS = (
    "{path} is no label image: its {numbers} lie in {pieces:,} separate pieces, most of a pixel or few. Is this "
    "the image, and are the two in the wrong order? Or were the labels saved as JPEG, or resized with interpolation? "
    "They need PNG or TIFF, and resizing by the nearest pixel."
)
"""Error of an image that is given as labels."""

IN_PIECES = (
    "{path} may be no label image: its {numbers} lie in {pieces:,} separate pieces. If these are classes of "
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
    values = _sample(file)
    shades, numbered = np.unique(np.append(0, values), return_inverse=True)
    ids = len(shades) - 1
    if lossy and ids > 1:
        raise ImageShapeError(SMEARED.format(path=file.path))
    areas = np.bincount(label(numbered[1:].reshape(values.shape), connectivity=1).ravel())[1:]
    # Where hardly any value occurs twice, as in pictures of 16 bits, there are no more pieces than numbers.
    grains = 2 * areas.sum() > values.size and areas.sum() < 2 * len(areas)
    if not grains and len(areas) <= MOST_PIECES * ids:
        return ""
    said = {"path": file.path, "numbers": quantity(ids, "number"), "pieces": len(areas)}
    if ids >= FEWEST_SHADES and np.median(areas) <= LARGEST_GRAIN:
        raise ImageShapeError(NO_LABELS.format(**said))
    return IN_PIECES.format(**said)


def _sample(file: ImageFile) -> NDArray[np.int64]:
    """Read a window of the middle plane: ids above 0; none where values are no whole numbers, which others refuse."""
    source = ImageSource(file.array, file.axes)
    middle = tuple(length // 2 for length in source.leading_shape)
    (y0, height), (x0, width) = ((max(side - SAMPLED_SIDE, 0) // 2, side) for side in source.plane_shape)
    region = (y0, min(y0 + SAMPLED_SIDE, height), x0, min(x0 + SAMPLED_SIDE, width))
    values = source.stored(middle, region=region)
    ids = np.where(np.isfinite(values) & (values > 0), values, 0)
    if ids.dtype.kind == "f" and (ids != np.trunc(ids)).any():
        return np.zeros(values.shape, np.int64)
    return ids


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

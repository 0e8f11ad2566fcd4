"""Tell ids of nuclei from the values of an image by the pieces that they lie in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.types import AnyArray, Index, Region

SAMPLED_SIDE = 1024
"""Pixels; a window of this side in the middle of the middle plane tells ids from values."""

MOST_PIECES = 8
"""Pieces that a nucleus has on average. In four data sets no label image had more than 1.3, no image fewer than 100,
and labels that were saved as JPEG or enlarged with interpolation had 25 and more."""

FEWEST_SHADES, LARGEST_GRAIN = 16, 3
"""Numbers of an image, and pixels of most of its pieces: fewer numbers, or larger pieces, may be classes."""


NO_LABELS = (
    "{what} is no label image: its {pieces}, most of a pixel or few. Is this "
    "the image, and are the two in the wrong order? Or were the labels saved as JPEG, or resized with interpolation? "
    "They need PNG or TIFF, and resizing by the nearest pixel."
)
"""Error of an image that is given as labels."""


@dataclass(frozen=True)
class Pieces:
    """The numbers above 0 in a plane, and the pieces in which they lie: equal pixels that are connected by sides.

    Attributes
    ----------
    numbers : int
        How many different ones there are.
    areas : ndarray, shape (pieces,)
        In pixels.
    pixels : int
        Of the plane.
    """

    numbers: int
    areas: NDArray[np.integer]
    pixels: int

    @property
    def doubtful(self) -> bool:
        """Whether the numbers may be none of nuclei."""
        # Where hardly any value occurs twice, as in pictures of 16 bits, there are no more pieces than numbers.
        grains = 2 * self.areas.sum() > self.pixels and self.areas.sum() < 2 * len(self.areas)
        return bool(grains or len(self.areas) > MOST_PIECES * self.numbers)

    @property
    def of_an_image(self) -> bool:
        """Whether the numbers are surely none of nuclei, but of an image or of labels that were smeared."""
        return self.doubtful and self.numbers >= FEWEST_SHADES and bool(np.median(self.areas) <= LARGEST_GRAIN)

    @property
    def text(self) -> str:
        """The numbers and pieces in words: "its 3 numbers lie in 40 separate pieces"."""
        return f"{quantity(self.numbers, 'number')} lie in {len(self.areas):,} separate pieces"


def middle(shape: tuple[int, ...]) -> tuple[Index, Region]:
    """Return where to look at an array (leading axes, Y, X): the middle plane, and a window in the middle of it."""
    (y0, height), (x0, width) = ((max(side - SAMPLED_SIDE, 0) // 2, side) for side in shape[-2:])
    region = (y0, min(y0 + SAMPLED_SIDE, height), x0, min(x0 + SAMPLED_SIDE, width))
    return tuple(length // 2 for length in shape[:-2]), region


def pieces_of(values: AnyArray) -> Pieces:
    """Find the pieces of a plane (Y, X); values that are no whole numbers, which others refuse, make none."""
    numbers = np.where(np.isfinite(values) & (values > 0), values, 0)
    if numbers.dtype.kind == "f" and (numbers != np.trunc(numbers)).any():
        numbers = np.zeros(values.shape, np.int64)
    # Numbers that exceed 64 bits stay different from others, which is all that matters here.
    with np.errstate(invalid="ignore"):
        numbered = label(numbers.astype(np.int64), connectivity=1)
    of_pieces = np.zeros(int(numbered.max(initial=0)) + 1, numbers.dtype)
    of_pieces[numbered.ravel()] = numbers.ravel()
    return Pieces(len(np.unique(of_pieces[1:])), np.bincount(numbered.ravel())[1:], numbered.size)


def check_ids(labels: AnyArray) -> None:
    """Raise ImageShapeError if an array of labels (leading axes, Y, X) is an image, by its middle plane."""
    if len(labels.shape) < 2 or 0 in labels.shape:
        return
    index, (y0, y1, x0, x1) = middle(tuple(labels.shape))
    found = pieces_of(np.asarray(labels[index])[y0:y1, x0:x1])
    if found.of_an_image:
        raise ImageShapeError(NO_LABELS.format(what="What is given as labels", pieces=found.text))


def check_no_mask(plane: AnyArray) -> None:
    """Raise ImageShapeError if a plane (Y, X) is of type bool, which has one value for all, and in several pieces."""
    if plane.dtype.kind == "b" and label(plane, connectivity=1, return_num=True)[1] > 1:
        raise ImageShapeError(
            "The labels are a mask, which does not tell nuclei apart: number its pieces first, for instance by "
            "skimage.measure.label(mask, connectivity=1)."
        )

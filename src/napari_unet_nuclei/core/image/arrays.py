"""Take what Python callers pass as an image, of which levels may be chosen, and name its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.arrays import as_array, is_array
from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import axis_letter, guess_axes
from napari_unet_nuclei.core.image.colour import has_colour_values
from napari_unet_nuclei.core.types import AnyArray

SAMPLED_SIDE = 1024
"""Pixels; colours are judged in a window of this size in the middle of the image."""


LEAST_STEP = 1.4
"""Levels of a pyramid are at least so many times coarser along a side; usual are 2 and 4, and some programs use √2."""

UNEVEN = 2.2
"""A level's sides are reduced alike, or one of them twice as much as the other."""

JUDGED_SIDE = 16
"""Pixels; rounding makes the sides of smaller levels uneven."""


@dataclass(frozen=True, eq=False)
class NamedArray:
    """An array, and what it says about itself: axes, empty where it says nothing, and names of channels."""

    array: AnyArray
    axes: str = ""
    channel_names: tuple[str, ...] = ()


def take_array(image: Any, level: int = 0) -> NamedArray:
    """Return an array of what holds pixels; masked pixels become NaN, and levels are chosen from a pyramid.

    Raise ImageShapeError if there is no array in it, or no such level.
    """
    levels = _levels(image)
    if levels is None and level:
        raise ImageShapeError(f"The image is not a pyramid: there is no level {level} to choose.")
    if levels is None:
        array = as_array(image)
        return NamedArray(array, *_own_names(array))
    if not 0 <= level < len(levels):
        raise ImageShapeError(f"The image has {len(levels)} levels: there is no number {level} (from 0).")
    return take_array(levels[level])


def find_axes(array: AnyArray) -> str:
    """Guess the axes of an array from its shape, and where the last axis is short, from the values.

    Raise ImageShapeError as `guess_axes` does.
    """
    shape = tuple(int(length) for length in array.shape)
    axes = guess_axes(shape, array.dtype)
    return axes if axes[-1] not in "CS" or shape[-1] not in (3, 4) else axes[:-1] + last_axis(array)


def last_axis(array: AnyArray) -> str:
    """Tell by the values whether the last axis of an array, of 3 or 4, is colours (S) or channels (C)."""
    if 0 in array.shape:
        return "C"  # nothing can be told without values; whoever reads the pixels says that there are none
    return "S" if has_colour_values(_window(array, tuple(int(length) for length in array.shape))) else "C"


def _levels(image: Any) -> Sequence[Any] | None:
    """Return the levels of a pyramid; None if it is none."""
    if not isinstance(image, Sequence) or isinstance(image, str | bytes) or not image:
        return None
    if not all(is_array(one) and len(one.shape) > 1 for one in image):
        return None
    shapes = [tuple(one.shape) for one in image]
    if len(set(shapes)) == 1 and len(shapes) > 1:
        return None  # planes of a stack
    if not all(_is_level(coarse, fine) for fine, coarse in pairwise(shapes)):
        raise ImageShapeError(
            f"A list of arrays of shapes {', '.join(map(str, shapes))} is neither a stack nor a pyramid, the finest "
            "level first: segment them one by one."
        )
    return image


def _is_level(coarse: tuple[int, ...], fine: tuple[int, ...]) -> bool:
    """Tell whether an array may be the next coarser level of another, by their shapes: other images are not."""
    if len(coarse) != len(fine) or any(np.greater(coarse, fine)):
        return False
    # Colours, the last axis, stay.
    steps = [big / small for small, big in zip(coarse, fine, strict=True) if small >= JUDGED_SIDE]
    sides = steps[-2:]
    return not sides or (max(steps) >= LEAST_STEP and max(sides) <= UNEVEN * min(sides))


def _own_names(array: AnyArray) -> tuple[str, tuple[str, ...]]:
    """Return the axes and the names of channels that an xarray has."""
    names = [str(name) for name in getattr(array, "dims", ())]
    letters = "".join(axis_letter(name) for name in names)
    if not {"Y", "X"} <= set(letters) or any(letters.count(letter) > 1 for letter in "TZCYXS"):
        return "", ()
    if "C" not in letters:
        return letters, ()
    coordinates = getattr(array, "coords", {}).get(array.dims[letters.index("C")])
    labels = [] if coordinates is None else np.asarray(coordinates).tolist()
    return letters, tuple(labels) if all(isinstance(label, str) for label in labels) else ()


def _window(array: AnyArray, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read a window in the middle of the middle plane, all of the last axis."""
    firsts = [max(length - SAMPLED_SIDE, 0) // 2 for length in shape[-3:-1]]
    sides = [slice(first, first + SAMPLED_SIDE) for first in firsts]
    return np.asarray(array[(*(length // 2 for length in shape[:-3]), *sides, slice(None))])

"""Names for the arrays that pass through the engine, with axes and dtypes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.float32]
"""One plane, axes (C, Y, X), normalised intensities."""

Labels: TypeAlias = NDArray[np.int32]
"""Nuclei of one plane (Y, X) or of a stack (..., Y, X): 0 is background, every nucleus has its own id."""

Mask: TypeAlias = NDArray[np.bool_]
"""Selected pixels, axes (Y, X)."""

Maps: TypeAlias = NDArray[np.float32]
"""Network output, axes (K, Y, X), one map per head in the order of the model card."""

QuantisedMaps: TypeAlias = NDArray[np.uint8]
"""Maps as 8-bit values: 0 to 255 stand for 0 to 1. Only these are decoded."""

AnyArray: TypeAlias = Any
"""Anything with ``shape``, ``dtype``, ``ndim`` and slicing: numpy, dask, zarr, xarray."""

Region: TypeAlias = tuple[int, int, int, int]
"""A rectangle of pixels (y0, y1, x0, x1), end-exclusive."""

Box: TypeAlias = tuple[int, ...]
"""A part of an array, in any dimension: first and end along each axis, end-exclusive; in two it is a `Region`."""

Index: TypeAlias = tuple[int, ...]
"""Of a plane, along the leading axes of an array; empty for a single plane."""

NumberFormat: TypeAlias = Literal["float32", "bfloat16"]
"""Format in which a processor runs the network; graphics cards have their own."""


@dataclass(frozen=True, eq=False)
class NamedArea:
    """A part of an image that somebody drew and named.

    Attributes
    ----------
    name : str
    polygons : tuple of tuple of ndarray, shape (corners, 2)
        Rings of each polygon, in (y, x) with pixel centres at whole numbers; rings after the first are holes.
    """

    name: str
    polygons: tuple[tuple[NDArray[np.float64], ...], ...]

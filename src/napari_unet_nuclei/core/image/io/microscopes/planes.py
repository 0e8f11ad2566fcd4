"""Arrays whose planes stay in their file until they are asked for."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import RLock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_unet_nuclei.core.image.io.image_file import ImageFile

LARGEST_IN_MEMORY = 8_000_000
"""Values of an image up to which it is read at once, and its file closed."""

ReadPart: TypeAlias = Callable[[tuple[int, ...], tuple[slice, ...]], NDArray[Any]]
"""Reads a part (a slice for each of the inner axes) of the plane at an index along the leading axes."""


class StoredPlanes:
    """An array that is read plane by plane: whole numbers and slices choose what is read.

    Parameters
    ----------
    shape : sequence of int
    dtype : dtype
    inner : int
        How many of the last axes a plane has: rows and columns, perhaps channels or colours with them.
    read : callable
        Reads a part of one plane.
    lock : RLock
        Held while a plane is read: the packages that read these files do not expect threads.
    """

    def __init__(self, shape: Sequence[int], dtype: DTypeLike, inner: int, read: ReadPart, lock: RLock) -> None:
        self.shape = tuple(int(length) for length in shape)
        self.dtype = np.dtype(dtype)
        self.ndim = len(self.shape)
        self._inner, self._read, self._lock = inner, read, lock

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read what whole numbers, slices and an ellipsis choose."""
        chosen = [_range(part, length) for part, length in zip(self._complete(key), self.shape, strict=True)]
        leading, inner = chosen[: -self._inner], chosen[-self._inner :]
        bounds = tuple(slice(min(one), max(one) + 1) if one else slice(0, 0) for one in inner)
        # Steps and directions are taken within what was read.
        steps = tuple(slice(None, None, one.step) for one in inner)
        planes = np.empty([len(one) for one in chosen], self.dtype)
        for place in np.ndindex(planes.shape[: -self._inner]):
            with self._lock:
                part = self._read(tuple(one[at] for one, at in zip(leading, place, strict=True)), bounds)
                planes[place] = part[steps]
        singles = tuple(0 if not isinstance(part, slice) else slice(None) for part in self._complete(key))
        return planes[singles]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything."""
        return np.asarray(self[...], dtype)

    def _complete(self, key: Any) -> tuple[Any, ...]:
        """One entry per axis."""
        parts = key if isinstance(key, tuple) else (key,)
        if Ellipsis in parts:
            place = parts.index(Ellipsis)
            parts = (*parts[:place], *[slice(None)] * (self.ndim - len(parts) + 1), *parts[place + 1 :])
        if len(parts) > self.ndim:
            raise IndexError(f"{len(parts)} indices for an array of {self.ndim} axes")
        return (*parts, *[slice(None)] * (self.ndim - len(parts)))


def _range(part: Any, length: int) -> range:
    """Return the places that a whole number or a slice chooses."""
    if isinstance(part, slice):
        return range(*part.indices(length))
    at = int(np.asarray(part).__index__())  # a TypeError for lists and masks
    if not -length <= at < length:
        raise IndexError(f"{at} is outside of an axis of length {length}")
    return range(at % length, at % length + 1)


def whole_planes(read: Callable[[tuple[int, ...]], NDArray[Any]]) -> ReadPart:
    """Read parts where a file gives whole planes only; the last one is kept, as its channels are asked for in turn."""
    last = lru_cache(maxsize=1)(read)
    return lambda index, part: last(index)[part]


@dataclass(frozen=True)
class OpenedFile:
    """All images of an open file, each with an array that is read plane by plane.

    Attributes
    ----------
    images : sequence of ImageFile
    close : callable
        Closes the file.
    """

    images: Sequence[ImageFile]
    close: Callable[[], None]

    def take(self, series: int) -> ImageFile:
        """Return one image: small ones in memory, of others the file is closed once its array is no longer used."""
        image = self.images[series]
        if math.prod(image.array.shape) > LARGEST_IN_MEMORY:
            weakref.finalize(image.array, self.close)
            return image
        try:
            return replace(image, array=np.asarray(image.array))
        finally:
            self.close()

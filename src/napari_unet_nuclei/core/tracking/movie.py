"""A movie of labels, read frame by frame, so that it may be longer than memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.numbering import as_ids
from napari_unet_nuclei.core.types import AnyArray


class Movie(Protocol):
    """Labels of the same field at successive times."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, Y, X) or (T, Z, Y, X)."""

    def frame(self, time: int) -> NDArray[np.int64]:
        """Return the ids of one frame (Y, X) or (Z, Y, X); raise ImageShapeError if they are no ids."""


@dataclass(frozen=True, eq=False)
class ArrayMovie:
    """A movie in one array of any kind that can be sliced: numpy, dask, zarr.

    Attributes
    ----------
    axes : str
        One letter per axis of the array: T, Y, X, and Z where there is depth, in any order.
    """

    array: AnyArray
    axes: str

    def __post_init__(self) -> None:
        """Raise ImageShapeError if the axes are not those of a movie."""
        shape = tuple(self.array.shape)
        if len(self.axes) != len(shape) or sorted(self.axes) not in (sorted("TYX"), sorted("TZYX")):
            raise ImageShapeError(
                f"Labels of shape {shape} with the axes '{self.axes}' are no movie: it needs T, Y and X, and in three "
                "dimensions Z. Name the axes, one letter each, as in 'TYX'."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, Y, X) or (T, Z, Y, X)."""
        return tuple(int(self.array.shape[self.axes.index(letter)]) for letter in "TZYX" if letter in self.axes)

    def frame(self, time: int) -> NDArray[np.int64]:
        """Return the ids of one frame (Y, X) or (Z, Y, X)."""
        key = tuple(time if letter == "T" else slice(None) for letter in self.axes)
        left = self.axes.replace("T", "")
        return as_ids(np.asarray(self.array[key]).transpose([left.index(letter) for letter in "ZYX" if letter in left]))


@dataclass(frozen=True, eq=False)
class FramesMovie:
    """A movie of which every frame, (Y, X) or (Z, Y, X), is an array of its own."""

    frames: Sequence[AnyArray]

    def __post_init__(self) -> None:
        """Raise ImageShapeError if the frames differ in size."""
        shapes = sorted({tuple(frame.shape) for frame in self.frames})
        if len(shapes) != 1 or len(shapes[0]) not in (2, 3):
            raise ImageShapeError(f"Frames of a movie must have one size, but these have {shapes}.")

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, Y, X) or (T, Z, Y, X)."""
        return len(self.frames), *map(int, self.frames[0].shape)

    def frame(self, time: int) -> NDArray[np.int64]:
        """Return the ids of one frame."""
        return as_ids(np.asarray(self.frames[time]))

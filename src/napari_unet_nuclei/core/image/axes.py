"""Name the axes of an image once, and read planes from any array that napari can hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.types import AnyArray, Region

KNOWN_AXES = "TZCYXSQ"
"""Time, depth, channel, rows, columns, colour samples (RGB or RGBA), and unknown (segmented like time)."""

COLOUR_NAMES = ("red", "green", "blue")

_COLOUR_WORDS = {"r": "red", "g": "green", "b": "blue", "#ff0000": "red", "#00ff00": "green", "#0000ff": "blue"}


def guess_axes(shape: tuple[int, ...], dtype: np.dtype[np.generic] | type = np.uint8) -> str:
    """Guess the axes of an array from its shape.

    Raise ImageShapeError if there are fewer than two or more than five axes.

    Examples
    --------
    >>> guess_axes((512, 512)), guess_axes((512, 512, 3)), guess_axes((20, 512, 512)), guess_axes((5, 20, 512, 512))
    ('YX', 'YXS', 'ZYX', 'TZYX')
    """
    # Colour pictures have 8 bits; of other types, a stack of very narrow planes cannot be ruled out.
    if len(shape) == 3 and shape[-1] in (3, 4) and np.dtype(dtype) == np.uint8:
        return "YXS"
    names = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TZCYX"}
    if len(shape) not in names:
        raise ImageShapeError(
            f"The axes of an image with {len(shape)} axes (shape {shape}) cannot be guessed. Name them, "
            "one letter each, e.g. axes='TZCYX'."
        )
    return names[len(shape)]


@dataclass(frozen=True)
class ImageSource:
    """An image of any size with named axes; nothing is read until pixels are requested.

    Attributes
    ----------
    array : array-like
        numpy, dask, zarr or xarray, any bool, integer or float dtype, any byte order.
    axes : str
        One letter of `KNOWN_AXES` per axis, Y and X among them, at most one of C and S.
    channel_names, channel_colours : tuple of str
        Names and display colours ("red" or "#ff0000") of the channels, from the file; empty if it has none.
    """

    array: AnyArray
    axes: str
    channel_names: tuple[str, ...] = ()
    channel_colours: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that axes and array match.

        Raise ImageShapeError if they do not match, or if the pixels are not real numbers.
        """
        shape, axes = tuple(self.array.shape), self.axes
        if len(axes) != len(shape) or not set(axes) <= set(KNOWN_AXES):
            raise ImageShapeError(f"Axes '{axes}' do not describe an image of shape {shape}: one of T Z C Y X S each.")
        if any(axes.count(letter) > 1 for letter in "TZCYXS") or not {"Y", "X"} <= set(axes):
            raise ImageShapeError(f"Axes '{axes}' need exactly one Y and one X, and none of T, Z, C, S twice.")
        if {"C", "S"} <= set(axes):
            raise ImageShapeError(f"Axes '{axes}' have both channels and colour samples; choose one channel first.")
        if np.dtype(self.array.dtype).kind not in "buif":
            raise ImageShapeError(
                f"Pixels of type {self.array.dtype} cannot be segmented; convert them to real numbers."
            )

    @property
    def leading_axes(self) -> str:
        """Axes that are segmented plane by plane, in the array's order: all except C, S, Y and X."""
        return "".join(letter for letter in self.axes if letter not in "CSYX")

    @property
    def leading_shape(self) -> tuple[int, ...]:
        """Lengths of `leading_axes`."""
        # By position, because Q may occur more than once.
        return tuple(
            int(size) for letter, size in zip(self.axes, self.array.shape, strict=True) if letter not in "CSYX"
        )

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        return tuple(int(self.array.shape[self.axes.index(letter)]) for letter in "YX")  # type: ignore[return-value]

    @property
    def is_colour(self) -> bool:
        """True for RGB and RGBA pictures."""
        return "S" in self.axes

    @property
    def channels(self) -> int:
        """Number of channels, without alpha."""
        if self.is_colour:
            return min(int(self.array.shape[self.axes.index("S")]), 3)
        return int(self.array.shape[self.axes.index("C")]) if "C" in self.axes else 1

    @property
    def rgb_channels(self) -> tuple[int, ...]:
        """Red, green and blue channels: colour samples, or channels with those names or colours; else empty."""
        if self.channels != len(COLOUR_NAMES):
            return ()
        if self.is_colour:
            return (0, 1, 2)
        for said in (self.channel_names, self.channel_colours):
            words = [one.strip().casefold() for one in said]
            colours = [_COLOUR_WORDS.get(word, word) for word in words]
            if sorted(colours) == sorted(COLOUR_NAMES):
                return tuple(colours.index(name) for name in COLOUR_NAMES)
        return ()

    def channel_name(self, channel: int) -> str:
        """Name of a channel, for people."""
        if channel < len(self.channel_names) and self.channel_names[channel]:
            return self.channel_names[channel]
        if self.is_colour and self.channels == 3:
            return f"{COLOUR_NAMES[channel]} channel"
        return f"channel {channel}" if self.channels > 1 else "the only channel"

    def plane_indices(self, chosen: tuple[int | None, ...] = ()) -> Iterator[tuple[int, ...]]:
        """Yield the leading indices of all planes, or of those that match ``chosen`` (None matches any)."""
        for index in np.ndindex(*self.leading_shape):
            if all(want is None or want == have for want, have in zip(chosen, index, strict=False)):
                yield index

    def read(self, index: tuple[int, ...], channel: int, region: Region | None = None) -> NDArray[np.floating]:
        """Read a rectangle of one channel of one plane (Y, X), or all of it; may contain NaN and infinities.

        float32, or float64 where float32 would lose grey values.
        """
        pixels = self.stored(index, channel, region)
        # float32 represents integers up to 24 bits exactly.
        # Integers of up to 16 bits are safe in float32, and so is float32 itself.
        wide = (pixels.dtype.itemsize > 2 and pixels.dtype.kind in "ui") or pixels.dtype.itemsize > 4
        return np.ascontiguousarray(pixels, np.float64 if wide else np.float32)

    def stored(self, index: tuple[int, ...], channel: int = 0, region: Region | None = None) -> NDArray[Any]:
        """Read a rectangle of one channel of one plane (Y, X) in the type of the array, as ids of nuclei need it."""
        height, width = self.plane_shape
        y0, y1, x0, x1 = region or (0, height, 0, width)
        leading = iter(index)
        where = {"Y": slice(y0, y1), "X": slice(x0, x1), "C": channel, "S": channel}
        key = tuple(where[letter] if letter in where else next(leading) for letter in self.axes)
        pixels = np.asarray(self.array[key])
        return pixels.T if self.axes.index("X") < self.axes.index("Y") else pixels

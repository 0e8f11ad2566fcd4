"""Name the axes of an image once, and read planes from any array that napari can hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageFileError, ImageShapeError
from napari_unet_nuclei.core.types import AnyArray, Region

KNOWN_AXES = "TZCYXSQ"
"""Time, depth, channel, rows, columns, colour samples (RGB or RGBA), and unknown (segmented like time)."""

MOST_LAST, NARROWEST = 6, 16
"""A last axis of at most so many values is channels where the two before it have at least so many pixels."""

COLOUR_NAMES = ("red", "green", "blue")

_COLOURS_OF = {1: 1, 2: 1, 3: 3, 4: 3}
"""Colours by the number of samples of a pixel: the second of two and the fourth of four are opacity."""

_COLOUR_WORDS = {"r": "red", "g": "green", "b": "blue", "#ff0000": "red", "#00ff00": "green", "#0000ff": "blue"}


_LETTERS = {
    **dict.fromkeys(("t", "time", "frame", "frames", "timepoint"), "T"),
    **dict.fromkeys(("z", "depth", "slice", "plane"), "Z"),
    **dict.fromkeys(("c", "ch", "channel", "channels", "band", "bands", "wavelength"), "C"),
    **dict.fromkeys(("y", "row", "rows", "height"), "Y"),
    **dict.fromkeys(("x", "column", "columns", "col", "width"), "X"),
    **dict.fromkeys(("s", "sample", "samples", "rgb", "rgba", "color", "colour"), "S"),
}


def axis_letter(name: str) -> str:
    """Return the letter of an axis by the name that a program or a person gives it; Q if it is none of these.

    Examples
    --------
    >>> axis_letter("Time"), axis_letter("row"), axis_letter("dim_0")
    ('T', 'Y', 'Q')
    """
    return _LETTERS.get(name.lower(), "Q")


def guess_axes(shape: tuple[int, ...], dtype: np.dtype[np.generic] | type = np.uint8) -> str:
    """Guess the axes of an array from its shape.

    Raise ImageShapeError if there are fewer than two or more than five axes.

    Examples
    --------
    >>> guess_axes((512, 512)), guess_axes((512, 512, 3)), guess_axes((20, 512, 512)), guess_axes((5, 20, 512, 512))
    ('YX', 'YXS', 'ZYX', 'TZYX')
    """
    if channels_last(shape):
        # Of other types than those of pictures, only the values tell whether these are colours.
        colours = shape[-1] in (3, 4) and np.dtype(dtype) in (np.uint8, np.uint16)
        return guess_axes(shape[:-1]) + ("S" if colours else "C")
    if len(shape) == 3 and shape[-1] in (3, 4) and np.dtype(dtype) == np.uint8:
        return "YXS"
    names = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TZCYX"}
    if len(shape) not in names:
        raise ImageShapeError(
            f"The axes of an image with {len(shape)} axes (shape {shape}) cannot be guessed. Name them, "
            "one letter each, e.g. axes='TZCYX'."
        )
    return names[len(shape)]


def channels_last(shape: tuple[int, ...]) -> bool:
    """Tell whether the last of three or more axes is channels or colours: no plane is so narrow beside its height.

    Examples
    --------
    >>> channels_last((512, 640, 4)), channels_last((20, 512, 512)), channels_last((4, 3, 5))
    (True, False, False)
    """
    return len(shape) > 2 and shape[-1] <= MOST_LAST and min(shape[-3:-1]) >= NARROWEST


@dataclass(frozen=True)
class ImageSource:
    """An image of any size with named axes; nothing is read until pixels are requested.

    Attributes
    ----------
    array : array-like
        numpy, dask, zarr or xarray, any bool, integer or float dtype, any byte order.
    axes : str
        One letter of `KNOWN_AXES` per axis, Y and X among them. With both C and S, every channel is a picture in one
        colour, as microscopes export them, and is read as the brightest of its samples.
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
        if "S" in axes and self._samples not in _COLOURS_OF:
            raise ImageShapeError(
                f"Axes '{axes}' give an image of shape {shape} {self._samples} colours, but S has 1 to 4: grey or red, "
                "green and blue, and opacity. Call it C if these are channels."
            )
        if not self.channels:
            raise ImageShapeError(f"The image has the shape {shape} with axes '{axes}': it holds no channel.")
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
    def channel_axes(self) -> str:
        """Axes of one channel: `leading_axes`, Y, X."""
        return f"{self.leading_axes}YX"

    @property
    def channel_shape(self) -> tuple[int, ...]:
        """Lengths of `channel_axes`."""
        return (*self.leading_shape, *self.plane_shape)

    @property
    def is_colour(self) -> bool:
        """True for RGB and RGBA pictures."""
        return "C" not in self.axes and self._colours == len(COLOUR_NAMES)

    @property
    def channels(self) -> int:
        """Number of channels, without opacity."""
        return int(self.array.shape[self.axes.index("C")]) if "C" in self.axes else self._colours

    @property
    def has_opacity(self) -> bool:
        """True if the last sample of every pixel is opacity."""
        return self._samples > self._colours

    @property
    def _samples(self) -> int:
        return int(self.array.shape[self.axes.index("S")]) if "S" in self.axes else 1

    @property
    def _colours(self) -> int:
        return _COLOURS_OF[self._samples]

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

        float32, or float64 where float32 would lose grey values; NaN where the image is transparent.
        """
        pixels = self.stored(index, channel, region)
        # float32 represents integers up to 24 bits exactly.
        # Integers of up to 16 bits are safe in float32, and so is float32 itself.
        wide = (pixels.dtype.itemsize > 2 and pixels.dtype.kind in "ui") or pixels.dtype.itemsize > 4
        values: NDArray[np.floating] = np.ascontiguousarray(pixels, np.float64 if wide else np.float32)
        if not self.has_opacity:
            return values
        opacity = self._sample(index, channel, self._samples - 1, region)
        return np.asarray(np.where(opacity == 0, np.float32(np.nan), values), values.dtype)

    def stored(self, index: tuple[int, ...], channel: int = 0, region: Region | None = None) -> NDArray[Any]:
        """Read a rectangle of one channel of one plane (Y, X) in the type of the array, as ids of nuclei need it."""
        if "C" in self.axes and self._colours > 1:
            colours = [self._sample(index, channel, colour, region) for colour in range(self._colours)]
            return np.asarray(np.max(colours, axis=0))
        return self._sample(index, channel, channel if "C" not in self.axes else 0, region)

    def _sample(self, index: tuple[int, ...], channel: int, sample: int, region: Region | None) -> NDArray[Any]:
        """Read a rectangle of one sample of one channel of one plane (Y, X)."""
        height, width = self.plane_shape
        y0, y1, x0, x1 = region or (0, height, 0, width)
        leading = iter(index)
        where = {"Y": slice(y0, y1), "X": slice(x0, x1), "C": channel, "S": sample}
        key = tuple(where[letter] if letter in where else next(leading) for letter in self.axes)
        pixels = _pixels(self.array, key)
        return pixels.T if self.axes.index("X") < self.axes.index("Y") else pixels


def _pixels(array: AnyArray, key: tuple[Any, ...]) -> NDArray[Any]:
    """Read a part of an array; raise ImageFileError where its file turns out to be damaged only now."""
    try:
        return np.asarray(array[key])
    except (ImageFileError, MemoryError, IndexError):
        raise
    except Exception as error:
        # Whatever a decoder fails with; arrays in memory need none.
        if isinstance(array, np.ndarray):
            raise
        raise ImageFileError(
            f"Some of the pixels cannot be read ({error}): the file is damaged or incomplete. Copy or export it again."
        ) from error

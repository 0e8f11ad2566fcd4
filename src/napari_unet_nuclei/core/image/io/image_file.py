"""An image as a file holds it: what every reader returns, whatever the format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.types import AnyArray


@dataclass(frozen=True)
class ImageHeader:
    """What a file says of its image, without the pixels; an `ImageSource` can be made of it that reads none.

    Attributes
    ----------
    path : Path
    shape : tuple of int
    dtype : numpy.dtype
    axes : str
        One letter per axis: T, Z, C, Y, X, S (samples of a colour: red, green, blue, opacity), Q (any other).
    pixel_size : PixelSize
        In µm; 0.0 where the file does not tell.
    channel_names : tuple of str
        One per channel, or empty.
    images : int
        How many images the file holds, of which this is one.
    channel_colours : tuple of str
        One per channel, as "#ff0000", or empty.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str
    pixel_size: PixelSize
    channel_names: tuple[str, ...] = ()
    images: int = 1
    channel_colours: tuple[str, ...] = ()

    def source(self, axes: str = "") -> ImageSource:
        """Return the image without its pixels as `ImageFile.source` does."""
        return named_source(self, axes or self.axes, self.channel_names, self.channel_colours)


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image as a file holds it.

    Attributes
    ----------
    path : Path
        The file.
    array : array_like
        Values as stored, dtype untouched; large images may stay on disk (numpy.memmap, zarr, ...) until sliced.
    axes : str
        One letter per axis, as in `ImageHeader`.
    pixel_size : PixelSize
        In µm; 0.0 where the file does not tell.
    channel_names : tuple of str
        One per channel, or empty.
    images : int
        How many images the file holds, of which this is one.
    channel_colours : tuple of str
        One per channel, as "#ff0000", or empty.
    """

    path: Path
    array: AnyArray
    axes: str
    pixel_size: PixelSize
    channel_names: tuple[str, ...] = ()
    images: int = 1
    channel_colours: tuple[str, ...] = ()

    @property
    def header(self) -> ImageHeader:
        """All but the pixels."""
        shape, dtype = tuple(map(int, self.array.shape)), np.dtype(self.array.dtype)
        return ImageHeader(
            self.path,
            shape,
            dtype,
            self.axes,
            self.pixel_size,
            self.channel_names,
            self.images,
            self.channel_colours,
        )

    def source(self, axes: str = "") -> ImageSource:
        """Return the image with the names of its channels.

        Parameters
        ----------
        axes : str
            In place of what the file says; empty to believe it.

        Raises
        ------
        ImageShapeError
            If the axes do not fit the image.
        """
        return named_source(self.array, axes or self.axes, self.channel_names, self.channel_colours)


def named_source(array: AnyArray, axes: str, names: tuple[str, ...], colours: tuple[str, ...]) -> ImageSource:
    """Return an image whose channels have names and colours, where there are as many of them as channels."""
    source = ImageSource(array, axes)
    fitting = [said if len(said) == source.channels and not source.is_colour else () for said in (names, colours)]
    return replace(source, channel_names=fitting[0], channel_colours=fitting[1])

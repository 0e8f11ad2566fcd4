"""An image as a file holds it: what every reader returns, whatever the format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str
    pixel_size: PixelSize
    channel_names: tuple[str, ...] = ()
    images: int = 1


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
    """

    path: Path
    array: AnyArray
    axes: str
    pixel_size: PixelSize
    channel_names: tuple[str, ...] = ()
    images: int = 1

    @property
    def header(self) -> ImageHeader:
        """All but the pixels."""
        shape, dtype = tuple(map(int, self.array.shape)), np.dtype(self.array.dtype)
        return ImageHeader(self.path, shape, dtype, self.axes, self.pixel_size, self.channel_names, self.images)

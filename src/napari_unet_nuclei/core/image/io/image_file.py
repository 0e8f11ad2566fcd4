"""An image as stored in a file: what the readers of all formats return."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.types import AnyArray

_THUMBNAIL_STEP = 4
"""An image without a name that is so many times smaller than another of the same shape is taken for its thumbnail."""

_NO_PICTURE = re.compile(r"(label|macro|map|thumbnail|overview|preview|icon)( image)?", re.IGNORECASE)
"""Names that scanners and microscopes give to pictures of the slide as a whole, its label, and small copies."""


@dataclass(frozen=True)
class ImageHeader:
    """What a file says about its image, without the pixels; it can stand in for the array of an `ImageSource`.

    Attributes
    ----------
    axes : str
        One letter per axis: T, Z, C, Y, X, S (samples of a colour: red, green, blue, opacity), Q (any other).
    pixel_size : PixelSize
        In µm; 0.0 if unknown.
    channel_names : tuple of str
        One per channel, or empty.
    images : int
        Number of images in the file.
    channel_colours : tuple of str
        One per channel, as "#ff0000", or empty.
    series : int
        Which of the images of ``path`` this is.
    name : str
        What the file calls the image; empty if nothing.
    aside : str
        What it is, if it is no image to be segmented: a thumbnail, the label of a slide; else empty.
    consumed : frozenset of Path
        Files that hold planes of it, and nothing that is no part of it or of the images listed with it; none if it is
        all in one file.
    remarks : tuple of str
        What of it was never taken or is lost, in words.
    frame_times : tuple of float
        Seconds of every frame along T; empty if unknown.
    stored_shape, stored_axes : tuple of int and str
        Of the array as stored, which axes given by hand describe; empty where it is as ``shape`` and ``axes`` say.
    guessed : str
        What was guessed in reading, in a sentence; empty where nothing was.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str
    pixel_size: PixelSize
    channel_names: tuple[str, ...] = ()
    images: int = 1
    channel_colours: tuple[str, ...] = ()
    series: int = 0
    name: str = ""
    aside: str = ""
    consumed: frozenset[Path] = frozenset()
    remarks: tuple[str, ...] = ()
    frame_times: tuple[float, ...] = ()
    stored_shape: tuple[int, ...] = ()
    stored_axes: str = ""
    guessed: str = ""

    @property
    def what(self) -> str:
        """What it is if it is not to be segmented, by its mark or its name; empty of a picture."""
        return self.aside or (self.name.lower() if _NO_PICTURE.fullmatch(self.name.strip()) else "")

    def source(self, axes: str = "") -> ImageSource:
        """Return the image source without pixels; see `ImageFile.source`."""
        is_stored = bool(self.stored_shape) and axes not in ("", self.axes)
        array = replace(self, shape=self.stored_shape) if is_stored else self
        return named_source(array, axes or self.axes, self.channel_names, self.channel_colours)


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image as stored in a file.

    Attributes
    ----------
    array : array_like
        Values and dtype as stored; large images may stay on disk (numpy.memmap, zarr) until sliced.
    path, axes, pixel_size, channel_names, images, channel_colours, series, name, aside, consumed, remarks, frame_times,
    stored_axes, guessed
        As in `ImageHeader`.
    stored : array_like or None
        The array as stored, where ``array`` was made of it: colours of indices, say.
    """

    path: Path
    array: AnyArray
    axes: str
    pixel_size: PixelSize
    channel_names: tuple[str, ...] = ()
    images: int = 1
    channel_colours: tuple[str, ...] = ()
    series: int = 0
    name: str = ""
    aside: str = ""
    consumed: frozenset[Path] = frozenset()
    remarks: tuple[str, ...] = ()
    frame_times: tuple[float, ...] = ()
    stored: AnyArray | None = None
    stored_axes: str = ""
    guessed: str = ""

    @property
    def header(self) -> ImageHeader:
        """Everything but the pixels."""
        return ImageHeader(
            self.path,
            tuple(map(int, self.array.shape)),
            np.dtype(self.array.dtype),
            self.axes,
            self.pixel_size,
            self.channel_names,
            self.images,
            self.channel_colours,
            self.series,
            self.name,
            self.aside,
            self.consumed,
            self.remarks,
            self.frame_times,
            () if self.stored is None else tuple(map(int, self.stored.shape)),
            self.stored_axes,
            self.guessed,
        )

    def source(self, axes: str = "") -> ImageSource:
        """Return the image with its axes and the names of its channels.

        Parameters
        ----------
        axes : str
            Overrides the axes in the file, for the array as stored; empty to use those.

        Raises
        ------
        ImageShapeError
            If the axes do not match the image.
        """
        is_stored = self.stored is not None and axes not in ("", self.axes)
        array = self.stored if is_stored else self.array
        return named_source(array, axes or self.axes, self.channel_names, self.channel_colours)

    def all_remarks(self, axes: str = "") -> tuple[str, ...]:
        """Return `remarks` and what was guessed in reading, of which axes given by hand leave nothing."""
        return (*self.remarks, self.guessed) if self.guessed and axes in ("", self.axes) else self.remarks


def with_thumbnails_marked(headers: Sequence[ImageHeader]) -> tuple[ImageHeader, ...]:
    """Mark those images of a file that have no name and are much smaller copies of another one."""
    return tuple(
        replace(one, aside="smaller copy") if not one.name and any(_is_copy(one, other) for other in headers) else one
        for one in headers
    )


def _is_copy(small: ImageHeader, large: ImageHeader) -> bool:
    """True for an image that is the same number of times smaller than another in both directions."""
    if (small.axes, small.dtype) != (large.axes, large.dtype):
        return False
    sides = [(small.shape[axis], large.shape[axis]) for axis in map(small.axes.index, "YX")]
    step = round(sides[0][1] / sides[0][0])
    return step >= _THUMBNAIL_STEP and all(size // step <= own <= -(-size // step) for own, size in sides)


def file_of(header: ImageHeader, array: AnyArray, stored: AnyArray | None = None) -> ImageFile:
    """Return the image of a header with its pixels, as understood and as stored."""
    of_array = ("shape", "dtype", "stored_shape")
    said = {field.name: getattr(header, field.name) for field in fields(header) if field.name not in of_array}
    return ImageFile(array=array, stored=stored, **said)


def check_series(path: Path, series: int, count: int) -> None:
    """Raise ImageFileError unless a file with ``count`` image series has this one."""
    if not count:
        raise ImageFileError(f"{path} holds no image: it may be damaged or incomplete. Copy or export it again.")
    if count == 1 and series:
        raise ImageFileError(f"{path} holds a single image: there is no number {series} to choose (series).")
    if not 0 <= series < count:
        raise ImageFileError(f"{path} has {count} image series: there is no number {series} (from 0).")


def one_each(channels: int, said: Sequence[str]) -> tuple[str, ...]:
    """Return the texts if there is one for every channel, else none: which one a text belongs to is then unknown."""
    return tuple(said) if len(said) == channels and all(said) else ()


def named_source(array: AnyArray, axes: str, names: tuple[str, ...], colours: tuple[str, ...]) -> ImageSource:
    """Return an image source; names and colours are used only if there is one for each channel."""
    source = ImageSource(array, axes)
    fitting = [said if len(said) == source.channels and not source.is_colour else () for said in (names, colours)]
    return replace(source, channel_names=fitting[0], channel_colours=fitting[1])

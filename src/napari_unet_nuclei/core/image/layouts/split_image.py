"""An image whose channels, planes and time points lie in files of their own: read as if it were one file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.files.text import legible
from napari_unet_nuclei.core.image.io.image_file import ImageFile, ImageHeader
from napari_unet_nuclei.core.image.io.read import read_header, read_image
from napari_unet_nuclei.core.image.io.tiff.read import LAZY_ABOVE
from napari_unet_nuclei.core.image.layouts.harmony_index import HarmonyIndex
from napari_unet_nuclei.core.image.plates import PlateField
from napari_unet_nuclei.core.types import AnyArray

BY_THEMSELVES = "Or take every file by itself: --channels none."
"""The way round, where names were misunderstood."""

_KEPT_FILES = 8
"""Files of a large image whose pixels stay in memory: the channels of a plane are read in turn, several times."""


@dataclass(frozen=True)
class Member:
    """One file of an image, and which part it holds."""

    path: Path
    channel: str = ""
    plane: str = ""
    time: str = ""


@dataclass(frozen=True)
class SplitImage:
    """An image that lies in several files.

    Attributes
    ----------
    path : Path
        Folder and name of the image; there is no such file.
    members : tuple of Member
        Its files by time, plane and channel.
    times, planes, channels : tuple of str
        Which parts there are, in their order.
    known_channels : tuple of str
        Channels of all images of the same kind: the numbers of channels are theirs.
    place : PlateField or None
    problem : str
        Why the files do not make an image; empty where they do.
    warnings : tuple of str
        What is missing that other images of the same kind have.
    index : HarmonyIndex
        What a file beside them says of their channels and pixel size.
    """

    path: Path
    members: tuple[Member, ...]
    times: tuple[str, ...]
    planes: tuple[str, ...]
    channels: tuple[str, ...]
    known_channels: tuple[str, ...] = ()
    place: PlateField | None = None
    problem: str = ""
    warnings: tuple[str, ...] = ()
    index: HarmonyIndex = field(default_factory=HarmonyIndex)

    @property
    def parts(self) -> str:
        """What its files hold, for people: ``w1, w2 · 12 planes``."""
        counts = {"planes": len(self.planes), "time points": len(self.times)}
        said = [", ".join(self.channels), *(f"{count} {what}" for what, count in counts.items() if count > 1)]
        return " · ".join(filter(None, said))

    @property
    def files(self) -> tuple[Path, ...]:
        """The files."""
        return tuple(member.path for member in self.members)


class JoinedFiles:
    """Array of the pixels of several files, read when they are asked for: outer axes over files, inner ones within.

    Parameters
    ----------
    header : ImageHeader
        Of the whole.
    files : tuple of Path
        In C order of the outer axes.
    outer : tuple of int
        Lengths of the outer axes.
    """

    def __init__(self, header: ImageHeader, files: tuple[Path, ...], outer: tuple[int, ...]) -> None:
        self.shape, self.dtype, self.ndim = header.shape, header.dtype, len(header.shape)
        self._files = np.array(files, object).reshape(outer)
        # Of this array and not of the module: pixels go when the image does.
        self._read = lru_cache(maxsize=_KEPT_FILES)(self._read_file)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read a part: indices and slices, as for any array."""
        whole = _whole_key(key, self.ndim)
        outer, inner = whole[: self._files.ndim], whole[self._files.ndim :]
        # An index takes its axis away, as in numpy; one file alone is left as the path itself.
        chosen = np.asarray(self._files[outer], object)
        parts = [np.asarray(self._read(path)[inner]) for path in chosen.ravel()]
        if not parts:
            return np.empty((*chosen.shape, *np.empty(self.shape[self._files.ndim :], bool)[inner].shape), self.dtype)
        return np.stack(parts).reshape(*chosen.shape, *parts[0].shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all of it."""
        return np.asarray(self[...], dtype)

    def _read_file(self, path: Path) -> AnyArray:
        """Read one file; raise ImageFileError unless it is like the others."""
        header = _plain_header(path)
        inner = self.shape[self._files.ndim :]
        if header.shape != inner or header.dtype != self.dtype:
            raise ImageFileError(
                f"{path} has {_sizes(header.shape)} pixels of type {header.dtype}, but other files of the same image "
                f"have {_sizes(inner)} of type {self.dtype}: export it again."
            )
        return np.asarray(read_image(path).array).reshape(inner)


def read_split(image: SplitImage) -> ImageFile:
    """Open an image; the files of a large one are read when their pixels are asked for.

    Raise ImageFileError if a file cannot be read, or if the files do not fit together.
    """
    header = split_header(image)
    joined = JoinedFiles(header, image.files, tuple(size for _, size in _outer_axes(image)))
    array = joined if joined.size > LAZY_ABOVE else np.asarray(joined)
    return ImageFile(image.path, array, header.axes, header.pixel_size, header.channel_names)


def split_header(image: SplitImage) -> ImageHeader:
    """Say what the image is, of which only the first file is looked at; raise ImageFileError as `read_split`."""
    if image.problem:
        raise ImageFileError(f"{image.path}: {image.problem}")
    first, outer = _plain_header(image.members[0].path), _outer_axes(image)
    twice = {letter for letter, _ in outer} & set(first.axes)
    if twice:
        raise ImageFileError(
            f"{first.path} is itself a series along {' and '.join(sorted(twice))}, and by its name other files go on "
            f"along the same axis. {BY_THEMSELVES}"
        )
    axes = "".join(letter for letter, _ in outer) + first.axes
    shape = (*(size for _, size in outer), *first.shape)
    size = first.pixel_size if first.pixel_size.known else image.index.pixel_size
    return ImageHeader(image.path, shape, first.dtype, axes, size, _channel_names(image, first))


def _channel_names(image: SplitImage, first: ImageHeader) -> tuple[str, ...]:
    """Names of the channels: by the files' names, and what the files call them where they do: "w1 DAPI"."""
    # The first files are those of all channels; where the first has no name, the others are not opened for one.
    files = image.members[: len(image.channels)] if first.channel_names else ()
    inside = [" ".join(_plain_header(one.path).channel_names) for one in files]
    inside = inside or [image.index.channels.get(channel, "") for channel in image.channels]
    names = tuple(
        legible(outside if name.casefold() in outside.casefold() else f"{outside} {name}".strip())
        for outside, name in zip(image.channels, inside, strict=True)
    )
    return names if all(names) else ()


def _outer_axes(image: SplitImage) -> list[tuple[str, int]]:
    """Axes along which files follow each other, with their lengths."""
    parts = {"T": image.times, "Z": image.planes, "C": image.channels}
    return [(letter, len(values)) for letter, values in parts.items() if len(values) > 1]


def _plain_header(path: Path) -> ImageHeader:
    """Header of a file that holds one channel, without axes of length 1; raise ImageFileError where it holds more."""
    header = read_header(path)
    if "S" in header.axes:
        raise ImageFileError(
            f"{path} is a colour picture, and by its name it is one channel of an image: export channels in grey. "
            f"{BY_THEMSELVES}"
        )
    sizes = [
        (letter, size) for letter, size in zip(header.axes, header.shape, strict=True) if letter in "YX" or size > 1
    ]
    if any(letter == "C" for letter, _ in sizes):
        raise ImageFileError(
            f"{path} holds several channels, and by its name it is one channel of an image. {BY_THEMSELVES}"
        )
    return replace(header, axes="".join(letter for letter, _ in sizes), shape=tuple(size for _, size in sizes))


def _whole_key(key: Any, axes: int) -> tuple[Any, ...]:
    """Bring a key to one index or slice per axis."""
    parts = key if isinstance(key, tuple) else (key,)
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        parts = (*parts[:place], *[slice(None)] * (axes - len(parts) + 1), *parts[place + 1 :])
    return (*parts, *[slice(None)] * (axes - len(parts)))


def _sizes(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))

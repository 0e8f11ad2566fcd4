"""What napari's readers drop of a layer's file: axes, pixel size, channel names, and some of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image
from tifffile import PHOTOMETRIC, TiffFile, TiffFileError

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.types import AnyArray

_START = 26
"""Bytes of a PNG up to the depth of its colours."""


@dataclass(frozen=True)
class SourceFile:
    """The file that a layer was read from.

    Attributes
    ----------
    path : str
    readable : bool
        False if the command line could not read it either; the other attributes are then empty.
    shape : tuple of int
    axes : str
    pixel_size : PixelSize
    channel_names, channel_colours : tuple of str
    """

    path: str = ""
    readable: bool = False
    shape: tuple[int, ...] = ()
    axes: str = ""
    pixel_size: PixelSize = field(default_factory=PixelSize)
    channel_names: tuple[str, ...] = ()
    channel_colours: tuple[str, ...] = ()


def read_source_file(path: str) -> SourceFile:
    """Read the metadata of a file; call it in a thread, as the disk may be slow."""
    try:
        image = read_image(Path(path))
    except NucleiError:
        return SourceFile(path)
    return SourceFile(
        path,
        True,
        tuple(image.array.shape),
        image.axes,
        image.pixel_size,
        image.channel_names,
        image.channel_colours,
    )


@dataclass(frozen=True)
class Picture:
    """What a file holds of which its layer shows less.

    Attributes
    ----------
    array : array_like
    axes : str
    """

    array: AnyArray
    axes: str


_found: WeakKeyDictionary[Image, tuple[int, Picture | None]] = WeakKeyDictionary()
"""By layer, the id of its array, and what its file holds more; looked up once, as all docks ask for it all the time."""


def picture_of(layer: Image) -> Picture | None:
    """Return the picture of a layer's file, where napari shows the indices of a palette, or 8 of 16 bits a colour.

    Only the first bytes are read of files of other kinds.
    """
    known = _found.get(layer)
    if known is None or known[0] != id(layer.data):
        known = _found[layer] = (id(layer.data), _read_picture(layer))
    return known[1]


def _read_picture(layer: Image) -> Picture | None:
    path, array = Path(str(layer.source.path or "")), layer.data
    if layer.source.path is None or layer.multiscale or not isinstance(array, np.ndarray):
        return None
    try:
        if not path.is_file() or not _may_show_less(path):
            return None
        file = read_image(path)
    except (NucleiError, OSError, TiffFileError):
        return None
    shape = array.shape[: layer.ndim]
    if not _is_shown_less(file) or tuple(file.array.shape[: layer.ndim]) != shape or len(file.axes) != layer.ndim + 1:
        return None
    return Picture(file.array, file.axes)


def _may_show_less(path: Path) -> bool:
    """Tell by its first bytes whether a file may be a TIFF with a palette, or a PNG of 16 bits a colour."""
    with path.open("rb") as file:
        start = file.read(_START)
    if start.startswith(b"\x89PNG"):
        return start[24:25] == b"\x10"
    if start[:2] not in (b"II", b"MM"):
        return False
    with TiffFile(path) as tif:
        return bool(tif.pages.first.photometric == PHOTOMETRIC.PALETTE)


def _is_shown_less(image: ImageFile) -> bool:
    was_looked_up = image.stored is not None and "S" in image.axes and "S" not in image.stored_axes
    is_deep_png = not image.stored_axes and "S" in image.axes and image.array.dtype == np.uint16
    return was_looked_up or is_deep_png

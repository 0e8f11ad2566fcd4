"""What napari's readers drop of a layer's file: axes, pixel size, channel names, and some of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.types import AnyArray


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
    picture : array_like or None
        Its pixels, where napari's readers show less of them: the indices of a palette, or 8 of 16 bits a colour.
    """

    path: str = ""
    readable: bool = False
    shape: tuple[int, ...] = ()
    axes: str = ""
    pixel_size: PixelSize = field(default_factory=PixelSize)
    channel_names: tuple[str, ...] = ()
    channel_colours: tuple[str, ...] = ()
    picture: AnyArray | None = None


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
        image.array if _is_shown_less(image) else None,
    )


def _is_shown_less(image: ImageFile) -> bool:
    was_looked_up = image.stored is not None and "S" in image.axes and "S" not in image.stored_axes
    is_deep_png = not image.stored_axes and "S" in image.axes and image.array.dtype == np.uint16
    return was_looked_up or is_deep_png

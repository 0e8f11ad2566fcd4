"""Metadata of a layer's file that napari's readers drop: axes, pixel size, channel names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.pixel_size import PixelSize


@dataclass(frozen=True)
class SourceFile:
    """The file that a layer was read from, without its pixels.

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

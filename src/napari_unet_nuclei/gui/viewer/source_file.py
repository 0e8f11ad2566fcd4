"""What the file of a layer tells and napari's readers leave out: axes, pixel size, names of channels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.pixel_size import PixelSize


@dataclass(frozen=True)
class SourceFile:
    """A file that a layer came from, without its pixels.

    Attributes
    ----------
    path : str
    readable : bool
        False where the command line could not read it either; then the rest is empty.
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
    """Look into a file; slow where it lies far away, so call it in a thread."""
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

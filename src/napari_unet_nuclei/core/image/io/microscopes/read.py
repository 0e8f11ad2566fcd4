"""Open files of microscope makers, each with the package that reads it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.formats import MicroscopeFormat
from napari_unet_nuclei.core.image.io.image_file import ImageFile, ImageHeader, check_series
from napari_unet_nuclei.core.image.io.microscopes.deltavision import open_dv
from napari_unet_nuclei.core.image.io.microscopes.leica import open_lif
from napari_unet_nuclei.core.image.io.microscopes.nikon import open_nd2
from napari_unet_nuclei.core.image.io.microscopes.olympus import open_oif
from napari_unet_nuclei.core.image.io.microscopes.planes import OpenedFile
from napari_unet_nuclei.core.image.io.microscopes.zeiss import open_czi

EXTRA = "formats"

_PACKAGES: dict[MicroscopeFormat, tuple[str, Callable[[Path, Any], OpenedFile]]] = {
    "nd2": ("nd2", open_nd2),
    "lif": ("liffile", open_lif),
    "czi": ("pylibCZIrw.czi", open_czi),
    "oif": ("oiffile", open_oif),
}
"""The package that reads a format, and the function that opens a file with it."""


def open_microscope_file(path: Path, kind: MicroscopeFormat, series: int) -> ImageFile:
    """Open position (ND2), image (LIF) or scene (CZI) ``series`` of a file, counted from 0.

    Large images stay in their file and are read plane by plane, or, of mosaics, part by part.

    Raise ImageFileError if the package is not installed, or there is no such series. Other errors are those of the
    package.
    """
    opened = _open(path, kind)
    try:
        check_series(path, series, len(opened.images))
    except ImageFileError:
        opened.close()
        raise
    return opened.take(series)


def microscope_headers(path: Path, kind: MicroscopeFormat) -> list[ImageHeader]:
    """Return the headers of all images in a file of `open_microscope_file`, without reading their pixels."""
    opened = _open(path, kind)
    try:
        return [image.header for image in opened.images]
    finally:
        opened.close()


def _open(path: Path, kind: MicroscopeFormat) -> OpenedFile:
    """Open a file with its package."""
    if kind == "dv":
        return open_dv(path)
    name, opener = _PACKAGES[kind]
    try:
        package = importlib.import_module(name)
    except ImportError as error:
        raise ImageFileError(
            f"{path}: reading {kind.upper()} needs a package that is not installed. Install it with "
            f'pip install "napari-unet-nuclei[{EXTRA}]", or export the image as OME-TIFF.'
        ) from error
    return opener(path, package)

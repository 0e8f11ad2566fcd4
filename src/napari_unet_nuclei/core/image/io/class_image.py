"""Reads pictures whose pixels are numbers of classes, not colours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio

from napari_unet_nuclei.core.image.io.read import PICTURE_SUFFIXES, ImageFile, read_image


def read_class_image(path: Path) -> ImageFile:
    """Read an image of class ids: as `read_image`, but of a palette the numbers, and not the colours they stand for.

    Raises
    ------
    ImageFileError
        As `read_image`.
    """
    file = read_image(path)
    if path.suffix.lower() in PICTURE_SUFFIXES and iio.immeta(path, plugin="pillow", index=0)["mode"] == "P":
        return replace(file, array=iio.imread(path, plugin="pillow", index=0, mode="P"), axes="YX")
    return file

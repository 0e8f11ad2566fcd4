"""Read the reviewed region of an image: from a mask image, or from polygons drawn in QuPath or elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.outlines.geojson import GEOJSON_SUFFIXES, read_features
from napari_unet_nuclei.core.image.outlines.outline import enclosed
from napari_unet_nuclei.core.types import Mask

LARGEST_GEOJSON = 64 * 2**20
"""Bytes; a larger file was not drawn by hand."""

_WANTED = "Save polygons as GeoJSON, or a mask image of the same size."


def read_region(path: Path, shape: tuple[int, int]) -> Mask:
    """Read a region of an image (Y, X).

    From GeoJSON with polygons in pixels, x to the right and y down from the image's upper left corner; or from an image
    whose pixels above 0 are in the region. Raise ImageFileError if the file cannot be read, holds no polygons, or
    differs from the image in size.
    """
    if path.suffix.lower() in GEOJSON_SUFFIXES:
        return _drawn(path, shape)
    file = read_image(path)
    source = file.source()
    if source.plane_shape != shape or any(length > 1 for length in source.leading_shape):
        raise ImageFileError(f"{path} is {source.plane_shape} pixels, and its image {shape}. {_WANTED}")
    region = np.zeros(shape, bool)
    for channel in range(source.channels):
        # In a colour mask, anything but black.
        region |= source.read((0,) * len(source.leading_shape), channel) > 0
    return region


def _drawn(path: Path, shape: tuple[int, int]) -> Mask:
    """Draw the polygons of a GeoJSON file; rings after the first of a polygon are holes."""
    try:
        if path.stat().st_size > LARGEST_GEOJSON:
            raise ImageFileError(f"{path} is too large for a drawn region. {_WANTED}")
        content = path.read_bytes()
    except OSError as error:
        raise ImageFileError(f"{path} cannot be read as GeoJSON: {error!r}. {_WANTED}") from error
    polygons = [rings for feature in read_features(path, content) for rings in feature.outline.polygons]
    if not polygons:
        raise ImageFileError(f"{path} holds no polygon. {_WANTED}")
    return enclosed(polygons, (0, shape[0], 0, shape[1]))

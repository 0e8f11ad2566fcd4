"""Read what was drawn on an image: regions, from polygons of QuPath or from a mask, and positions of spots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_unet_nuclei.core.errors import ImageFileError, TextFileError
from napari_unet_nuclei.core.files.tables import as_number, read_table
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.outlines.geojson import Feature, geojson_content, is_geojson, read_features
from napari_unet_nuclei.core.image.outlines.outline import Ring
from napari_unet_nuclei.core.types import Mask, NamedArea

LARGEST_REGIONS = 64 * 2**20
"""Bytes; a larger file was not drawn by hand."""

_WANTED = "Save polygons as GeoJSON, or a mask image of the same size."


def read_regions(path: Path, shape: tuple[int, int], planes: int) -> list[Mask]:
    """Read a region of every plane of a stack (Y, X); one that is drawn once is that of all planes.

    From GeoJSON with polygons in pixels, x to the right and y down from the image's upper left corner; or from an image
    whose pixels above 0 are in the region. Raise ImageFileError if the file cannot be read, holds no polygons, or
    differs from the image in size.
    """
    if is_geojson(path):
        return [_filled(path, shape)] * planes
    file = read_image(path)
    source = file.source()
    indices = list(source.plane_indices())
    if source.plane_shape != shape or len(indices) not in (1, planes):
        own, image = (
            f"{size} pixels" if count == 1 else f"{count} planes of {size} pixels"
            for size, count in ((source.plane_shape, len(indices)), (shape, planes))
        )
        raise ImageFileError(f"{path} is {own}, and its image {image}. {_WANTED}")
    # In a colour mask, anything but black.
    channels = range(source.channels)
    regions = [np.any([source.read(index, channel) > 0 for channel in channels], axis=0) for index in indices]
    return regions if len(regions) == planes else regions * planes


def read_areas(path: Path) -> list[NamedArea]:
    """Read the regions in a GeoJSON file, in its order; polygons of one name, or of one class, are one region.

    Raise ImageFileError if the file cannot be read or holds no polygons.
    """
    named: dict[str, list[tuple[Ring, ...]]] = {}
    for number, feature in enumerate(_drawn(path), start=1):
        name = feature.outline.name or feature.outline.classified or f"region {number}"
        drawn = (tuple(ring[:, ::-1] - 0.5 for ring in rings) for rings in feature.outline.polygons)
        named.setdefault(name, []).extend(drawn)
    return [NamedArea(name, tuple(polygons)) for name, polygons in named.items()]


def _filled(path: Path, shape: tuple[int, int]) -> Mask:
    """Fill the polygons of a GeoJSON file; rings after the first of a polygon are holes."""
    region = np.zeros(shape, bool)
    for feature in _drawn(path):
        for rings in feature.outline.polygons:
            outer, *holes = (_enclosed(ring, shape) for ring in rings)
            for hole in holes:
                outer &= ~hole
            region |= outer
    return region


def _enclosed(ring: Ring, shape: tuple[int, int]) -> Mask:
    """Return the pixels whose centres lie in a ring of (x, y) corners; in GeoJSON, pixel (0, 0) spans 0 to 1."""
    return np.asarray(polygon2mask(shape, ring[:, ::-1] - 0.5), bool)


def _drawn(path: Path) -> list[Feature]:
    """Return what has an area in a GeoJSON file; raise ImageFileError if nothing has."""
    try:
        content = geojson_content(path, LARGEST_REGIONS)
    except OSError as error:
        raise ImageFileError(f"{path} cannot be read ({error}). {_WANTED}") from error
    found = [feature for feature in read_features(path, content, nuclei=False) if feature.outline.polygons]
    if not found:
        raise ImageFileError(f"{path} holds no polygon. Save regions as polygons in GeoJSON.")
    return found


def read_spots(path: Path, axes: str) -> NDArray[np.float64]:
    """Read positions in pixels along ``axes``, shape (spots, axes), e.g. "TYX".

    From the columns ``axis-0``, ``axis-1``, … as napari saves a points layer, or from ``t``, ``z``, ``y``, ``x``.

    Raises
    ------
    ImageFileError
        If the file cannot be read as a table or has other columns.
    """
    try:
        table = read_table(path)
    except TextFileError as error:
        raise ImageFileError(f"{path} cannot be read as a table of spots: {error}") from error
    if not table.columns:
        raise ImageFileError(f"{path} cannot be read as a table of spots: it is empty.")
    by_number = [f"axis-{axis}" for axis in range(len(axes))]
    by_letter = list(axes.lower())
    wanted = next((names for names in (by_number, by_letter) if set(names) <= set(table.columns)), None)
    if wanted is None or (wanted is by_number and f"axis-{len(axes)}" in table.columns):
        raise ImageFileError(
            f"{path} has the columns {', '.join(table.columns)}. Spots in these labels need "
            f"{', '.join(by_number)}, as napari saves points, or {', '.join(by_letter)}, in pixels."
        )
    try:
        positions = [[as_number(row[name]) for name in wanted] for row in table.rows]
        return np.asarray(positions, np.float64).reshape(-1, len(wanted))
    except ValueError as error:
        raise ImageFileError(f"{path} holds positions that are not numbers: {error}.") from error

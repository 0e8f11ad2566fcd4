"""Read regions of an image from polygons drawn in QuPath or elsewhere, or from a mask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.outlines.geojson import GEOJSON_SUFFIXES
from napari_unet_nuclei.core.types import Mask, NamedArea

Found = TypeVar("Found")

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


def read_areas(path: Path) -> list[NamedArea]:
    """Read the regions in a GeoJSON file, in its order; polygons of one name, or of one class, are one region.

    Raise ImageFileError if the file cannot be read or holds no polygons.
    """
    named: dict[str, list[tuple[NDArray[np.float64], ...]]] = {}
    for number, (name, polygons) in enumerate(_named_polygons(path), start=1):
        drawn = [tuple(ring[:, ::-1] - 0.5 for ring in rings) for rings in polygons]
        named.setdefault(name or f"region {number}", []).extend(drawn)
    if not named:
        raise ImageFileError(f"{path} holds no polygon. Save regions as polygons in GeoJSON.")
    return [NamedArea(name, tuple(polygons)) for name, polygons in named.items()]


def _named_polygons(path: Path) -> Iterator[tuple[str, list[list[NDArray[np.float64]]]]]:
    """Yield the name and the polygons of every feature that has some."""
    for feature in _understood(path, _features):
        properties = feature.get("properties") or {}
        classification = properties.get("classification") or {}
        polygons = list(_of(feature))
        if polygons:
            yield str(properties.get("name") or classification.get("name") or ""), polygons


def _features(part: Any) -> Iterator[dict[str, Any]]:
    """Walk through collections to the features; a bare geometry stands for itself."""
    if isinstance(part, list):
        for one in part:
            yield from _features(one)
    elif part["type"] == "FeatureCollection":
        yield from _features(part["features"])
    else:
        yield part


def _drawn(path: Path, shape: tuple[int, int]) -> Mask:
    """Draw the polygons of a GeoJSON file; rings after the first of a polygon are holes."""
    region = np.zeros(shape, bool)
    found = False
    for rings in _polygons(path):
        found = True
        outer, *holes = (_filled(ring, shape) for ring in rings)
        for hole in holes:
            outer &= ~hole
        region |= outer
    if not found:
        raise ImageFileError(f"{path} holds no polygon. {_WANTED}")
    return region


def _filled(ring: NDArray[np.float64], shape: tuple[int, int]) -> Mask:
    """Return the pixels whose centres lie in a ring of (x, y) corners; in GeoJSON, pixel (0, 0) spans 0 to 1."""
    return np.asarray(polygon2mask(shape, ring[:, ::-1] - 0.5), bool)


def _polygons(path: Path) -> Iterator[list[NDArray[np.float64]]]:
    """Yield the rings of every polygon, each (corners, 2) with x first."""
    return _understood(path, _of)


def _understood(path: Path, walk: Callable[[Any], Iterator[Found]]) -> Iterator[Found]:
    """Yield what a walk through a GeoJSON file finds; what it does not understand is said in words."""
    try:
        if path.stat().st_size > LARGEST_GEOJSON:
            raise ImageFileError(f"{path} is too large for a drawn region. {_WANTED}")
        yield from walk(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise ImageFileError(f"{path} cannot be read as GeoJSON: {error!r}. {_WANTED}") from error


def _of(part: Any) -> Iterator[list[NDArray[np.float64]]]:
    """Walk through collections, features and geometries."""
    if isinstance(part, list):  # QuPath writes a bare list of features
        for feature in part:
            yield from _of(feature)
        return
    match part["type"]:
        case "FeatureCollection":
            yield from _of(part["features"])
        case "GeometryCollection":
            yield from _of(part["geometries"])
        case "Feature":
            yield from _of(part["geometry"])
        case "Polygon":
            yield _rings(part["coordinates"])
        case "MultiPolygon":
            yield from (_rings(polygon) for polygon in part["coordinates"])


def _rings(coordinates: Any) -> list[NDArray[np.float64]]:
    rings = [np.asarray(ring, np.float64)[:, :2] for ring in coordinates]
    if not rings or any(len(ring) < 3 or not np.isfinite(ring).all() for ring in rings):
        raise ValueError("a polygon needs three corners or more, with finite coordinates")
    return rings

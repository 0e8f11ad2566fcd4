"""Read GeoJSON with polygons in pixels, as QuPath and others write it.

QuPath's forms: a FeatureCollection, a bare list of features or one feature; ``properties.objectType`` says what an
object is, ``nucleusGeometry`` of a cell is its nucleus, ``geometry.plane`` its plane, ``geometry.isEllipse`` that the
polygon stands for the ellipse in its bounding box, and ``properties.childObjects`` are further features.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.outlines.outline import MOST_NAMED, Outline, Outlines, Ring, ellipse

GEOJSON_SUFFIX = ".geojson"
PACKED_SUFFIX = ".gz"
GEOJSON_ENDINGS = (GEOJSON_SUFFIX, ".json", ".geojson.gz", ".json.gz")
LARGEST_GEOJSON = 2**29
"""Bytes; outlines of a million nuclei of a slide have about as many."""

LABEL_MEASUREMENT = "label"
"""Measurement in which this program keeps the id of a nucleus."""

_AROUND = ("annotation", "tile", "tmaCore", "tma_core", "root")
"""Objects that are no nuclei where a file has others."""

_LEGACY = {
    "PathDetectionObject": "detection",
    "PathCellObject": "cell",
    "PathAnnotationObject": "annotation",
    "PathTileObject": "tile",
    "TMACoreObject": "tmaCore",
    "PathRootObject": "root",
}
"""What early versions of QuPath wrote as the id of an object."""


@dataclass(frozen=True, eq=False)
class Feature:
    """An object of a GeoJSON file: its areas, its kind if it says it, and the types of other geometries."""

    outline: Outline
    kind: str = ""
    cell: Outline | None = None  # where the outline is that of its nucleus
    others: tuple[str, ...] = ()


def is_geojson(path: Path) -> bool:
    """Tell by its name whether a file is GeoJSON, packed or not."""
    return path.name.lower().endswith(GEOJSON_ENDINGS)


def geojson_content(path: Path, largest: int) -> bytes:
    """Return what is in a file, unpacked.

    Raise ImageFileError if that is more than ``largest`` bytes, or the file is no gzip archive although it is called
    so. Other errors are those of the system.
    """
    if not path.name.lower().endswith(PACKED_SUFFIX):
        if path.stat().st_size > largest:
            raise ImageFileError(f"{path} is larger than {largest:,} bytes: export it in parts.")
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            content = file.read(largest + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ImageFileError(f"{path} cannot be unpacked ({error}): copy or export it again.") from error
    if len(content) > largest:
        raise ImageFileError(f"{path} would unpack to more than {largest:,} bytes: export it in parts.")
    return content


def read_geojson(path: Path, content: bytes) -> Outlines:
    """Read the nuclei of a GeoJSON file.

    Where there are detections or cells, annotations, tiles and cores are left out; of cells the nucleus is taken where
    there is one. Raise ImageFileError if the file is not GeoJSON, or holds no polygon.
    """
    features = tuple(read_features(path, content))
    areas = [feature for feature in features if feature.outline.polygons]
    others = [feature for feature in features if feature.others]
    kinds = " and ".join(sorted({kind for feature in others for kind in feature.others}))
    if others and not areas:
        raise ImageFileError(f"{path} holds no polygon, but {kinds}. Export nuclei as objects with an area.")
    notices = []
    if others:
        named = ", ".join(f"'{feature.outline.name or 'without a name'}'" for feature in others[:MOST_NAMED])
        notices.append(f"{path.name}: left out, since they are no areas: {kinds} ({named}).")
    nuclei = [feature for feature in areas if feature.kind not in _AROUND]
    if nuclei and len(nuclei) < len(areas):
        notices.append(f"{path.name}: annotations around the nuclei are left out ({len(areas) - len(nuclei)}).")
    chosen, said = _of_cells(nuclei or areas)
    notices += [f"{path.name}: {one}" for one in said]
    cells = tuple(feature.cell for feature in chosen if feature.cell and feature.cell.polygons)
    # Of some nuclei alone, ids that count up would be others.
    cells = cells if len(cells) == len(chosen) else ()
    return Outlines(path, tuple(feature.outline for feature in chosen), tuple(notices), cells)


def _of_cells(features: Sequence[Feature]) -> tuple[Sequence[Feature], tuple[str, ...]]:
    """Leave out cells without a nucleus where others have one; say so."""
    bare = [feature for feature in features if feature.kind == "cell" and not feature.cell]
    if not bare:
        return features, ()
    if not any(feature.cell for feature in features):
        return features, ("its cells have no nuclei, so the outlines of the cells were taken.",)
    kept = [feature for feature in features if feature not in bare]
    return kept, (f"cells without a nucleus are left out ({len(bare)}).",)


def read_features(path: Path, content: bytes, *, nuclei: bool = True) -> Iterator[Feature]:
    """Yield the objects of a GeoJSON file; raise ImageFileError if it cannot be understood.

    With ``nuclei`` also those within others, and of a cell its nucleus; else objects as they were drawn.
    """
    try:
        yield from _walk(json.loads(content), nuclei)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ImageFileError(
            f"{path} cannot be read as GeoJSON ({error}). Export it again, with polygons in pixels."
        ) from error


def _walk(part: Any, nuclei: bool) -> Iterator[Feature]:
    """Walk through lists, collections, features, their children, and bare geometries."""
    if isinstance(part, list):
        for one in part:
            yield from _walk(one, nuclei)
        return
    if "type" not in part:
        raise ValueError("it has no type, which every part of GeoJSON has")
    match part["type"]:
        case "FeatureCollection":
            yield from _walk(part["features"], nuclei)
        case "Feature":
            yield _feature(part, nuclei)
            if nuclei:
                properties = part.get("properties") or {}
                yield from _walk(properties.get("childObjects") or properties.get("children") or [], nuclei)
        case _:
            yield _areas(part)


def _feature(part: Any, nuclei: bool) -> Feature:
    properties = part.get("properties") or {}
    kinds = (properties.get(name) for name in ("objectType", "object_type", "type"))
    kind = str(next(filter(None, kinds), "") or _LEGACY.get(str(part.get("id")), ""))
    kind = _LEGACY.get(kind, kind)
    said: dict[str, Any] = {
        "name": str(properties.get("name") or ""),
        "number": _number(properties),
        "classified": _class_name(properties.get("classification")),
    }
    drawn = part.get("geometry")
    nucleus = (part.get("nucleusGeometry") or properties.get("nucleusGeometry")) if nuclei else None
    around = _areas(drawn) if drawn else Feature(Outline("", ()))
    if not nucleus:
        return replace(around, outline=replace(around.outline, **said), kind=kind)
    found = _areas(nucleus)
    cell = replace(around.outline, **said)
    return replace(found, outline=replace(found.outline, **said), kind=kind, cell=cell)


def _class_name(stored: Any) -> str:
    """Return the name of a class: a text, or an object with ``name``, or from QuPath 0.4 on with several ``names``."""
    if not isinstance(stored, dict):
        return str(stored or "")
    return str(stored.get("name") or ": ".join(map(str, stored.get("names") or ())))


def _number(properties: Any) -> int:
    """Return the id that this program has written among the measurements; 0 if there is none."""
    measured = properties.get("measurements") or {}
    if isinstance(measured, list):  # as early versions of QuPath list them
        measured = {one.get("name"): one.get("value") for one in measured}
    value = measured.get(LABEL_MEASUREMENT, 0)
    return int(value) if isinstance(value, int | float) and float(value).is_integer() else 0


def _areas(geometry: Any) -> Feature:
    """Return the areas of a geometry and the types of what else is in it."""
    polygons: list[tuple[Ring, ...]] = []
    others = []
    match geometry["type"]:
        case "Polygon" | "MultiPolygon" as kind:
            parts = [geometry["coordinates"]] if kind == "Polygon" else geometry["coordinates"]
            # QuPath writes what is left of an object that was cut away.
            polygons = [_rings(rings) for rings in parts if rings and rings[0]]
            others = [] if polygons else [f"empty {kind}"]
        case "GeometryCollection":
            inner = [_areas(one) for one in geometry["geometries"]]
            polygons = [rings for part in inner for rings in part.outline.polygons]
            others = [kind for part in inner for kind in part.others]
        case other:
            others = [str(other)]
    plane = geometry.get("plane") or {}
    if geometry.get("isEllipse") and polygons:
        corners = np.concatenate([ring for rings in polygons for ring in rings])
        low, high = corners.min(axis=0), corners.max(axis=0)
        polygons = [(ellipse(*low.tolist(), *(high - low).tolist()),)]
    return Feature(
        Outline("", tuple(polygons), t=_index(plane.get("t")), z=_index(plane.get("z"))), others=tuple(others)
    )


def _index(stored: Any) -> int | None:
    return None if stored is None else int(stored)


def _rings(coordinates: Any) -> tuple[Ring, ...]:
    rings = tuple(np.asarray(ring, np.float64)[:, :2] for ring in coordinates)
    if not rings or any(len(ring) < 3 or not np.isfinite(ring).all() for ring in rings):
        raise ValueError("a polygon needs three corners or more, with finite coordinates")
    return rings

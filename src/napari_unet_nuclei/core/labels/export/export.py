"""Writes labels as outlines for other programs: ImageJ's ROI manager and QuPath.

Outlines follow the sides of the pixels, so that both programs fill exactly the labelled pixels again.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.labels.export.parts import nuclei_in_parts
from napari_unet_nuclei.core.labels.export.trace import Polygon, trace_polygons
from napari_unet_nuclei.core.types import AnyArray

_LARGEST_INTEGER = 32767
"""ImageJ's whole coordinates have 16 bits; beyond, it reads those with fractions."""

_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0


@dataclass(frozen=True, eq=False)
class _Traced:
    """One label of one plane: its pieces, and the plane's index by axis letter."""

    number: int
    pieces: tuple[Polygon, ...]
    index: Mapping[str, int]


def write_imagej_rois(
    path: Path, labels: AnyArray, *, axes: str = "YX", origin: Sequence[int] = (), names: Mapping[int, str] = {}
) -> None:
    """Write a zip of ROIs that ImageJ's ROI manager opens.

    Parameters
    ----------
    path : Path
        Ends in ``.zip``.
    labels : array_like, shape (..., Y, X), integer
        0 and below is background. Read plane by plane, large ones part by part.
    axes : str
        One letter per axis of ``labels``, "YX" last; T and Z become the ROI's frame and slice.
    origin : sequence of int
        Index in the whole image of the first pixel; zeros where empty.
    names : mapping of int to str
        Names of labels; their ids where not given.

    Raises
    ------
    ImageShapeError
        If the axes do not fit.
    OutputFileError
        If the file cannot be written.
    """
    with atomic(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for traced in _traced(labels, axes, origin):
            where = "".join(f"-{letter.lower()}{index + 1:04}" for letter, index in traced.index.items())
            name = f"{names.get(traced.number, f'{traced.number:05}')}{where}"
            entry = zipfile.ZipInfo(f"{name.replace('/', '_')}.roi")  # without a date: the same labels, the same file
            archive.writestr(entry, _roi(traced, name).tobytes())


def write_geojson(
    path: Path, labels: AnyArray, *, axes: str = "YX", origin: Sequence[int] = (), names: Mapping[int, str] = {}
) -> None:
    """Write a GeoJSON file that QuPath opens: a detection per nucleus, or where labels have names an annotation each.

    Parameters
    ----------
    path : Path
        Ends in ``.geojson``.
    labels, axes, origin, names
        As for `write_imagej_rois`; a name becomes the classification.

    Raises
    ------
    ImageShapeError
        If the axes do not fit.
    OutputFileError
        If the file cannot be written.
    """
    with atomic(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        separator = "\n"
        for traced in _traced(labels, axes, origin):
            file.write(separator + json.dumps(_feature(traced, names), separators=(",", ":")))
            separator = ",\n"
        file.write("\n]}\n")


def _traced(labels: AnyArray, axes: str, origin: Sequence[int]) -> Iterator[_Traced]:
    """Trace the labels of all planes, in the coordinates of the whole image."""
    shape = tuple(labels.shape)
    first = tuple(origin) or (0,) * len(shape)
    if len(axes) != len(shape) or len(first) != len(shape) or not axes.endswith("YX"):
        raise ImageShapeError(f"Labels of shape {shape} cannot have the axes '{axes}': one letter each, Y and X last.")
    for index in np.ndindex(*shape[:-2]):
        where = {letter: start + i for letter, start, i in zip(axes, first, index, strict=False)}
        for part, (top, left) in nuclei_in_parts(labels, index):
            offset = np.array([first[-1] + left, first[-2] + top])
            for number, pieces in trace_polygons(part):
                moved = (Polygon(one.exterior + offset, tuple(hole + offset for hole in one.holes)) for one in pieces)
                yield _Traced(number, tuple(moved), where)


def _roi(traced: _Traced, name: str) -> ImagejRoi:
    """Make a polygon, or a composite of lines where there are holes or several pieces."""
    [first, *others] = traced.pieces
    roi = ImagejRoi() if others or first.holes else _simple_roi(first)
    if others or first.holes:
        rings = [ring for piece in traced.pieces for ring in (piece.exterior, *piece.holes)]
        roi.roitype = ROI_TYPE.RECT
        roi.multi_coordinates = np.concatenate([_path(ring) for ring in rings])
        roi.shape_roi_size = len(roi.multi_coordinates)
        (roi.left, roi.top), (roi.right, roi.bottom) = _bounds(np.concatenate(rings))
    roi.name = name
    roi.t_position = traced.index.get("T", -1) + 1
    roi.z_position = traced.index.get("Z", -1) + 1
    stack = [index for letter, index in traced.index.items() if letter not in "TZ"]
    roi.position = stack[0] + 1 if len(traced.index) == len(stack) == 1 else 0
    return roi


def _simple_roi(piece: Polygon) -> ImagejRoi:
    roi = ImagejRoi()
    roi.roitype = ROI_TYPE.TRACED
    corners = piece.exterior
    (roi.left, roi.top), (roi.right, roi.bottom) = _bounds(corners)
    roi.integer_coordinates = (corners - corners.min(axis=0)).astype(np.int32)
    roi.n_coordinates = len(corners)
    if corners.max() > _LARGEST_INTEGER:
        roi.options |= ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        roi.subpixel_coordinates = corners.astype(np.float32)
    return roi


def _bounds(corners: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Return (left, top) and (right, bottom)."""
    return corners.min(axis=0).tolist(), corners.max(axis=0).tolist()


def _path(corners: NDArray[np.int64]) -> NDArray[np.float32]:
    """Write a ring as the operations of a Java path."""
    operations = np.full((len(corners), 3), _LINE, np.float32)
    operations[0, 0] = _MOVE
    operations[:, 1:] = corners
    return np.append(operations.ravel(), np.float32(_CLOSE))


def _feature(traced: _Traced, names: Mapping[int, str]) -> dict[str, Any]:
    polygons = [[_closed(piece.exterior), *map(_closed, piece.holes)] for piece in traced.pieces]
    geometry: dict[str, Any] = {"type": "Polygon", "coordinates": polygons[0]}
    if len(polygons) > 1:
        geometry = {"type": "MultiPolygon", "coordinates": polygons}
    if traced.index:
        geometry["plane"] = {"c": -1, "z": traced.index.get("Z", 0), "t": traced.index.get("T", 0)}
    properties: dict[str, Any] = {"objectType": "detection", "name": str(traced.number)}
    if traced.number in names:
        name = names[traced.number]
        properties = {"objectType": "annotation", "name": name, "classification": {"name": name}}
    properties["measurements"] = {"label": traced.number}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _closed(ring: NDArray[np.int64]) -> list[list[int]]:
    """GeoJSON repeats the first corner at the end."""
    corners: list[list[int]] = ring.tolist()
    return [*corners, corners[0]]

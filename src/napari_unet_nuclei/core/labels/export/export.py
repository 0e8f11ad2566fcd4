"""Write labels as outlines for other programs: ImageJ's ROI manager and QuPath.

Outlines follow the sides of the pixels, so that both programs fill exactly the labelled pixels again. Labels larger
than memory are read in parts, so that every nucleus is seen once and whole.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.labels.export.classified import classes_by_nucleus, classification, classify
from napari_unet_nuclei.core.labels.export.trace import Polygon, trace_polygons
from napari_unet_nuclei.core.labels.measure.measure import axis_columns
from napari_unet_nuclei.core.labels.regions import grown, slices
from napari_unet_nuclei.core.types import AnyArray, Region

if TYPE_CHECKING:
    import pandas as pd

SIDE = 4096
"""Pixels; side of the parts in which planes on disk are read."""

MARGIN = 128
"""Pixels read around a part for nuclei that reach beyond it; doubled until all of them end within."""

Part = tuple[NDArray[np.integer[Any]], tuple[int, int]]
"""Labels (Y, X) of some nuclei, 0 elsewhere, and row and column of the first pixel."""

Wanted = Callable[[NDArray[np.integer[Any]]], NDArray[np.integer[Any]]]
"""Says, by the labels of a part, which of them are wanted."""

_LARGEST_INTEGER = 32767
"""ImageJ's integer coordinates have 16 bits; beyond that it reads floating-point ones."""

_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0


@dataclass(frozen=True, eq=False)
class _Traced:
    """One label of one plane: its polygons, and the plane's index by axis letter."""

    number: int
    polygons: tuple[Polygon, ...]
    index: Mapping[str, int]

    @property
    def key(self) -> tuple[int, ...]:
        """What tells it from all others: its id and its plane."""
        return (self.number, *self.index.values())


def write_imagej_rois(
    path: Path, labels: AnyArray, *, axes: str = "YX", origin: Sequence[int] = (), names: Mapping[int, str] = {}
) -> None:
    """Write a zip file of ROIs for ImageJ's ROI manager.

    Labels (..., Y, X), 0 and below for background, are read plane by plane, large planes in parts. T and Z of ``axes``
    become the ROI's frame and slice; ``origin`` is the index of the first pixel in the whole image; labels without a
    name get their ids.

    Raise ImageShapeError if the axes do not match the labels; OutputFileError if the file cannot be written.
    """
    with atomic(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for traced in _traced(labels, axes, origin):
            where = "".join(f"-{letter.lower()}{index + 1:04}" for letter, index in traced.index.items())
            name = f"{names.get(traced.number, f'{traced.number:05}')}{where}"
            # Without a date, so that equal labels give equal files.
            entry = zipfile.ZipInfo(f"{name.replace('/', '_')}.roi")
            archive.writestr(entry, _roi(traced, name).tobytes())


def write_geojson(
    path: Path,
    labels: AnyArray,
    *,
    axes: str = "YX",
    origin: Sequence[int] = (),
    names: Mapping[int, str] = {},
    cells: AnyArray | None = None,
    table: pd.DataFrame | None = None,
) -> None:
    """Write a GeoJSON file for QuPath: a detection for each nucleus, or an annotation for each named label.

    Arguments and errors as for `write_imagej_rois`; names become classifications. ``cells``, of the shape of the
    labels, are cells by the id of their nucleus: a nucleus with one becomes a cell object. The numbers of ``table``, as
    `measure` returns it, become measurements, and its classes of nuclei classifications.
    """
    measured = None if table is None else _Measurements.of(table, axes)
    classes = {} if table is None else classes_by_nucleus(table)
    with atomic(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        # Feature by feature, for the outlines of a slide need not fit into memory.
        file.write('{"type": "FeatureCollection", "features": [')
        separator = "\n"
        for traced, cell in _with_cells(labels, cells, axes, origin):
            feature = _feature(traced, names, cell)
            feature["properties"]["measurements"] |= {} if measured is None else measured.of_nucleus(traced.key)
            feature = classify(feature, classes) if classes else feature
            file.write(separator + json.dumps(feature, separators=(",", ":")))
            separator = ",\n"
        file.write("\n]}\n")


def _traced(labels: AnyArray, axes: str, origin: Sequence[int]) -> Iterator[_Traced]:
    """Trace the labels of all planes, in the coordinates of the whole image."""
    return (traced for traced, _ in _with_cells(labels, None, axes, origin))


def _with_cells(
    labels: AnyArray, cells: AnyArray | None, axes: str, origin: Sequence[int]
) -> Iterator[tuple[_Traced, _Traced | None]]:
    """Trace the labels of all planes, each with its cell if there is one, in the coordinates of the whole image."""
    shape = tuple(labels.shape)
    first = tuple(origin) or (0,) * len(shape)
    if len(axes) != len(shape) or len(first) != len(shape) or not axes.endswith("YX"):
        raise ImageShapeError(
            f"Labels of shape {shape} cannot have the axes '{axes}': one letter per axis, Y and X last."
        )
    for index in np.ndindex(*shape[:-2]):
        where = {letter: start + i for letter, start, i in zip(axes, first, index, strict=False)}
        for part in nuclei_in_parts(labels, index):
            around = _cells_of(part, cells, index)
            of_nuclei = {one.number: one for one in _traced_part(around, where, first)} if around else {}
            for traced in _traced_part(part, where, first):
                yield traced, of_nuclei.get(traced.number)


def _traced_part(part: Part, where: Mapping[str, int], first: tuple[int, ...]) -> Iterator[_Traced]:
    view, (top, left) = part
    offset = np.array([first[-1] + left, first[-2] + top])
    for number, polygons in trace_polygons(view):
        moved = (Polygon(one.exterior + offset, tuple(hole + offset for hole in one.holes)) for one in polygons)
        yield _Traced(number, tuple(moved), where)


def _cells_of(part: Part, cells: AnyArray | None, index: tuple[int, ...]) -> Part | None:
    """Read the cells of the nuclei of a part, which reach beyond it."""
    if cells is None:
        return None
    view, (top, left) = part
    ids = np.unique(view[view > 0])
    return _whole(cells, index, (top, top + view.shape[0], left, left + view.shape[1]), lambda inside: ids)


def _roi(traced: _Traced, name: str) -> ImagejRoi:
    """Return a polygon ROI, or a composite one for holes or several polygons."""
    [first, *others] = traced.polygons
    roi = ImagejRoi() if others or first.holes else _simple_roi(first)
    if others or first.holes:
        rings = [ring for polygon in traced.polygons for ring in (polygon.exterior, *polygon.holes)]
        # ImageJ stores a composite selection as its bounding rectangle with a path.
        roi.roitype = ROI_TYPE.RECT
        roi.multi_coordinates = np.concatenate([_path(ring) for ring in rings])
        roi.shape_roi_size = len(roi.multi_coordinates)
        (roi.left, roi.top), (roi.right, roi.bottom) = _bounds(np.concatenate(rings))
    roi.name = name
    # ImageJ counts from 1; 0 means any frame or slice.
    roi.t_position = traced.index.get("T", -1) + 1
    # A single leading axis that is neither T nor Z is a plain stack.
    plain = list(traced.index) == ["Q"]
    roi.z_position = 0 if plain else _depth(traced, -1) + 1
    roi.position = traced.index["Q"] + 1 if plain else 0
    return roi


def _depth(traced: _Traced, missing: int) -> int:
    """Return the index along z, or along the axis without a name that takes its place in other programs."""
    return traced.index.get("Z", traced.index.get("Q", missing))


def _simple_roi(polygon: Polygon) -> ImagejRoi:
    roi = ImagejRoi()
    roi.roitype = ROI_TYPE.TRACED
    corners = polygon.exterior
    (roi.left, roi.top), (roi.right, roi.bottom) = _bounds(corners)
    # Relative to the bounding rectangle.
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
    """Encode a ring as the operations of a Java path: move, lines, close."""
    operations = np.full((len(corners), 3), _LINE, np.float32)
    operations[0, 0] = _MOVE
    operations[:, 1:] = corners
    return np.append(operations.ravel(), np.float32(_CLOSE))


def _feature(traced: _Traced, names: Mapping[int, str], cell: _Traced | None) -> dict[str, Any]:
    """Describe a label in the words of QuPath."""
    properties: dict[str, Any] = {"objectType": "detection", "name": str(traced.number)}
    if traced.number in names:
        name = names[traced.number]
        properties = {"objectType": "annotation", "name": name, "classification": classification(name)}
    properties["measurements"] = {"label": traced.number}
    if cell is None:
        return {"type": "Feature", "geometry": _geometry(traced), "properties": properties}
    # QuPath's own form of a cell: its outline is the geometry, that of the nucleus has a member of its own.
    shapes = {"geometry": _geometry(cell), "nucleusGeometry": _geometry(traced)}
    return {"type": "Feature", **shapes, "properties": {**properties, "objectType": "cell"}}


@dataclass(frozen=True, eq=False)
class _Measurements:
    """The numbers of nuclei by column, and the row of each nucleus; keys as those of `_Traced`."""

    columns: Mapping[str, NDArray[Any]]
    rows: Mapping[tuple[int, ...], int]

    @staticmethod
    def of(table: pd.DataFrame, axes: str) -> _Measurements:
        keys = [name for name in ("label", *axis_columns(axes[:-2])) if name in table.columns]
        numbers = table.drop(columns=keys).select_dtypes("number")
        rows = {key: row for row, key in enumerate(table[keys].itertuples(index=False, name=None))}
        return _Measurements({str(name): numbers[name].to_numpy() for name in numbers}, rows)

    def of_nucleus(self, key: tuple[int, ...]) -> dict[str, float]:
        """Return the finite numbers of a nucleus: JSON has neither NaN nor infinity, so what is unknown is left out."""
        row = self.rows.get(key)
        values = {} if row is None else {name: column[row].item() for name, column in self.columns.items()}
        return {name: value for name, value in values.items() if np.isfinite(value)}


def _geometry(traced: _Traced) -> dict[str, Any]:
    polygons = [[_closed(polygon.exterior), *map(_closed, polygon.holes)] for polygon in traced.polygons]
    geometry: dict[str, Any] = {"type": "Polygon", "coordinates": polygons[0]}
    if len(polygons) > 1:
        geometry = {"type": "MultiPolygon", "coordinates": polygons}
    if traced.index:
        # In QuPath, channel -1 stands for all channels.
        geometry["plane"] = {"c": -1, "z": _depth(traced, 0), "t": traced.index.get("T", 0)}
    return geometry


def _closed(ring: NDArray[np.int64]) -> list[list[int]]:
    """Repeat the first corner at the end, as GeoJSON requires."""
    corners: list[list[int]] = ring.tolist()
    return [*corners, corners[0]]


def nuclei_in_parts(labels: AnyArray, index: tuple[int, ...]) -> Iterator[Part]:
    """Yield the nuclei of one plane (..., Y, X), each in the part that contains its first pixel.

    Nuclei must be connected if the labels are on disk; an array in memory is one part.
    """
    if isinstance(labels, np.ndarray):
        yield labels[index], (0, 0)
        return
    height, width = labels.shape[-2:]
    for top in range(0, max(height, 1), SIDE):
        for left in range(0, max(width, 1), SIDE):
            yield _part(labels, index, (top, min(top + SIDE, height), left, min(left + SIDE, width)))


def _part(labels: AnyArray, index: tuple[int, ...], core: Region) -> Part:
    """Read a part with as much margin as its nuclei need, and erase the nuclei of other parts."""
    y0, y1, x0, x1 = core
    view, (top, left) = _whole(labels, index, core, lambda inside: np.unique(inside[inside > 0]))
    # Whose first pixel in reading order lies elsewhere belongs to another part.
    ids, first = np.unique(view, return_index=True)
    rows, columns = np.divmod(first, max(view.shape[1], 1))
    own = (rows >= y0 - top) & (rows < y1 - top) & (columns >= x0 - left) & (columns < x1 - left)
    view[~np.isin(view, ids[own])] = 0
    return view, (top, left)


def _whole(labels: AnyArray, index: tuple[int, ...], core: Region, wanted: Wanted) -> Part:
    """Read a part with as much margin as the labels need that are ``wanted`` of it; all others are erased."""
    height, width = labels.shape[-2:]
    y0, y1, x0, x1 = core
    margin = MARGIN
    while True:
        window = grown(core, margin, (height, width))
        top, bottom, left, right = window
        view = np.array(labels[(*index, *slices(window))])
        view[~np.isin(view, wanted(view[y0 - top : y1 - top, x0 - left : x1 - left]))] = 0
        beyond = (
            (top > 0, view[:1]),
            (bottom < height, view[-1:]),
            (left > 0, view[:, :1]),
            (right < width, view[:, -1:]),
        )
        if not any(goes_on and edge.any() for goes_on, edge in beyond):
            return view, (top, left)
        margin *= 2

"""Write the outputs of one image: labels, table, outlines and pictures."""

from __future__ import annotations

import importlib.util
import math
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import OutputFileError, SettingsError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.folder.plan import PlannedFile
from napari_unet_nuclei.core.image.io.ome_zarr_labels import (
    CUBE,
    create_array,
    label_axes,
    leading_order,
    pyramid,
    write_label_metadata,
)
from napari_unet_nuclei.core.image.io.write import (
    LARGEST_OVERLAY,
    label_kind,
    write_label_planes,
    write_parquet_table,
    write_table,
)
from napari_unet_nuclei.core.image.picture import Picture, for_screen, outlined
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.classify.class_file import read_classes
from napari_unet_nuclei.core.labels.export.annotated import check_anndata
from napari_unet_nuclei.core.labels.export.export import write_geojson, write_imagej_rois
from napari_unet_nuclei.core.labels.measure.gate import Gate
from napari_unet_nuclei.core.labels.measure.surroundings import DrawnCells
from napari_unet_nuclei.core.segment.frames import FramedResult
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.settings import BatchSettings, CellSettings
from napari_unet_nuclei.core.types import AnyArray

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 1024
"""Side of a piece of a plane in pixels."""

THUMBNAIL_SIDE = 256
"""Pixels; the picture of an image in the report is no larger."""

EXPORTS = {"rois": write_imagej_rois, "geojson": write_geojson}
"""Writers of outlines, by the kind of result."""


@dataclass(frozen=True, eq=False)
class Segmented:
    """An image that is segmented and measured, not yet written; the provenance has what the run adds.

    ``frame_times`` in seconds are those of the labels, empty if unknown.
    """

    request: SegmentRequest
    result: SegmentResult | FramedResult
    table: pd.DataFrame
    provenance: Mapping[str, Any]
    frame_times: tuple[float, ...] = ()


def wanted_outputs(planned: PlannedFile, batch: BatchSettings) -> dict[str, Path]:
    """Return the path of everything that is written for an image, by its kind."""
    optional = {"parquet": batch.parquet, "rois": batch.rois, "geojson": batch.geojson, "overlay": batch.overlay}
    # A table is always kept, among the run's notes where nobody asked for one: the report draws its areas, and the
    # table of all nuclei is made of it.
    paths = {
        "labels": planned.labels,
        "table": planned.table if batch.table else planned.record(".csv"),
        "thumbnail": planned.record(".png"),
    }
    return paths | {kind: planned.path(kind) for kind, wanted in optional.items() if wanted}


def check_outputs(batch: BatchSettings, *, classes: bool) -> None:
    """Raise `SettingsError` before the run where an output could not be written, or something not told, after it.

    ``classes`` says that the model tells classes of pixels, not nuclei.
    """
    if classes and (batch.follow or batch.wanted or batch.gate or batch.classes):
        raise SettingsError(
            "The model predicts classes of pixels, so there are no nuclei to follow, to tell apart, or to measure "
            "around: leave that out, or choose a model for nuclei."
        )
    if batch.gate:
        Gate.of(batch.gate)
    if batch.classes:
        read_classes(batch.classes)
    if batch.h5ad:
        check_anndata()
    if batch.parquet and importlib.util.find_spec("pyarrow") is None:
        raise SettingsError(
            "Writing Parquet requires the package pyarrow: install it (pip install pyarrow), or choose no Parquet."
        )


def write_outputs(found: Segmented, paths: Mapping[str, Path], around: CellSettings = CellSettings()) -> None:  # noqa: B008  # frozen
    """Write results to the paths of `wanted_outputs`, each whole or not at all; ``around`` is what was measured."""
    request, result = found.request, found.result
    size = request.pixel_size
    # The spacing that the user gave in place of the file's, or of none.
    size = replace(size, z=float(result.provenance.get("z_spacing", {}).get("um", 0.0)) or size.z)
    for kind, path in paths.items():
        if kind == "labels":
            write = write_label_store if path.suffix == ".zarr" else write_label_planes
            described: dict[str, Any] = {
                "pixel_size": size,
                "frame_times": found.frame_times,
                "provenance": found.provenance,
            }
            write(path, result.labels, axes=result.axes, **described)
        elif kind == "table":
            write_table(path, found.table)
        elif kind == "parquet":
            write_parquet_table(path, found.table)
        elif kind == "geojson" and not result.classes:
            size = request.pixel_size
            cells = DrawnCells.of(result.labels, around, (size.y, size.x)) if around.cell else None
            write_geojson(path, result.labels, axes=result.axes, origin=result.origin, cells=cells, table=found.table)
        elif kind in EXPORTS:
            # Exports leave out 0, which of nuclei is background, but of classes is one like the others.
            labels: AnyArray = result.labels
            if result.classes:
                labels = labels + np.int32(1)
            names = dict(enumerate(result.classes, start=1))
            EXPORTS[kind](path, labels, axes=result.axes, origin=result.origin, names=names)
        else:
            write_picture(kind, path, lambda side: outlined_plane(request, result, side))


def write_picture(kind: str, path: Path, draw: Callable[[int], Picture]) -> None:
    """Write a thumbnail or an overlay as PNG, drawn with at most so many pixels a side."""
    side = THUMBNAIL_SIDE if kind == "thumbnail" else math.isqrt(LARGEST_OVERLAY)
    with atomic(path) as partial:
        # Format and plugin are named, because the half-written file does not end in .png.
        iio.imwrite(partial, draw(side), plugin="pillow", extension=".png")


def outlined_plane(request: SegmentRequest, result: SegmentResult | FramedResult, side: int) -> Picture:
    """Draw the outlines into the middle plane, thinned out to at most ``side`` pixels a side."""
    index = tuple(length // 2 for length in result.labels.shape[:-2])
    labels = result.labels[index]
    step = max(1, math.ceil(max(labels.shape) / side))
    source, (y, x), (height, width) = request.source, result.origin[-2:], labels.shape
    leading = [start + i for start, i in zip(result.origin, index, strict=False)]
    rows, columns = slice(y, y + height, step), slice(x, x + width, step)
    pixels = read_thinned(source.array, source.axes, leading, rows, columns, request.shown_channels)
    return outlined(for_screen(pixels), labels[::step, ::step])


def read_thinned(
    array: AnyArray, axes: str, leading: Iterable[int], rows: slice, columns: slice, channels: Sequence[int]
) -> NDArray[Any]:
    """Read some rows and columns of a plane, as (Y, X) or with colours as (Y, X, S)."""
    samples = slice(0, 3) if "S" in axes and array.shape[axes.index("S")] >= 3 else 0
    several = slice(None) if len(channels) > 1 else channels[0]
    where: dict[str, slice | int] = {"Y": rows, "X": columns, "C": several, "S": samples}
    indices = iter(leading)
    key = tuple(where[letter] if letter in where else next(indices) for letter in axes)
    kept = [letter for letter, one in zip(axes, key, strict=True) if isinstance(one, slice)]
    # One slice, which a store on disk answers with the chunks that it touches; channels are chosen afterwards, for few
    # kinds of array take a list along one axis and slices along the others.
    pixels = np.asarray(array[key]).transpose([kept.index(letter) for letter in "YXCS" if letter in kept])
    return pixels[..., list(channels)] if "C" in kept else pixels


def _pieces(leading: Sequence[int], depth: int) -> Iterator[tuple[int | slice, ...]]:
    """Yield the indices of planes that are written at once: as many as a chunk is deep."""
    if not leading:
        yield ()
    for index in np.ndindex(*leading[:-1]):
        for start in range(0, leading[-1] if leading else 0, depth):
            yield (*index, slice(start, start + depth))


def _read(labels: AnyArray, place: tuple[int | slice, ...]) -> AnyArray:
    """Read a piece; of labels that lie frame by frame on disk, plane by plane."""
    if isinstance(labels, np.ndarray) or not place or not isinstance(place[-1], slice):
        return labels[place]
    planes = range(*place[-1].indices(int(labels.shape[len(place) - 1])))
    return np.stack([labels[(*place[:-1], plane)] for plane in planes])


def _range(labels: AnyArray, depth: int) -> tuple[int, int]:
    """Return the lowest and the highest id, read in pieces only where the type leaves it open how they are stored."""
    if np.dtype(labels.dtype) == np.int32:
        return 0, 0
    pieces = (_read(labels, place) for place in _pieces(labels.shape[:-2], depth))
    lowest, highest = zip(*((piece.min(), piece.max()) for piece in pieces), strict=True)
    return min(lowest), max(highest)


def write_label_store(
    path: Path,
    labels: AnyArray,
    *,
    axes: str,
    pixel_size: PixelSize,
    frame_times: tuple[float, ...] = (),
    provenance: Mapping[str, object],
) -> None:
    """Write labels (..., Y, X) as a store of NGFF 0.5 with a pyramid by nearest neighbour, plane by plane.

    ``frame_times`` in seconds are those of the axis T, of which the format holds the mean step.

    Raises
    ------
    ImageShapeError
        If OME-Zarr cannot describe the axes.
    OutputFileError
        If the store cannot be written, or ids are no integers from 0 to 2**63 − 1; −1 is background.
    """
    order = leading_order(axes[:-2])
    described = label_axes("".join(axes[place] for place in order) + "YX", None, pixel_size, frame_times)
    described_levels = pyramid((*(labels.shape[place] for place in order), *labels.shape[-2:]))
    partial = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(4)}.part{path.suffix}")
    try:
        names = [axis.letter.lower() for axis in described]
        # NGFF wants depth last of the leading axes.
        depth, (rows, columns) = (CUBE[0], CUBE[1:]) if names[-3:-2] == ["z"] else (1, (CHUNK, CHUNK))
        chunks = (*(1,) * (len(order) - 1), depth, rows, columns) if order else (rows, columns)
        in_order = list(order) == sorted(order)
        # Labels that lie frame by frame on disk stay there.
        ordered = labels if in_order else np.moveaxis(np.asarray(labels), order, range(len(order)))
        kind = label_kind(path, np.dtype(labels.dtype), *_range(ordered, depth))
        levels = [
            create_array(partial / str(number), level.shape, kind, chunks, names)
            for number, level in enumerate(described_levels)
        ]
        for place in _pieces(ordered.shape[:-2], depth):
            piece = np.maximum(_read(ordered, place), 0)
            for level in levels:
                level[place] = piece
                # Every second pixel, since between two ids lies a third nucleus.
                piece = piece[..., ::2, ::2]
        write_label_metadata(partial, described, described_levels, name="nuclei", source="", provenance=provenance)
        # A folder that has content cannot be replaced; killed in between, the run does this image again.
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)  # noqa: PTH105  # replaces in one step, on Windows too
    except OSError as error:
        raise OutputFileError(f"{path} was not written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)

"""Writes what a run leaves of one image: labels, table, outlines and pictures."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.folder.label_store import write_label_store
from napari_unet_nuclei.core.folder.plan import PlannedFile
from napari_unet_nuclei.core.image.io.write import LARGEST_OVERLAY, write_labels, write_table
from napari_unet_nuclei.core.image.picture import Picture, for_screen, outlined
from napari_unet_nuclei.core.labels.export.export import write_geojson, write_imagej_rois
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.settings import BatchSettings

if TYPE_CHECKING:
    import pandas as pd

THUMBNAIL_SIDE = 256
"""Pixels; the picture of an image in the report is no larger."""


@dataclass(frozen=True, eq=False)
class Segmented:
    """What is known of an image when the network is done.

    Attributes
    ----------
    request : SegmentRequest
    result : SegmentResult
    table : pandas.DataFrame
    provenance : dict
        Of the result, with what the run adds.
    """

    request: SegmentRequest
    result: SegmentResult
    table: pd.DataFrame
    provenance: Mapping[str, Any]


def wanted_outputs(planned: PlannedFile, batch: BatchSettings) -> dict[str, Path]:
    """Return the path of everything that is written for an image, by its kind.

    A table is always kept: among the run's notes where nobody asked for one.
    """
    optional = {"parquet": batch.parquet, "rois": batch.rois, "geojson": batch.geojson, "overlay": batch.overlay}
    paths = {
        "labels": planned.labels,
        "table": planned.table if batch.table else planned.record(".csv"),
        "thumbnail": planned.record(".png"),
    }
    return paths | {kind: planned.path(kind) for kind, wanted in optional.items() if wanted}


def check_outputs(batch: BatchSettings) -> None:
    """Refuse before the run what could not be written after it.

    Raises
    ------
    SettingsError
        If a package is missing.
    """
    if batch.parquet and importlib.util.find_spec("pyarrow") is None:
        raise SettingsError(
            "Writing Parquet takes the package pyarrow: install it (pip install pyarrow), or do without."
        )


def write_outputs(found: Segmented, paths: Mapping[str, Path]) -> None:
    """Write results to their paths, each whole or not at all.

    Parameters
    ----------
    found : Segmented
    paths : mapping of str to Path
        By kind, as `wanted_outputs` returns them.

    Raises
    ------
    OutputFileError
        If a file cannot be written; those before it are there.
    """
    request, result = found.request, found.result
    for kind, path in paths.items():
        if kind == "labels":
            write = write_label_store if path.suffix == ".zarr" else write_labels
            write(path, result.labels, axes=result.axes, pixel_size=request.pixel_size, provenance=found.provenance)
        elif kind == "table":
            write_table(path, found.table)
        elif kind == "parquet":
            with atomic(path) as partial:
                found.table.to_parquet(partial, index=False)
        elif kind in ("rois", "geojson"):
            export = write_imagej_rois if kind == "rois" else write_geojson
            labels, names = _named_labels(result)
            export(path, labels, axes=result.axes, origin=result.origin, names=names)
        else:
            side = THUMBNAIL_SIDE if kind == "thumbnail" else math.isqrt(LARGEST_OVERLAY)
            _write_picture(path, outlined_plane(request, result, side))


def outlined_plane(request: SegmentRequest, result: SegmentResult, side: int) -> Picture:
    """Draw the outlines into the middle plane, thinned out to at most ``side`` pixels a side."""
    index = tuple(length // 2 for length in result.labels.shape[:-2])
    labels = result.labels[index]
    step = max(1, math.ceil(max(labels.shape) / side))
    pixels = _plane(request, result, index, step)
    return outlined(for_screen(pixels), labels[::step, ::step])


def _plane(request: SegmentRequest, result: SegmentResult, index: tuple[int, ...], step: int) -> NDArray[Any]:
    """Read a plane of the image, of the part that was segmented, as (Y, X) or with colours as (Y, X, S)."""
    source, shown = request.source, request.shown_channels
    (y, x), (height, width) = result.origin[-2:], result.labels.shape[-2:]
    where: dict[str, slice | int] = {
        "Y": slice(y, y + height, step),
        "X": slice(x, x + width, step),
        "C": slice(None) if len(shown) > 1 else shown[0],
        "S": slice(0, 3) if source.channels == 3 else 0,
    }
    leading = iter([start + i for start, i in zip(result.origin, index, strict=False)])
    pixels = np.asarray(source.array[tuple(where[a] if a in where else next(leading) for a in source.axes)])
    left = [letter for letter in source.axes if isinstance(where.get(letter), slice)]
    picture = pixels.transpose([left.index(letter) for letter in "YXCS" if letter in left])
    return picture[..., list(shown)] if "C" in left else picture


def _named_labels(result: SegmentResult) -> tuple[NDArray[np.int32], Mapping[int, str]]:
    """Return labels as areas from 1, with their names where they are classes, of which 0 is one."""
    if not result.classes:
        return result.labels, {}
    return result.labels + np.int32(1), dict(enumerate(result.classes, start=1))


def _write_picture(path: Path, picture: Picture) -> None:
    with atomic(path) as partial:
        iio.imwrite(partial, picture, plugin="pillow", extension=".png")

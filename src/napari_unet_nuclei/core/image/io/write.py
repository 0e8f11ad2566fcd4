"""Write labels, tables, overlays and JSON atomically: a file is there complete or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.arrays import as_array, as_label_array
from napari_unet_nuclei.core.errors import ImageShapeError, OutputFileError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.files.tables import as_cell
from napari_unet_nuclei.core.image.axes import guess_axes
from napari_unet_nuclei.core.image.io.tiff.metadata import FRAME_TIMES_KEY, PIXEL_SIZE_KEY
from napari_unet_nuclei.core.image.picture import for_screen, outlined
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.times import mean_step
from napari_unet_nuclei.core.types import AnyArray, Labels

if TYPE_CHECKING:
    import pandas as pd

PROVENANCE_KEY = "provenance"
"""Key of a label file's provenance: in the JSON of a TIFF, or the map annotation of an OME-TIFF."""

LARGEST_OVERLAY = 16_000_000
"""Overlays of larger planes are subsampled to about this many pixels."""

PARQUET_ROWS = 100_000
"""Rows of a table that are in memory at once while it is converted."""

_OME_SUFFIXES = (".ome.tif", ".ome.tiff")

_CLASSIC_TIFF_BYTES = 2**32 - 2**25  # reach of 32-bit offsets, minus room for tags


@checked
def write_labels(
    path: Path | str,
    labels: AnyArray,
    *,
    axes: str = "",
    pixel_size: PixelSize | None = None,
    provenance: Mapping[str, object] = {},
) -> None:
    """Write labels as a zlib-compressed TIFF with axes, pixel size and provenance.

    Parameters
    ----------
    path : Path or str
        Written as OME-TIFF if it ends in ``.ome.tif`` or ``.ome.tiff``.
    labels : array_like
        Ids from 0, any integer dtype; stored as int32, or as uint32 or int64 if ids need it; −1 is background.
    axes : str
        One letter per axis: T, Z, Y, X, Q. Guessed from the shape if empty.
    pixel_size : PixelSize, optional
        In µm; unknown parts are left out.
    provenance : mapping
        How the labels were made: names and values that JSON can hold, numpy numbers and paths included.

    Raises
    ------
    ImageShapeError
        If the axes do not match the array, or it is empty.
    OutputFileError
        If ids are not integers from 0 to 2**63 − 1 (of OME-TIFF 4,294,967,295), or the file cannot be written.

    Examples
    --------
    >>> from napari_unet_nuclei import PixelSize, fluorescent_nuclei, read_image, write_labels
    >>> labels = fluorescent_nuclei(shape=(160, 160), count=12).labels
    >>> write_labels("cells_labels.tif", labels, pixel_size=PixelSize(0.325, 0.325))
    >>> read_image("cells_labels.tif").pixel_size.y
    0.325
    """
    path = Path(path)
    stored = _storable(path, as_label_array(labels))
    axes = axes or guess_axes(stored.shape, stored.dtype)
    if len(axes) != stored.ndim or stored.size == 0:
        raise ImageShapeError(f"Labels of shape {stored.shape} cannot be written with the axes {axes!r}.")
    described = _Described(axes, pixel_size or PixelSize(), provenance)
    _write_tiff(path, stored, stored.shape, stored.dtype, described)


def write_label_planes(
    path: Path,
    labels: AnyArray,
    *,
    axes: str,
    pixel_size: PixelSize,
    frame_times: tuple[float, ...] = (),
    provenance: Mapping[str, object] = {},
) -> None:
    """Write labels (..., Y, X), int32, like `write_labels`, but read them plane by plane: they may lie on disk.

    ``frame_times`` in seconds are those of the axis T.
    """
    shape = tuple(labels.shape)
    if not shape or 0 in shape:
        raise ImageShapeError(f"Labels of shape {shape} cannot be written with the axes {axes!r}.")
    planes = (np.asarray(labels[index], np.int32) for index in np.ndindex(*shape[:-2]))
    _write_tiff(path, planes, shape, np.dtype(np.int32), _Described(axes, pixel_size, provenance, frame_times))


def write_label_movie(
    path: Path,
    frames: Iterable[Labels],
    shape: tuple[int, ...],
    *,
    pixel_size: PixelSize,
    frame_times: tuple[float, ...] = (),
    provenance: Mapping[str, object] = {},
) -> None:
    """Write a movie of labels like `write_labels`, one frame (Y, X) or (Z, Y, X) at a time.

    ``shape`` of the movie, (T, Y, X) or (T, Z, Y, X); ``frame_times`` in seconds. Raise OutputFileError if the file
    cannot be written.
    """
    described = _Described("TZYX" if len(shape) == 4 else "TYX", pixel_size, provenance, frame_times)
    planes = (plane for frame in frames for plane in frame.reshape(-1, *shape[-2:]))
    _write_tiff(path, planes, shape, np.dtype(np.int32), described)


@dataclass(frozen=True)
class _Described:
    """What a label file says of its labels."""

    axes: str
    pixel_size: PixelSize
    provenance: Mapping[str, object]
    frame_times: tuple[float, ...] = ()


def _write_tiff(
    path: Path, data: AnyArray | Iterator[Labels], shape: tuple[int, ...], dtype: np.dtype[Any], described: _Described
) -> None:
    """Write an array, or planes as they come."""
    ome = path.name.lower().endswith(_OME_SUFFIXES)
    describe = _ome_description if ome else _plain_description
    size = described.pixel_size
    with atomic(path) as partial:
        tifffile.imwrite(
            partial,
            data,
            shape=shape,
            dtype=dtype,
            ome=ome,
            # By the uncompressed size: how far compression shrinks it is known too late.
            bigtiff=math.prod(shape) * dtype.itemsize > _CLASSIC_TIFF_BYTES,
            photometric="minisblack",
            compression="zlib",
            # To JSON and back, because tifffile's encoder does not know NumPy numbers and paths.
            metadata=describe(replace(described, provenance=json.loads(_json(described.provenance)))),
            # For readers that know neither this JSON nor OME, such as ImageJ.
            resolution=(1e4 / size.x, 1e4 / size.y) if size.known else None,
            resolutionunit="CENTIMETER" if size.known else "NONE",
        )


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV (UTF-8, comma, decimal point) without the row index; texts as `as_cell` takes them.

    Raise OutputFileError if the file cannot be written.
    """
    texts = [name for name, kind in table.dtypes.items() if kind.kind not in "biufc"]
    shown = table.assign(**{str(name): table[name].map(as_cell) for name in texts}).rename(columns=as_cell)
    with atomic(path) as partial:
        shown.to_csv(partial, index=False, encoding="utf-8", lineterminator="\n")


def write_parquet_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet without the row index; needs the package pyarrow.

    Raise OutputFileError if the file cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    # As an open file: pyarrow takes no path that is not UTF-8, and pandas 2 hands on the path of a file.
    with atomic(path) as partial, partial.open("wb") as file:
        parquet.write_table(pyarrow.Table.from_pandas(table, preserve_index=False), file)


def write_parquet(path: Path, table: Path) -> None:
    """Convert a CSV table to Parquet, chunk by chunk; needs the package pyarrow.

    Raise OutputFileError if the file cannot be written.
    """
    import pandas as pd
    import pyarrow
    from pyarrow import parquet

    with pd.read_csv(table, chunksize=PARQUET_ROWS) as chunks, atomic(path) as partial:
        first = pyarrow.Table.from_pandas(next(chunks), preserve_index=False)
        # As an open file: pyarrow takes no path that is not UTF-8.
        with partial.open("wb") as file, parquet.ParquetWriter(file, first.schema) as writer:
            writer.write_table(first)
            for chunk in chunks:
                # The first chunk's schema: a later one without fractions would be read as integers.
                writer.write_table(pyarrow.Table.from_pandas(chunk, schema=first.schema, preserve_index=False))


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON (UTF-8); NumPy numbers, arrays and paths are converted.

    Raise OutputFileError if the file cannot be written.
    """
    with atomic(path) as partial:
        # Of a name that is no text, the bytes become escapes, which JSON has as well.
        partial.write_text(_json(value, indent=2) + "\n", encoding="utf-8", errors="backslashreplace")


@checked
def write_overlay(path: Path | str, image_plane: AnyArray, labels_plane: AnyArray) -> None:
    """Write a PNG of one plane with the outline of every nucleus in a colour of its own.

    Parameters
    ----------
    path : Path or str
        Ends in ``.png``.
    image_plane : array_like
        Axes (Y, X) or (Y, X, S), any dtype. 8-bit colours are shown unchanged, anything else is stretched from the 1st
        to the 99.8th percentile.
    labels_plane : array_like
        Axes (Y, X), integer ids.

    Raises
    ------
    ImageShapeError
        If image and labels differ in height or width.
    OutputFileError
        If the file cannot be written.
    """
    image, labels = np.asarray(as_array(image_plane)), np.asarray(as_label_array(labels_plane))
    colours_fit = image.ndim == 2 or image.shape[2:] in ((3,), (4,))
    if labels.ndim != 2 or image.shape[:2] != labels.shape or labels.size == 0 or not colours_fit:
        raise ImageShapeError(f"An image of shape {image.shape} does not match labels of shape {labels.shape}.")
    step = math.ceil(math.sqrt(labels.size / LARGEST_OVERLAY))
    # Outlines are drawn after subsampling, which would make them dashed.
    drawn = outlined(for_screen(image[::step, ::step]), labels[::step, ::step])
    with atomic(Path(path)) as partial:
        iio.imwrite(partial, drawn, plugin="pillow", extension=".png")


def label_kind(path: Path, dtype: np.dtype[Any], lowest: int, highest: int) -> np.dtype[Any]:
    """Choose the type that labels are stored with: int32, or uint32 or int64 if ids need it.

    Raise OutputFileError if ids are no integers, or none of these holds them; −1 stands for background.
    """
    # OME knows no integers of 64 bits.
    kinds = ("int32", "uint32") if path.name.lower().endswith(_OME_SUFFIXES) else ("int32", "uint32", "int64")
    kind = next((kind for kind in kinds if highest <= np.iinfo(np.dtype(kind)).max), "")
    if dtype.kind not in "bui" or lowest < -1 or not kind:
        raise OutputFileError(
            f"{path} was not written: ids of nuclei must be integers from 0 to {np.iinfo(np.dtype(kinds[-1])).max}, "
            f"but these are {dtype} from {lowest} to {highest}. Relabel them first."
        )
    return np.dtype(kind)


def _storable(path: Path, labels: NDArray[Any]) -> NDArray[np.integer]:
    """Return labels in the type of `label_kind`; −1, which stands for background, becomes 0."""
    lowest, highest = (labels.min(), labels.max()) if labels.size else (0, 0)
    kind = label_kind(path, labels.dtype, lowest, highest)
    return (np.maximum(labels, 0) if lowest < 0 else labels).astype(kind, copy=False)


def _plain_description(said: _Described) -> dict[str, object]:
    """Metadata that tifffile writes as JSON into the image description."""
    sizes = {"y": said.pixel_size.y, "x": said.pixel_size.x, "z": said.pixel_size.z}
    times = {FRAME_TIMES_KEY: list(said.frame_times)} if said.frame_times else {}
    return {"axes": said.axes, PIXEL_SIZE_KEY: sizes, **times, PROVENANCE_KEY: said.provenance}


def _ome_description(said: _Described) -> dict[str, object]:
    """Metadata that tifffile writes as OME-XML."""
    sizes = {"X": said.pixel_size.x, "Y": said.pixel_size.y, "Z": said.pixel_size.z}
    described: dict[str, object] = {"axes": said.axes, "MapAnnotation": {PROVENANCE_KEY: _json(said.provenance)}}
    for axis, size in sizes.items():
        if size > 0:
            described |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    if len(said.frame_times) > 1:
        described |= {"TimeIncrement": mean_step(said.frame_times), "TimeIncrementUnit": "s"}
    return described


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, default=_jsonable)


def _jsonable(value: object) -> object:
    """Convert NumPy values and paths to JSON values."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")

"""Opens TIFF files of all sorts with their axes and pixel size; large ones stay on disk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import tifffile
import zarr
from tifffile import COMPRESSION, TiffFile, TiffPageSeries

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.image_file import ImageFile, ImageHeader
from napari_unet_nuclei.core.image.io.tiff_metadata import (
    tiff_axes,
    tiff_channel_colours,
    tiff_channel_names,
    tiff_pixel_size,
)
from napari_unet_nuclei.core.types import AnyArray

LAZY_ABOVE = 64_000_000
"""Images with more values than this are left on disk and read piece by piece."""

# Values that one chunk on disk may hold for that: every read decodes whole chunks.
_LARGEST_CHUNK = LAZY_ABOVE // 4


def read_tiff(path: Path, index: int) -> ImageFile:
    """Read one series of a TIFF file; of a pyramid the finest level.

    Parameters
    ----------
    path : Path
    index : int
        Number of the series.

    Raises
    ------
    ImageFileError
        If there is no such series, if it is no image, or if the file ends before it; other errors are tifffile's.
    """
    with _opened(path, index) as (tif, series):
        header = _header(path, tif, series, index)
        array = _tiff_array(path, tif, series, index)
        axes = tiff_axes(series)
        if axes != header.axes:
            array = np.moveaxis(np.asarray(array), axes.index("S"), -1)
        return ImageFile(
            path,
            array,
            header.axes,
            header.pixel_size,
            header.channel_names,
            header.images,
            header.channel_colours,
        )


def read_tiff_header(path: Path, index: int) -> ImageHeader:
    """Read what a TIFF file says of one of its series, as `read_tiff` does."""
    with _opened(path, index) as (tif, series):
        return _header(path, tif, series, index)


@contextmanager
def _opened(path: Path, index: int) -> Iterator[tuple[TiffFile, TiffPageSeries]]:
    """Open a file and choose a series that is whole."""
    with TiffFile(path) as tif:
        if not 0 <= index < len(tif.series):
            raise ImageFileError(f"{path} has {len(tif.series)} image series: there is no number {index} (from 0).")
        series = tif.series[index]
        if not {"Y", "X"} <= set(tiff_axes(series)) or 0 in series.shape:
            raise ImageFileError(f"{path} holds no image: its array has the shape {tuple(series.shape)}.")
        _check_extent(path, series)
        yield tif, series


def _header(path: Path, tif: TiffFile, series: TiffPageSeries, index: int) -> ImageHeader:
    """Colour samples come last, however they are stored."""
    axes = tiff_axes(series)
    shape = dict(enumerate(series.shape))
    order = sorted(range(len(axes)), key=lambda position: axes[position] == "S")
    channels = series.shape[axes.index("C")] if "C" in axes else 1
    return ImageHeader(
        path,
        tuple(int(shape[position]) for position in order),
        np.dtype(series.dtype),
        "".join(axes[position] for position in order),
        tiff_pixel_size(tif, index),
        tiff_channel_names(tif, index, channels),
        len(tif.series),
        tiff_channel_colours(tif, index, channels),
    )


def _check_extent(path: Path, series: TiffPageSeries) -> None:
    """Compare the declared size with what the file holds, before any memory is taken for it."""
    if series.dataoffset is not None:
        stored, complete = series.nbytes, series.dataoffset + series.nbytes <= series.keyframe.parent.filehandle.size
    else:
        stored, complete = 0, True
        for page in series.pages:
            if page is not None:  # an acquisition that was stopped leaves planes out
                ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
                complete = complete and max(ends, default=0) <= page.parent.filehandle.size
                stored += sum(page.databytecounts)
    # Single bits unpack to bytes; the best codecs shrink constant images 30,000 times.
    largest_ratio = 8 if series.keyframe.compression == COMPRESSION.NONE else 40_000
    if not complete:
        raise ImageFileError(f"{path} ends before its image does: it was cut short. Copy or export it again.")
    if series.nbytes > stored * largest_ratio:
        raise ImageFileError(
            f"{path} claims to hold an image of {' × '.join(map(str, series.shape))} values, "
            f"but has {stored} bytes for it: it is damaged. Copy or export it again."
        )


def _tiff_array(path: Path, tif: TiffFile, series: TiffPageSeries, index: int) -> AnyArray:
    """Return the values of a series: in memory where small, else left on disk."""
    if series.keyframe.compression not in tifffile.TIFF.DECOMPRESSORS:
        return _decoded_by_pillow(path, tif, series)
    if math.prod(series.shape) > LAZY_ABOVE:
        if series.dataoffset is not None and series.keyframe.is_memmappable:
            return tifffile.memmap(path, series=index, mode="r")
        lazy = zarr.open_array(tifffile.imread(path, aszarr=True, series=index, level=0), mode="r")
        if math.prod(lazy.chunks) <= _LARGEST_CHUNK:
            return lazy
    return series.asarray()


def _decoded_by_pillow(path: Path, tif: TiffFile, series: TiffPageSeries) -> AnyArray:
    """Read a compression (LZW, JPEG) for which tifffile wants a further package, and Pillow does not.

    Raises
    ------
    ImageFileError
        If Pillow cannot read it either, or reads something else than the series.
    """
    try:
        pages = [page for page in series.pages if page is not None and page.parent is tif]
        if len(pages) < len(series.pages):
            raise ValueError("planes in several files")
        with iio.imopen(path, "r", plugin="pillow") as file:
            planes = np.stack([file.read(index=page.index) for page in pages])
        return planes.reshape(series.shape)
    except Exception as error:  # whatever hinders Pillow, the remedy is the same
        raise ImageFileError(
            f"{path} is compressed by {COMPRESSION(series.keyframe.compression).name}, which cannot be read here "
            f"({error}). Install the package imagecodecs, or save it with deflate or without compression."
        ) from error

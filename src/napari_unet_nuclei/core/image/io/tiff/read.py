"""Read TIFF files with axes, pixel size and channels as microscopes write them; large ones stay on disk."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import tifffile
import zarr
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPageSeries

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.colour import without_blank_opacity
from napari_unet_nuclei.core.image.io.image_file import ImageFile, ImageHeader, check_series, file_of
from napari_unet_nuclei.core.image.io.tiff.flex import flex_remarks
from napari_unet_nuclei.core.image.io.tiff.metadata import (
    ome_image,
    suffix_flags,
    tiff_channel_colours,
    tiff_channel_names,
    tiff_frame_times,
    tiff_pixel_size,
)
from napari_unet_nuclei.core.image.io.tiff.ome import OmeFile, OmeImage, read_ome
from napari_unet_nuclei.core.image.io.tiff.samples import Meaning, find_meaning
from napari_unet_nuclei.core.types import AnyArray

LAZY_ABOVE = 64_000_000
"""Images with more values stay on disk and are read in parts."""

LAZY_STACK_ABOVE = 8_000_000
"""The same for several planes, which are read one by one: a movie of 512² pixels from its 31st frame on."""

_JPEG = (COMPRESSION.JPEG, COMPRESSION.OJPEG, COMPRESSION.ALT_JPEG)
"""Compressions of which the decoder returns red, green and blue; values are only roughly those that were stored."""

_PILLOW_MODES = {PHOTOMETRIC.PALETTE: "P", PHOTOMETRIC.YCBCR: "RGB"}
"""Asked of Pillow, which would look up the colours of palettes, and leave brightness and hues as they are."""

LARGEST_DECODED = 8 * LAZY_ABOVE
"""Values that Pillow may decode, which does so at once: a slide would fill the memory."""

_LARGEST_CHUNK = LAZY_ABOVE // 4
"""Values of a chunk on disk up to which that pays: every read decodes whole chunks."""


def read_tiff(path: Path, index: int) -> ImageFile:
    """Read one series of a TIFF file, or the finest level of a pyramid.

    Raise ImageFileError if there is no such series, it is not an image, or the file is truncated. Other errors are
    tifffile's.
    """
    with _opened(path, index) as opened:
        stored = _tiff_array(opened)
        meaning = find_meaning(opened.series, lambda: stored)
        array = stored if meaning.convert is None else meaning.convert(stored)
        if isinstance(array, np.ndarray):
            array = without_blank_opacity(array, meaning.axes)
        return file_of(opened.header(meaning), array, stored)


def read_tiff_header(path: Path, index: int) -> ImageHeader:
    """Read the header of one series of a TIFF file."""
    with _opened(path, index) as opened:
        return opened.header()


def tiff_headers(path: Path) -> list[ImageHeader]:
    """Read the headers of all series of a TIFF file; of an OME-TIFF, of the images that it holds planes of."""
    ome = read_ome(path)
    places = {(image.path, image.series): image for image in ome.images} if ome else {}
    if any(image.path != path for image in places.values()):
        return [read_tiff_header(*place) for place in places]
    flags = _flags(path, ome)
    with TiffFile(path, **flags) as tif:
        for series in tif.series:
            _check_series(path, series)
        return [
            _Opened(path, flags, tif, series, index, places.get((path, index))).header()
            for index, series in enumerate(tif.series)
        ]


def is_jpeg_tiff(path: Path) -> bool:
    """Tell whether the first page of a TIFF file is compressed as JPEG is, which changes values."""
    with TiffFile(path, **suffix_flags(path)) as tif:
        return tif.pages.first.compression in _JPEG


@dataclass(frozen=True)
class _Opened:
    """One series of an open file, and how tifffile opens it again."""

    path: Path
    flags: Mapping[str, Any]
    tif: TiffFile
    series: TiffPageSeries
    index: int
    ome: OmeImage | None = None

    def header(self, meaning: Meaning | None = None) -> ImageHeader:
        """Return the header; of OME-TIFF with what is known of the image's files. ``meaning`` may be known."""
        meaning = meaning or find_meaning(self.series, lambda: _lazy_array(self))
        header = _header(self.path, self.tif, self.series, self.index, meaning)
        remarks = flex_remarks(self.tif)
        if self.ome is None:
            return replace(header, remarks=remarks)
        return replace(header, consumed=self.ome.consumed, remarks=(*self.ome.remarks, *remarks))


@contextmanager
def _opened(path: Path, index: int) -> Iterator[_Opened]:
    """Open a file, or the one that stands for its image, and check that the chosen series is an image and complete."""
    ome, image = read_ome(path), None
    if ome is not None:
        check_series(path, index, len(ome.images))
        image = ome.images[index]
        if image.path != path:
            with _opened(image.path, image.series) as opened:
                yield opened
            return
    flags = _flags(path, ome)
    with TiffFile(path, **flags) as tif:
        check_series(path, index, len(tif.series))
        _check_series(path, tif.series[index])
        yield _Opened(path, flags, tif, tif.series[index], index, image)


def _check_series(path: Path, series: TiffPageSeries) -> None:
    """Raise unless a series is an image, and the file holds all of it."""
    if not {"Y", "X"} <= set(series.axes) or 0 in series.shape:
        raise ImageFileError(f"{path} holds no image: its array has the shape {tuple(series.shape)}.")
    _check_extent(path, series)


def _flags(path: Path, ome: OmeFile | None) -> dict[str, Any]:
    """Return how tifffile is to open a file: by metadata that say where its planes are now, if it is OME-TIFF."""
    flags = suffix_flags(path)
    return flags if ome is None else {**flags, "omexml": ome.xml, "is_mmstack": False, "is_shaped": False}


def _header(path: Path, tif: TiffFile, series: TiffPageSeries, index: int, meaning: Meaning) -> ImageHeader:
    """Return the header of a series."""
    channels = meaning.shape[meaning.axes.index("C")] if "C" in meaning.axes else 1
    return ImageHeader(
        path,
        meaning.shape,
        np.dtype(series.dtype),
        meaning.axes,
        tiff_pixel_size(tif, index),
        tiff_channel_names(tif, index, channels),
        len(tif.series),
        tiff_channel_colours(tif, index, channels),
        index,
        _series_name(tif, series, index),
        "smaller copy" if series.keyframe.is_reduced and len(tif.series) > 1 else "",
        frame_times=tiff_frame_times(tif, index, series.shape[meaning.axes.index("T")]) if "T" in meaning.axes else (),
        stored_shape=tuple(int(length) for length in series.shape),
        stored_axes=meaning.stored_axes,
        guessed=meaning.remark,
    )


def _series_name(tif: TiffFile, series: TiffPageSeries, index: int) -> str:
    """Return what the file calls a series; empty if nothing, or if it holds no other."""
    if len(tif.series) == 1:
        return ""
    image = ome_image(tif, index)
    return (image.get("Name") or "") if image is not None else str(series.name or "")


def _check_extent(path: Path, series: TiffPageSeries) -> None:
    """Compare the declared size with the file's content before allocating memory for it."""
    if series.dataoffset is not None:
        stored, complete = series.nbytes, series.dataoffset + series.nbytes <= series.keyframe.parent.filehandle.size
    else:
        stored, complete = 0, True
        for page in series.pages:
            if page is not None:  # planes are missing where an acquisition was stopped
                ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
                complete = complete and max(ends, default=0) <= page.parent.filehandle.size
                stored += sum(page.databytecounts)
    # Uncompressed, single bits unpack to bytes; the best codecs shrink constant images by a factor of 30,000.
    largest_ratio = 8 if series.keyframe.compression == COMPRESSION.NONE else 40_000
    if not complete:
        raise ImageFileError(f"{path} ends before its image does: it is truncated. Copy or export it again.")
    if series.nbytes > stored * largest_ratio:
        raise ImageFileError(
            f"{path} claims to hold an image of {' × '.join(map(str, series.shape))} values, "
            f"but has {stored} bytes for it: it is damaged. Copy or export it again."
        )


def _tiff_array(opened: _Opened) -> AnyArray:
    """Return the values of a series: in memory if small, else lazily from disk."""
    values, plane = math.prod(opened.series.shape), opened.series.keyframe.size
    large = values > LAZY_ABOVE or (values > LAZY_STACK_ABOVE and values > plane)
    if _needs_pillow(opened.series) or large:
        array = _lazy_array(opened)
        # An image in one strip would be decoded as a whole for every part that is read.
        if not isinstance(array, zarr.Array) or math.prod(array.chunks) <= _LARGEST_CHUNK:
            return array
    return opened.series.asarray()


def _lazy_array(opened: _Opened) -> AnyArray:
    """Return the values of a series, lazily from disk wherever that can be."""
    path, series, flags = opened.path, opened.series, opened.flags
    if _needs_pillow(series):
        return _decoded_by_pillow(path, opened.tif, series)
    # Contiguous and uncompressed, it can be mapped into memory as it is.
    if series.dataoffset is not None and series.keyframe.is_memmappable:
        return tifffile.memmap(path, series=opened.index, mode="r", **flags)
    return zarr.open_array(tifffile.imread(path, aszarr=True, series=opened.index, level=0, **flags), mode="r")


def _needs_pillow(series: TiffPageSeries) -> bool:
    """True where tifffile lacks the package that decodes a series, or would leave its colours coded."""
    page = series.keyframe
    coded = page.photometric == PHOTOMETRIC.YCBCR and page.compression not in _JPEG
    return coded or page.compression not in tifffile.TIFF.DECOMPRESSORS


def _decoded_by_pillow(path: Path, tif: TiffFile, series: TiffPageSeries) -> AnyArray:
    """Decode a compression (LZW, JPEG) that Pillow supports and tifffile only with a further package."""
    try:
        if math.prod(series.shape) > LARGEST_DECODED:
            raise ValueError("it is too large to be decoded as a whole")
        pages = [page for page in series.pages if page is not None and page.parent is tif]
        if len(pages) < len(series.pages):
            raise ValueError("planes in several files")
        mode = _PILLOW_MODES.get(PHOTOMETRIC(series.keyframe.photometric))
        planes = np.stack([iio.imread(path, plugin="pillow", index=page.index, mode=mode) for page in pages])
        return planes.reshape(series.shape)
    except Exception as error:  # whatever Pillow's problem is, the remedy is the same
        compression = COMPRESSION(series.keyframe.compression)
        if compression == COMPRESSION.NONE:  # Pillow before version 13 reads none of these
            raise ImageFileError(
                f"{path} has its colours coded as YCbCr, which cannot be read here ({error}). "
                "Install Pillow 13 or newer, or save it as RGB."
            ) from error
        raise ImageFileError(
            f"{path} is compressed by {compression.name}, which cannot be read here "
            f"({error}). Install the package imagecodecs, or save it with deflate or without compression."
        ) from error

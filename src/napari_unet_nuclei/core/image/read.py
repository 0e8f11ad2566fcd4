"""Opens image files of every kind that needs no microscope maker's library, with their axes and pixel size."""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import tifffile
import zarr
from tifffile import COMPRESSION, TiffFile, TiffPageSeries

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.tiff_metadata import tiff_axes, tiff_channel_names, tiff_pixel_size
from napari_unet_nuclei.core.types import AnyArray

__all__ = ["IMAGE_SUFFIXES", "ImageFile", "PixelSize", "image_paths", "read_image"]

TIFF_SUFFIXES = frozenset({".tif", ".tiff", ".btf", ".tf8", ".lsm"})
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp"})
IMAGE_SUFFIXES = TIFF_SUFFIXES | PICTURE_SUFFIXES

LAZY_ABOVE = 64_000_000
"""TIFF images with more values than this are left on disk and read piece by piece."""

# Values that one chunk on disk may hold for that: every read decodes whole chunks.
_LARGEST_CHUNK = LAZY_ABOVE // 4
# Colour models that only printers and codecs use, and grey with opacity, become what microscopy knows.
_PICTURE_MODES = {"LA": "L", "La": "L", "PA": "RGBA", "RGBa": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB"}


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image as a file holds it.

    Attributes
    ----------
    path : Path
        The file.
    array : ndarray or zarr.Array
        Values as stored, dtype untouched; large TIFF images stay on disk (numpy.memmap or zarr) until sliced.
    axes : str
        One letter per axis: T, Z, C, Y, X, S (samples of a colour: red, green, blue, opacity), Q (any other).
    pixel_size : PixelSize
        In µm; 0.0 where the file does not tell.
    channel_names : tuple of str
        One per channel, or empty.
    """

    path: Path
    array: AnyArray
    axes: str
    pixel_size: PixelSize
    channel_names: tuple[str, ...] = ()


def read_image(path: Path, series: int = 0) -> ImageFile:
    """Read one image.

    Parameters
    ----------
    path : Path
        TIFF, OME-TIFF, ImageJ hyperstack, LSM, PNG, JPEG or BMP.
    series : int
        Which image of a TIFF file that holds several; of an image pyramid the finest level is read.

    Returns
    -------
    ImageFile

    Raises
    ------
    ImageFileError
        If there is no such file, or it is empty, damaged, truncated, or of a kind that cannot be read.
    """
    _check_readable(path)
    try:
        image = _read_tiff(path, series) if path.suffix.lower() in TIFF_SUFFIXES else _read_picture(path)
    except ImageFileError:
        raise
    except MemoryError as error:
        raise ImageFileError(f"{path} is too large for this computer's memory. Crop it, or save it as TIFF.") from error
    except Exception as error:  # a damaged file can make a decoder fail in any way
        raise ImageFileError(
            f"{path} cannot be read as an image ({error}). "
            "It may be damaged, incomplete, or no image: copy or export it again."
        ) from error
    if image.array.dtype.kind not in "buif":
        raise ImageFileError(f"{path} holds values of type {image.array.dtype}: save it with plain numbers.")
    return image


def image_paths(paths: Sequence[Path], recursive: bool = True) -> list[Path]:
    """List the image files that are meant by files, folders and patterns.

    Parameters
    ----------
    paths : sequence of Path
        Files are taken as they are. Of folders and patterns (``*``, ``?``, ``[...]``, ``**``), files with an image
        suffix are taken; hidden ones are not.
    recursive : bool
        Look into folders within folders too.

    Returns
    -------
    list of Path
        Sorted; a file that is reached in several ways is listed once.

    Raises
    ------
    ImageFileError
        If a path does not exist, a pattern matches nothing, a folder cannot be opened, or no image is found at all.
    """
    found: dict[str, Path] = {}
    for path in sorted(file for given in paths for file in _meant_by(given, recursive)):
        found.setdefault(os.path.realpath(path), path)
    if not found:
        places = ", ".join(str(path) for path in paths) or "an empty list"
        raise ImageFileError(f"No image found in {places}. Images end in {', '.join(sorted(IMAGE_SUFFIXES))}.")
    return list(found.values())


def _check_readable(path: Path) -> None:
    """Turn away what is no file with an image suffix and something in it."""
    if path.is_dir():
        raise ImageFileError(f"{path} is a folder: give an image file.")
    if not path.exists():
        raise ImageFileError(f"{path} does not exist: check the name.")
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise ImageFileError(
            f"{path}: files of this kind cannot be read. Convert it to OME-TIFF, "
            f"or use one of {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    if path.stat().st_size == 0:
        raise ImageFileError(f"{path} is empty (0 bytes): copy or export it again.")


def _read_picture(path: Path) -> ImageFile:
    """Read the first frame of a PNG, JPEG or BMP; palettes become colours."""
    mode = iio.immeta(path, plugin="pillow", index=0)["mode"]
    array = iio.imread(path, plugin="pillow", index=0, mode=_PICTURE_MODES.get(mode))
    return ImageFile(path, array, "YX" if array.ndim == 2 else "YXS", PixelSize())


def _read_tiff(path: Path, index: int) -> ImageFile:
    with TiffFile(path) as tif:
        if not 0 <= index < len(tif.series):
            raise ImageFileError(f"{path} has {len(tif.series)} image series: there is no number {index} (from 0).")
        series = tif.series[index]
        axes = tiff_axes(series)
        if not {"Y", "X"} <= set(axes) or 0 in series.shape:
            raise ImageFileError(f"{path} holds no image: its array has the shape {tuple(series.shape)}.")
        _check_extent(path, series)
        array = _tiff_array(path, tif, series, index)
        if "S" in axes[:-1]:
            array = np.moveaxis(np.asarray(array), axes.index("S"), -1)
            axes = axes.replace("S", "") + "S"
        channels = array.shape[axes.index("C")] if "C" in axes else 1
        return ImageFile(path, array, axes, tiff_pixel_size(tif, index), tiff_channel_names(tif, index, channels))


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


def _meant_by(path: Path, recursive: bool) -> Iterator[Path]:
    """List the files that one given path stands for."""
    if path.is_dir():
        yield from _images_in(path, recursive)
    elif path.exists():
        yield path
    elif glob.has_magic(str(path)):
        matches = [Path(match) for match in glob.glob(str(path), recursive=True)]  # noqa: PTH207  # Path.glob takes no absolute pattern
        if not matches:
            raise ImageFileError(f"Nothing matches {path}: check the pattern.")
        for match in matches:
            if match.is_dir():
                yield from _images_in(match, recursive)
            elif _looks_like_image(match):
                yield match
    else:
        raise ImageFileError(f"{path} does not exist: check the name.")


def _images_in(folder: Path, recursive: bool) -> Iterator[Path]:
    """List the images in a folder; links between folders are followed, each folder is entered once."""

    def refuse(error: OSError) -> None:
        raise ImageFileError(f"{error.filename} cannot be opened ({error.strerror}): check your permissions.")

    entered = {os.path.realpath(folder)}
    for place, subfolders, names in os.walk(folder, onerror=refuse, followlinks=True):
        visible = [name for name in sorted(subfolders) if not name.startswith(".") and not name.endswith(".zarr")]
        subfolders.clear()
        for name in visible if recursive else ():
            target = os.path.realpath(Path(place, name))
            if target not in entered:
                entered.add(target)
                subfolders.append(name)
        yield from (Path(place, name) for name in names if _looks_like_image(Path(place, name)))


def _looks_like_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()

"""Read image files of every format with their axes and pixel size."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.errors import ImageFileError, ImageShapeError
from napari_unet_nuclei.core.files.regular import open_regular
from napari_unet_nuclei.core.image.arrays import find_axes
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.formats import MicroscopeFormat, format_of, is_lossy_picture
from napari_unet_nuclei.core.image.io.image_file import ImageFile, ImageHeader, check_series, with_thumbnails_marked
from napari_unet_nuclei.core.image.io.microscopes.deltavision import open_dv
from napari_unet_nuclei.core.image.io.microscopes.leica import open_lif
from napari_unet_nuclei.core.image.io.microscopes.nikon import open_nd2
from napari_unet_nuclei.core.image.io.microscopes.olympus import open_oif
from napari_unet_nuclei.core.image.io.microscopes.planes import OpenedFile
from napari_unet_nuclei.core.image.io.microscopes.zeiss import open_czi
from napari_unet_nuclei.core.image.io.ome_zarr import converted_names, image_groups, is_ome_zarr, read_ome_zarr
from napari_unet_nuclei.core.image.io.picture_file import read_picture
from napari_unet_nuclei.core.image.io.plugin_file import plugin_headers, read_by_plugin
from napari_unet_nuclei.core.image.io.tiff.read import is_jpeg_tiff, read_tiff, read_tiff_header, tiff_headers
from napari_unet_nuclei.core.image.io.zarr_store import address, is_remote
from napari_unet_nuclei.core.image.pixel_size import PixelSize

LARGEST_PLANE = 2**37
"""Pixels; a whole slide at 0.1 µm has a quarter of it. A damaged header may claim any number."""

EXTRA = "formats"

_PACKAGES: dict[MicroscopeFormat, tuple[str, Callable[[Path, Any], OpenedFile]]] = {
    "nd2": ("nd2", open_nd2),
    "lif": ("liffile", open_lif),
    "czi": ("pylibCZIrw.czi", open_czi),
    "oif": ("oiffile", open_oif),
}
"""The package that reads a format, and the function that opens a file with it."""


@checked
def read_image(path: Path | str, series: int | None = None) -> ImageFile:
    """Read one image.

    Parameters
    ----------
    path : Path or str
        TIFF under whatever suffix, PNG, JPEG, BMP, GIF, WebP, JPEG 2000 or ``.npy``; the folder of an OME-Zarr image;
        DeltaVision; with the extra ``formats`` also ND2, LIF, CZI, OIB and OIF; any other format for which a napari
        reader is installed.
    series : int, optional
        Which image of a file or store with several; by default the first that is no thumbnail and no label of a slide,
        and the file's ``remarks`` say that there are others. Of a pyramid the finest level is read.

    Returns
    -------
    ImageFile

    Raises
    ------
    ImageFileError
        If there is no such file, or it may not be read, is empty, damaged, truncated, or of a kind that cannot be read.

    Examples
    --------
    >>> from napari_unet_nuclei import read_image, write_class_set
    >>> write_class_set("cells", images=1, shape=(64, 64))
    >>> file = read_image("cells/images/cells_00.png")
    >>> file.array.shape, file.axes
    ((64, 64), 'YX')
    """
    path = Path(path)
    with _errors_in_words(path):
        _check_readable(path)
        number, remark = (series, "") if series is not None else _first_picture(path)
        image = _read(path, number)
    _check_values(path, image.header)
    return replace(image, remarks=(*image.remarks, remark)) if remark else image


def _first_picture(path: Path) -> tuple[int, str]:
    """Choose the first image of a file that is no thumbnail, and say that there are others."""
    if is_ome_zarr(path):
        number, count = 0, len(image_groups(path))
    elif format_of(path) in ("tiff", "nd2", "lif", "czi", "oif", "dv"):
        headers = with_thumbnails_marked(_file_headers(path))
        pictures = [number for number, header in enumerate(headers) if not header.what] or [0]
        number, count = pictures[0], len(pictures)
    else:  # of one image, or only its reader can tell
        return 0, ""
    several = f"The file holds {count} images: number {number} was read. Choose another by its number (series)."
    return number, several if count > 1 else ""


def read_header(path: Path, series: int = 0) -> ImageHeader:
    """Read what a file says about its image: for most formats without the pixels.

    Raise ImageFileError as `read_image` does; damaged pixels are noticed only when they are read.
    """
    with _errors_in_words(path):
        _check_readable(path)
        match None if is_ome_zarr(path) else format_of(path):
            case "tiff":
                header = read_tiff_header(path, series)
            case "nd2" | "lif" | "czi" | "oif" | "dv" as microscope:
                headers = microscope_headers(path, microscope)
                check_series(path, series, len(headers))
                header = headers[series]
            case _:
                header = _read(path, series).header
    _check_values(path, header)
    return header


def read_headers(path: Path) -> tuple[ImageHeader, ...]:
    """Read what a file or a store says about each of its images; of those in a store, ``path`` is their own group.

    Raise ImageFileError as `read_image` does.
    """
    with _errors_in_words(path):
        _check_readable(path)
        return _store_headers(path) if is_ome_zarr(path) else with_thumbnails_marked(_file_headers(path))


def _store_headers(path: Path) -> tuple[ImageHeader, ...]:
    """Return the header of every image in a store, named as its file was, or by its place in the store."""
    groups = image_groups(path)
    if len(groups) == 1:
        return (_read_store(groups[0]).header,)
    places = [group.relative_to(path).as_posix() for group in groups]
    names = converted_names(path, len(groups)) or places
    return tuple(
        replace(_read_store(group).header, name=name or place)
        for group, name, place in zip(groups, names, places, strict=True)
    )


def _file_headers(path: Path) -> list[ImageHeader]:
    match format_of(path):
        case "tiff":
            return tiff_headers(path)
        case "picture":
            return [read_picture(path).header]
        case "numpy":
            return [_read_numpy(path).header]
        case None:
            return plugin_headers(path)
        case microscope:
            return microscope_headers(path, microscope)


def _read(path: Path, series: int) -> ImageFile:
    if is_ome_zarr(path):
        groups = image_groups(path)
        check_series(path, series, len(groups))
        return _read_store(groups[series])
    match format_of(path):
        case "tiff":
            return read_tiff(path, series)
        case "picture":
            return read_picture(path)
        case "numpy":
            return _read_numpy(path)
        case None:
            return read_by_plugin(path, series)
        case microscope:
            return open_microscope_file(path, microscope, series)


@contextmanager
def _errors_in_words(path: Path) -> Iterator[None]:
    """Turn any error of a decoder into one that says what to do."""
    try:
        yield
    except (ImageFileError, ImageShapeError):
        raise
    except PermissionError as error:
        raise ImageFileError(f"{path} cannot be read (permission denied): check its permissions.") from error
    except MemoryError as error:
        raise ImageFileError(f"{path} is too large for this computer's memory. Crop it, or save it as TIFF.") from error
    except Exception as error:  # a damaged file can make a decoder fail in any way
        raise ImageFileError(
            f"{path} cannot be read as an image ({error}). "
            "It may be damaged, incomplete, or not an image: copy or export it again."
        ) from error


def _check_readable(path: Path) -> None:
    """Raise if a path is not a readable, non-empty file."""
    if is_ome_zarr(path):
        return
    if is_remote(path):
        raise ImageFileError(f"There is no OME-Zarr image at {address(path)}. Download files of other kinds.")
    if path.is_dir():
        raise ImageFileError(f"{path} is a folder: give an image file.")
    if not path.exists():
        raise ImageFileError(f"{path} does not exist: check the name.")
    with open_regular(path) as file:
        if not file.read(1):
            raise ImageFileError(f"{path} is empty (0 bytes): copy or export it again.")


def _check_values(path: Path, header: ImageHeader) -> None:
    """Raise if the values are not real numbers, or there are none."""
    if header.dtype.kind not in "buif":
        raise ImageFileError(f"{path} holds values of type {header.dtype}: save it with real numbers.")
    if 0 in header.shape:
        raise ImageFileError(f"{path} holds no image: its array has the shape {header.shape}.")
    if math.prod(header.shape[header.axes.index(letter)] for letter in "YX") > LARGEST_PLANE:
        raise ImageFileError(
            f"{path} claims to have the shape {header.shape}, which no microscope makes: it is damaged."
        )


def _read_store(path: Path) -> ImageFile:
    """Open the finest level of an OME-Zarr image; its pixels stay on disk."""
    image = read_ome_zarr(path)
    names, colours = image.channel_names, image.channel_colours
    return ImageFile(
        path,
        image.levels[0],
        image.letters,
        image.pixel_size,
        names,
        channel_colours=colours,
        frame_times=image.frame_times,
    )


def _read_numpy(path: Path) -> ImageFile:
    """Open an array that NumPy saved; its pixels stay on disk."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "Python objects" not in str(error):
            raise
        raise ImageFileError(
            f"{path} holds Python objects, which could run any program, so it is never opened: save numbers."
        ) from error
    if 0 in array.shape:
        raise ImageFileError(f"{path} holds no image: its array has the shape {array.shape}.")
    return ImageFile(path, array, find_axes(array), PixelSize())


def is_lossy(path: Path) -> bool:
    """Tell whether a file is known to keep values only roughly, as JPEG does: good enough for pictures, not for ids."""
    match None if is_ome_zarr(path) else format_of(path):
        case "tiff":
            return is_jpeg_tiff(path)
        case "picture":
            return is_lossy_picture(path)
        case _:
            return False


def read_class_image(path: Path, series: int | None = None, *, exact: bool = False) -> ImageFile:
    """Read an image of class ids: like `read_image`, but palette indices are ids, not the colours they stand for.

    Raise ImageFileError as for `read_image`, and ImageShapeError if ids are to be ``exact`` and the file has lost them.
    """
    file = read_image(path, series)
    if exact and is_lossy(path):
        raise ImageShapeError(
            f"{path} is compressed with loss, as JPEG is, which changes the ids of classes: save it as PNG or TIFF "
            "from the program that made it. Of two classes, read it as a mask (binary)."
        )
    is_palette = file.stored is not None and "S" in file.axes and "S" not in file.stored_axes
    return replace(file, array=file.stored, axes=file.stored_axes) if is_palette else file


def read_label_image(path: Path, series: int | None = None) -> ImageFile:
    """Read labels of nuclei: like `read_class_image`, and of grey values saved as colours the grey values alone.

    Raise ImageFileError as for `read_image`, and ImageShapeError if the image has channels or true colours.
    """
    file = read_class_image(path, series)
    source = ImageSource(file.array, file.axes)
    if source.channels == 1:
        return file
    samples = np.moveaxis(np.asarray(file.array), file.axes.index("S"), -1) if source.is_colour else None
    if samples is None or (samples[..., :1] != samples[..., 1:3]).any():
        raise ImageShapeError(
            f"{path} has {source.channels} channels or colours, so it is not a label image, which needs one number per "
            "pixel: is this the image?"
        )
    return replace(file, array=samples[..., 0], axes=file.axes.replace("S", ""))


def open_microscope_file(path: Path, kind: MicroscopeFormat, series: int) -> ImageFile:
    """Open position (ND2), image (LIF) or scene (CZI) ``series`` of a file, counted from 0.

    Large images stay in their file and are read plane by plane, or, of mosaics, part by part.

    Raise ImageFileError if the package is not installed, or there is no such series. Other errors are those of the
    package.
    """
    opened = _open_microscope(path, kind)
    try:
        check_series(path, series, len(opened.images))
    except ImageFileError:
        opened.close()
        raise
    return opened.take(series)


def microscope_headers(path: Path, kind: MicroscopeFormat) -> list[ImageHeader]:
    """Return the headers of all images in a file of `open_microscope_file`, without reading their pixels."""
    opened = _open_microscope(path, kind)
    try:
        return [image.header for image in opened.images]
    finally:
        opened.close()


def _open_microscope(path: Path, kind: MicroscopeFormat) -> OpenedFile:
    """Open a file with its package."""
    if kind == "dv":
        return open_dv(path)
    name, opener = _PACKAGES[kind]
    try:
        package = importlib.import_module(name)
    except ImportError as error:
        raise ImageFileError(
            f"{path}: reading {kind.upper()} needs a package that is not installed. Install it with "
            f'pip install "napari-unet-nuclei[{EXTRA}]", or export the image as OME-TIFF.'
        ) from error
    return opener(path, package)

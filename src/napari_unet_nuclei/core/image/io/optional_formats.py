"""Read formats through packages that may not be installed.

ND2, LIF and CZI are read by the packages of the extra ``formats``; any other file by whatever napari reader plugin
accepts it, without opening a window.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.axes import guess_axes
from napari_unet_nuclei.core.image.io.formats import IMAGE_SUFFIXES, MicroscopeFormat
from napari_unet_nuclei.core.image.io.image_file import ImageFile, ImageHeader, check_series, one_each
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.types import AnyArray

EXTRA = "formats"


def open_microscope_file(path: Path, kind: MicroscopeFormat, series: int) -> ImageFile:
    """Open position (ND2), image (LIF) or scene (CZI) ``series`` of a file, counted from 0.

    Raise ImageFileError if the package is not installed, or there is no such series. Other errors are those of the
    package.
    """
    with _opened(path, kind) as (file, read):
        return read(file, path, series, True)


def microscope_header(path: Path, kind: MicroscopeFormat, series: int) -> ImageHeader:
    """Return the header of one image in a file of `open_microscope_file`, without reading its pixels."""
    with _opened(path, kind) as (file, read):
        return read(file, path, series, False).header


def microscope_headers(path: Path, kind: MicroscopeFormat) -> list[ImageHeader]:
    """Return the headers of all images in a file of `open_microscope_file`, without reading their pixels."""
    with _opened(path, kind) as (file, read):
        first = read(file, path, 0, False).header
        return [first, *(read(file, path, series, False).header for series in range(1, first.images))]


@contextmanager
def _opened(path: Path, kind: MicroscopeFormat) -> Iterator[tuple[Any, Callable[[Any, Path, int, bool], ImageFile]]]:
    """Open a file with its package, and find the function that reads an image of it."""
    name, opener, read = _READERS[kind]
    try:
        package = importlib.import_module(name)
    except ImportError as error:
        raise ImageFileError(
            f"{path}: reading {kind.upper()} needs a package that is not installed. Install it with "
            f'pip install "napari-unet-nuclei[{EXTRA}]", or export the image as OME-TIFF.'
        ) from error
    with getattr(package, opener)(path) as file:
        yield file, read


def _stand_in(shape: Sequence[int], dtype: Any) -> AnyArray:
    """Return an array of a shape that takes no memory, where only the header of an image is wanted."""
    return np.broadcast_to(np.zeros((), dtype), tuple(shape))


def _read_nd2(file: Any, path: Path, series: int, pixels: bool) -> ImageFile:
    sizes = dict(file.sizes)
    images = sizes.pop("P", 1)
    check_series(path, series, images)
    # Of one position, so its axis is no longer counted.
    shape = tuple(sizes.values())
    if pixels:
        array = file.asarray(position=series if "P" in file.sizes else None).reshape(shape)
    else:
        array = _stand_in(shape, file.dtype)
    names, pixel_size = _nd2_metadata(file)
    array, axes = _usual_axes(array, list(sizes))
    called = _nd2_position(file, series) if images > 1 else ""
    return ImageFile(path, array, axes, pixel_size, _names(names, array, axes), images, series=series, name=called)


def _nd2_position(file: Any, series: int) -> str:
    """Name of a position; empty if the file gives none."""
    loops = [loop for loop in file.experiment if loop.type == "XYPosLoop"]
    points = loops[0].parameters.points if loops else []
    return str(points[series].name or "") if series < len(points) else ""


def _nd2_metadata(file: Any) -> tuple[list[str], PixelSize]:
    """Channel names and pixel size; empty if the package cannot interpret the metadata."""
    try:
        channels = file.metadata.channels or []
    except Exception:  # noqa: BLE001  # e.g. for lack of a fluorescent probe; the pixels are fine
        return [], PixelSize()
    if not channels:
        return [], PixelSize()
    volume = channels[0].volume
    x, y, z = (
        micrometres(length) if calibrated else 0.0
        for length, calibrated in zip(volume.axesCalibration, volume.axesCalibrated, strict=True)
    )
    return [str(channel.channel.name) for channel in channels], PixelSize(y, x, z)


def _read_lif(file: Any, path: Path, series: int, pixels: bool) -> ImageFile:
    count = len(file.images)
    check_series(path, series, count)
    image = file.images[series]
    array, axes = _usual_axes(image.asarray() if pixels else _stand_in(image.shape, image.dtype), list(image.dims))
    spacings = {axis: _spacing(image.coords.get(axis, ())) for axis in "YXZ"}
    pixel_size = PixelSize(*(micrometres(spacings[axis], "m") for axis in "YXZ"))
    return ImageFile(path, array, axes, pixel_size, images=count, series=series, name=str(image.name))


def _spacing(coordinates: Sequence[float]) -> float:
    """Distance of neighbouring pixels, in the unit of their coordinates; 0 for a single pixel."""
    return abs(float(coordinates[1]) - float(coordinates[0])) if len(coordinates) > 1 else 0.0


def _read_czi(file: Any, path: Path, series: int, pixels: bool) -> ImageFile:
    # The package calls the samples of a colour 0, and scenes S.
    names = ["S" if letter == "0" else "scene" if letter == "S" else letter for letter in file.axes]
    scenes = sorted({_scene(entry) for entry in file.filtered_subblock_directory}) if "scene" in names else [0]
    check_series(path, series, len(scenes))
    entries = [entry for entry in file.filtered_subblock_directory if _scene(entry) == scenes[series]]
    array, axes = _usual_axes(_czi_array(entries, file.dtype, pixels), names)
    described = ElementTree.fromstring(file.metadata() or "<none/>")
    sizes = {
        distance.get("Id", ""): micrometres(distance.findtext("Value"), "m")
        for distance in described.iterfind(".//Scaling/Items/Distance")
    }
    channels = [
        channel.get("Name", "") for channel in described.iterfind(".//Information/Image/Dimensions/Channels/Channel")
    ]
    pixel_size = PixelSize(*(sizes.get(axis, 0.0) for axis in "YXZ"))
    called = [one.get("Name", "") for one in described.iterfind(".//Information/Image/Dimensions/S/Scenes/Scene")]
    name = called[scenes[series]] if len(scenes) > 1 and scenes[series] < len(called) else ""
    channels_found = _names(channels, array, axes)
    return ImageFile(path, array, axes, pixel_size, channels_found, len(scenes), series=series, name=name)


def _scene(entry: Any) -> int:
    """Scene that a piece of a CZI file belongs to."""
    return next((one.start for one in entry.dimension_entries if one.dimension == "S"), 0)


def _czi_array(entries: Sequence[Any], dtype: Any, pixels: bool) -> AnyArray:
    """Join the pieces of one scene: scenes lie far apart on a slide, and all in one array would be mostly empty."""
    starts = np.array([entry.start for entry in entries])
    first = starts.min(axis=0)
    shape = (starts + [entry.shape for entry in entries]).max(axis=0) - first
    if not pixels:
        return _stand_in(shape, dtype)
    array = np.zeros(shape, dtype)
    for entry in entries:
        tile = entry.data_segment().data(resize=True, order=0)
        place = tuple(slice(at, at + size) for at, size in zip(entry.start - first, tile.shape, strict=True))
        array[place] = tile
    return array


def _usual_axes(array: AnyArray, names: Sequence[str]) -> tuple[AnyArray, str]:
    """Name axes by one letter each, drop those of length 1, and move colour samples last."""
    letters = [name if name in ("T", "Z", "C", "Y", "X", "S") else "Q" for name in names]
    kept = [axis for axis, letter in enumerate(letters) if letter in "YX" or array.shape[axis] > 1]
    array = array.reshape([array.shape[axis] for axis in kept])
    axes = "".join(letters[axis] for axis in kept)
    if "S" in axes[:-1]:
        array, axes = np.moveaxis(array, axes.index("S"), -1), axes.replace("S", "") + "S"
    return array, axes


def _names(names: Sequence[str], array: AnyArray, axes: str) -> tuple[str, ...]:
    return one_each(array.shape[axes.index("C")] if "C" in axes else 1, names)


_READERS: dict[MicroscopeFormat, tuple[str, str, Callable[[Any, Path, int, bool], ImageFile]]] = {
    "nd2": ("nd2", "ND2File", _read_nd2),
    "lif": ("liffile", "LifFile", _read_lif),
    "czi": ("czifile", "CziFile", _read_czi),
}
"""By suffix, the package, its class of files, and the function that reads an image of one, or its header alone."""


def read_by_plugin(path: Path, series: int) -> ImageFile:
    """Read image layer ``series`` of those that an installed napari reader makes from a file.

    Raise ImageFileError if no installed reader accepts the file, or there is no such layer.
    """
    images = _image_layers(path)
    check_series(path, series, len(images))
    return _of_layer(path, images, series)


def plugin_headers(path: Path) -> list[ImageHeader]:
    """Return the headers of all images in a file of `read_by_plugin`, whose reader may read their pixels for it."""
    images = _image_layers(path)
    return [_of_layer(path, images, series).header for series in range(len(images))]


def _image_layers(path: Path) -> list[tuple[Any, ...]]:
    images = [layer for layer in _layers(path) if layer[0] is not None and (len(layer) < 3 or layer[2] == "image")]
    if not images:
        raise _unreadable(path)
    return images


def _of_layer(path: Path, images: Sequence[tuple[Any, ...]], series: int) -> ImageFile:
    array, meta = (*images[series], {})[:2]
    array = array[0] if isinstance(array, list | tuple) else array  # the finest level of a pyramid
    axes = _axes(array, meta)
    name = str(meta.get("name") or "") if len(images) > 1 else ""
    return ImageFile(path, array, axes, _pixel_size(meta, axes), images=len(images), series=series, name=name)


def _layers(path: Path) -> Sequence[tuple[AnyArray, ...]]:
    """Return the layers of the first reader that succeeds; napari's own, which accepts anything, is tried last."""
    try:
        from npe2 import PluginManager
        from npe2.io_utils import read
    except ImportError as error:
        raise _unreadable(path) from error
    manager = PluginManager.instance()
    manager.discover()
    names = {reader.plugin_name for reader in manager.iter_compatible_readers([str(path)])}
    problem: Exception | None = None
    for name in sorted(names, key=lambda name: (name == "napari", name)):
        try:
            return read([str(path)], stack=False, plugin_name=name)
        except Exception as error:  # noqa: BLE001  # another reader may succeed
            problem = error
    raise _unreadable(path) from problem


def _axes(array: AnyArray, meta: Mapping[str, Any]) -> str:
    """Name the axes as the reader says, or by the usual order."""
    channel = meta.get("channel_axis")
    if channel is not None:
        spatial = guess_axes(tuple(array.shape[axis] for axis in range(array.ndim) if axis != channel % array.ndim))
        return spatial[: channel % array.ndim] + "C" + spatial[channel % array.ndim :]
    colours = "S" if meta.get("rgb") else ""
    # Readers may name axes by words, such as 'time' and 'z'.
    labels = [str(label)[:1].upper() for label in meta.get("axis_labels", ())]
    if len(labels) + len(colours) == array.ndim and set(labels) <= set("TZCYX") and {"Y", "X"} <= set(labels):
        return "".join(labels) + colours
    if colours:
        return guess_axes(tuple(array.shape[:-1])) + colours
    return guess_axes(tuple(array.shape), array.dtype)


def _pixel_size(meta: Mapping[str, Any], axes: str) -> PixelSize:
    """Return the pixel size if the reader gives a scale with units of length."""
    # napari's scale has no entry for colour samples, nor for channels split into layers.
    letters = [letter for letter in axes if letter not in ("S", *("C" if "channel_axis" in meta else ""))]
    scale, units = meta.get("scale"), meta.get("units")
    if scale is None or units is None or len(scale) != len(letters):
        return PixelSize()
    named = [str(units)] * len(letters) if isinstance(units, str) else [str(unit) for unit in units]
    sizes = {letter: micrometres(*pair) for letter, *pair in zip(letters, scale, named, strict=False)}
    return PixelSize(*(sizes.get(letter, 0.0) for letter in "YXZ"))


def _unreadable(path: Path) -> ImageFileError:
    return ImageFileError(
        f"{path}: this file format cannot be read. Convert the file to OME-TIFF, install a napari reader for it, "
        f"or use one of {', '.join(sorted(IMAGE_SUFFIXES))}."
    )

"""Read whatever format an installed napari reader plugin accepts, without opening a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.axes import guess_axes
from napari_unet_nuclei.core.image.io.formats import IMAGE_SUFFIXES
from napari_unet_nuclei.core.image.io.image_file import ImageFile, ImageHeader, check_series
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.types import AnyArray


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

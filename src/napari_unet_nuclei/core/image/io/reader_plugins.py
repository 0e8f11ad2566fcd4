"""Opens any other file through whatever napari reader is installed, without opening a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.axes import guess_axes
from napari_unet_nuclei.core.image.io.find import IMAGE_SUFFIXES
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.types import AnyArray

_LETTERS = "TZCYX"


def read_by_plugin(path: Path, series: int) -> ImageFile:
    """Read the image layer that an installed napari reader makes of a file.

    Parameters
    ----------
    path : Path
    series : int
        Which of the image layers, where the reader makes several.

    Raises
    ------
    ImageFileError
        If no installed reader takes the file, or there is no such layer.
    """
    layers = _layers(path)
    images: list[tuple[AnyArray, ...]] = [
        layer for layer in layers if layer[0] is not None and (len(layer) < 3 or layer[2] == "image")
    ]
    if not images:
        raise _unreadable(path)
    if not 0 <= series < len(images):
        raise ImageFileError(f"{path} has {len(images)} image series: there is no number {series} (from 0).")
    array, meta = (*images[series], {})[:2]
    array = array[0] if isinstance(array, list | tuple) else array  # the finest level of a pyramid
    axes = _axes(array, meta)
    return ImageFile(path, array, axes, _pixel_size(meta, axes))


def _layers(path: Path) -> Sequence[tuple[AnyArray, ...]]:
    """Return what the first reader makes of a file; napari's own, which tries anything, comes last."""
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
        except Exception as error:  # noqa: BLE001  # whatever one reader stumbles over, another may do better
            problem = error
    raise _unreadable(path) from problem


def _axes(array: AnyArray, meta: Mapping[str, Any]) -> str:
    """Name the axes by what the reader says, or by the usual order."""
    channel = meta.get("channel_axis")
    if channel is not None:
        spatial = guess_axes(tuple(array.shape[axis] for axis in range(array.ndim) if axis != channel % array.ndim))
        return spatial[: channel % array.ndim] + "C" + spatial[channel % array.ndim :]
    colours = "S" if meta.get("rgb") else ""
    labels = [str(label)[:1].upper() for label in meta.get("axis_labels", ())]
    if len(labels) + len(colours) == array.ndim and set(labels) <= set(_LETTERS) and {"Y", "X"} <= set(labels):
        return "".join(labels) + colours
    if colours:
        return guess_axes(tuple(array.shape[:-1])) + colours
    return guess_axes(tuple(array.shape), array.dtype)


def _pixel_size(meta: Mapping[str, Any], axes: str) -> PixelSize:
    """Tell the pixel size where the reader gives a scale with units of length."""
    letters = [letter for letter in axes if letter not in ("S", *("C" if "channel_axis" in meta else ""))]
    scale, units = meta.get("scale"), meta.get("units")
    if scale is None or units is None or len(scale) != len(letters):
        return PixelSize()
    named = [str(units)] * len(letters) if isinstance(units, str) else [str(unit) for unit in units]
    sizes = {letter: micrometres(*pair) for letter, *pair in zip(letters, scale, named, strict=False)}
    return PixelSize(*(sizes.get(letter, 0.0) for letter in "YXZ"))


def _unreadable(path: Path) -> ImageFileError:
    return ImageFileError(
        f"{path}: files of this kind cannot be read. Convert it to OME-TIFF, install a napari reader for it, "
        f"or use one of {', '.join(sorted(IMAGE_SUFFIXES))}."
    )

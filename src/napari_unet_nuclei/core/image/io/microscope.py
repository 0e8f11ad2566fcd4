"""Opens the files of microscope makers (ND2, LIF, CZI) through the packages of the extra ``formats``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.types import AnyArray

EXTRA = "formats"


def open_microscope_file(path: Path, series: int) -> ImageFile:
    """Open an ND2, LIF or CZI file.

    Parameters
    ----------
    path : Path
    series : int
        Which position (ND2), image (LIF) or scene (CZI), counted from 0.

    Raises
    ------
    ImageFileError
        If the package is not installed, or there is no such series; other errors are the package's.
    """
    name, read = _READERS[path.suffix.lower()]
    try:
        package = importlib.import_module(name)
    except ImportError as error:
        raise ImageFileError(
            f"{path}: reading {path.suffix[1:].upper()} takes a package that is not installed. Install it with "
            f'pip install "napari-unet-nuclei[{EXTRA}]", or export the image as OME-TIFF.'
        ) from error
    return read(package, path, series)


def _read_nd2(package: ModuleType, path: Path, series: int) -> ImageFile:
    with package.ND2File(path) as file:
        sizes = dict(file.sizes)
        images = sizes.pop("P", 1)
        _check_series(path, series, images)
        array = file.asarray(position=series if "P" in file.sizes else None)
        names, pixel_size = _nd2_metadata(file)
    array, axes = _usual_axes(array.reshape(tuple(sizes.values())), list(sizes))
    return ImageFile(path, array, axes, pixel_size, _names(names, array, axes), images)


def _nd2_metadata(file: Any) -> tuple[list[str], PixelSize]:
    """Names of the channels and the pixel size; nothing where the package cannot make sense of what the file says."""
    try:
        channels = file.metadata.channels or []
    except Exception:  # noqa: BLE001  # for want of a fluorescent probe, say; the pixels are sound all the same
        return [], PixelSize()
    if not channels:
        return [], PixelSize()
    volume = channels[0].volume
    x, y, z = (
        micrometres(length) if calibrated else 0.0
        for length, calibrated in zip(volume.axesCalibration, volume.axesCalibrated, strict=True)
    )
    return [str(channel.channel.name) for channel in channels], PixelSize(y, x, z)


def _read_lif(package: ModuleType, path: Path, series: int) -> ImageFile:
    with package.LifFile(path) as file:
        _check_series(path, series, len(file.images))
        image = file.images[series]
        array, axes = _usual_axes(image.asarray(), list(image.dims))
        spacings = {axis: _spacing(image.coords.get(axis, ())) for axis in "YXZ"}
        pixel_size = PixelSize(*(micrometres(spacings[axis], "m") for axis in "YXZ"))
        return ImageFile(path, array, axes, pixel_size, images=len(file.images))


def _spacing(coordinates: Sequence[float]) -> float:
    """Distance of neighbouring pixels, in the unit of their coordinates; 0 where there is but one."""
    return abs(float(coordinates[1]) - float(coordinates[0])) if len(coordinates) > 1 else 0.0


def _read_czi(package: ModuleType, path: Path, series: int) -> ImageFile:
    with package.CziFile(path) as file:
        names = ["S" if letter == "0" else "scene" if letter == "S" else letter for letter in file.axes]
        # One thread: with several the package passes over pieces that it cannot decode.
        array = file.asarray(max_workers=1)
        described = ElementTree.fromstring(file.metadata() or "<none/>")
    scene = names.index("scene") if "scene" in names else None
    images = 1 if scene is None else array.shape[scene]
    _check_series(path, series, images)
    if scene is not None:
        array = array.take(series, axis=scene)
        names.remove("scene")
    array, axes = _usual_axes(array, names)
    sizes = {
        distance.get("Id", ""): micrometres(distance.findtext("Value"), "m")
        for distance in described.iterfind(".//Scaling/Items/Distance")
    }
    channels = [
        channel.get("Name", "") for channel in described.iterfind(".//Information/Image/Dimensions/Channels/Channel")
    ]
    pixel_size = PixelSize(*(sizes.get(axis, 0.0) for axis in "YXZ"))
    return ImageFile(path, array, axes, pixel_size, _names(channels, array, axes), images)


def _usual_axes(array: AnyArray, names: Sequence[str]) -> tuple[AnyArray, str]:
    """Name axes by one letter, leave out those of length 1 that say nothing, and put colour samples last."""
    letters = [name if name in ("T", "Z", "C", "Y", "X", "S") else "Q" for name in names]
    kept = [axis for axis, letter in enumerate(letters) if letter in "YX" or array.shape[axis] > 1]
    array = array.reshape([array.shape[axis] for axis in kept])
    axes = "".join(letters[axis] for axis in kept)
    if "S" in axes[:-1]:
        array, axes = np.moveaxis(array, axes.index("S"), -1), axes.replace("S", "") + "S"
    return array, axes


def _names(names: Sequence[str], array: AnyArray, axes: str) -> tuple[str, ...]:
    """Names of all channels, or none."""
    channels = array.shape[axes.index("C")] if "C" in axes else 1
    return tuple(names) if len(names) == channels and all(names) else ()


def _check_series(path: Path, series: int, count: int) -> None:
    if not 0 <= series < count:
        raise ImageFileError(f"{path} has {count} image series: there is no number {series} (from 0).")


_READERS: dict[str, tuple[str, Callable[[ModuleType, Path, int], ImageFile]]] = {
    ".nd2": ("nd2", _read_nd2),
    ".lif": ("liffile", _read_lif),
    ".czi": ("czifile", _read_czi),
}

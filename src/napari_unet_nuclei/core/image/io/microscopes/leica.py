"""Open LIF files of LAS X, and its projects of single files (XLEF, LOF): every image of a project stands by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.image_file import ImageFile, one_each
from napari_unet_nuclei.core.image.io.microscopes.planes import OpenedFile, StoredPlanes, whole_planes
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.image.times import ascending, evenly, seconds

_TILES = (
    "Its axis of {count} tiles is segmented tile by tile: nuclei at the edges of tiles are cut. "
    "Choose the image that LAS X merged of them, if the file holds it."
)


def open_lif(path: Path, liffile: ModuleType) -> OpenedFile:
    """Open a file with the package ``liffile``, whose errors are passed on."""
    file = liffile.LifFile(path)
    try:
        lock = RLock()
        found = list(file.images)
        if not found:
            raise ImageFileError(f"{path} holds no image: choose the file with the images of the project.")
        return OpenedFile([_image(path, one, number, len(found), lock) for number, one in enumerate(found)], file.close)
    except BaseException:
        file.close()
        raise


def _image(path: Path, image: Any, series: int, count: int, lock: RLock) -> ImageFile:
    name = _name(image) if count > 1 else ""
    try:
        shape, dtype, dims = tuple(image.shape), image.dtype, tuple(image.dims)
        members = _members(path, image, math.prod(shape) * dtype.itemsize)
        inner, read = _reader(image, dims)
    except Exception as error:  # noqa: BLE001  # one recording that cannot be read must not keep others from it
        array = StoredPlanes((1, 1), np.uint8, 2, _refusal(f"{path}, {name or 'its image'}: {error}"), lock)
        return ImageFile(path, array, "YX", PixelSize(), (), count, series=series, name=name, aside=_aside(image))
    array = StoredPlanes(shape, dtype, inner, read, lock)
    axes = _axes(dims)
    channels = shape[axes.index("C")] if "C" in axes else 1
    tiles = (_TILES.format(count=shape[dims.index("M")]),) if "M" in dims else ()
    return ImageFile(
        path,
        array,
        axes,
        _pixel_size(image),
        one_each(channels, _channel_names(image)),
        count,
        series=series,
        name=name,
        consumed=members,
        remarks=tiles,
        frame_times=_times(image, shape[axes.index("T")]) if "T" in axes else (),
    )


def _name(image: Any) -> str:
    """Name of an image with the folders of the project that it lies in: positions of several scans are called alike."""
    return str(image.path or image.name)


def _aside(image: Any) -> str:
    return "recording of lifetimes" if image.is_flim else "recording that cannot be read"


def _refusal(reason: str) -> Any:
    def read(index: tuple[int, ...], part: tuple[slice, ...]) -> NDArray[Any]:
        raise ImageFileError(f"{reason}. Export it as TIFF from LAS X.")

    return read


def _axes(dims: Sequence[str]) -> str:
    """One letter per axis: wavelengths of a spectrum are channels; tiles and rotations are segmented one by one."""
    names = ["C" if letter == "λ" and "C" not in dims else letter for letter in dims]
    return "".join(letter if letter in ("T", "Z", "C", "Y", "X", "S") else "Q" for letter in names)


def _members(path: Path, image: Any, size: int) -> frozenset[Path]:
    """Return the other files that hold an image of a project, and check that all of it is there."""
    block = image.memory_block
    if not block.frames:
        if block.size < size or block.offset + size > Path(image.parent.filepath).stat().st_size:
            raise ValueError("the file ends before its pixels do: it is truncated")
        return frozenset()
    folder = Path(image.parent.dirname)
    files = [folder / frame.file for frame in block.frames]
    lost = [file.name for file in files if not file.exists()]
    if lost:
        raise ValueError(f"its file {lost[0]} is not where the project says: copy the project with all of its folders")
    return frozenset({*files, Path(image.parent.filepath)} - {path})


def _reader(image: Any, dims: tuple[str, ...]) -> tuple[int, Any]:
    """Return how many axes a frame has, and the function that reads parts of frames."""
    frame_dims = tuple(image.frames.frame_dims)
    inner = len(frame_dims)
    if inner < 2 or dims[-inner:] != frame_dims:
        # Channels or colours lie in between: all is read at once.
        everything = whole_planes(lambda index: image.asarray())
        return len(dims), everything
    leading = dims[:-inner]
    return inner, whole_planes(lambda index: image.frame(**dict(zip(leading, index, strict=True))))


def _pixel_size(image: Any) -> PixelSize:
    spacings = {axis: _spacing(image.coords.get(axis, ())) for axis in "YXZ"}
    return PixelSize(*(micrometres(spacings[axis], "m") for axis in "YXZ"))


def _spacing(coordinates: Sequence[float]) -> float:
    """Distance of neighbouring pixels, in the unit of their coordinates; 0 for a single pixel."""
    return abs(float(coordinates[1]) - float(coordinates[0])) if len(coordinates) > 1 else 0.0


def _channel_names(image: Any) -> list[str]:
    """Names of the channels by their dyes; empty where the file does not say."""
    described = image.xml_element.findall("./Data/Image/ImageDescription/Channels/ChannelDescription")
    found = []
    for channel in described:
        properties = {one.findtext("Key"): one.findtext("Value") for one in channel.findall("ChannelProperty")}
        found.append(str(properties.get("DyeName") or channel.get("NameOfMeasuredQuantity") or "").strip())
    return found


def _times(image: Any, frames: int) -> tuple[float, ...]:
    """Seconds of every time point: as they were taken, else as long as the series lasted."""
    stamps = image.timestamps
    if stamps is not None and len(stamps) >= frames and len(stamps) % frames == 0:
        # Of the planes and channels of a time point, the first counts.
        first = stamps[:: len(stamps) // frames]
        taken = ascending((first - first[0]) / np.timedelta64(1, "s"))
        if taken:
            return taken
    return evenly(seconds(_spacing(image.coords.get("T", ()))), frames)

"""Open CZI files of ZEN: every scene is an image of its own, with its mosaic of tiles joined, at the finest level."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.image_file import ImageFile, one_each
from napari_unet_nuclei.core.image.io.microscopes.planes import OpenedFile, ReadPart, StoredPlanes
from napari_unet_nuclei.core.image.io.missing import missing_planes
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.image.times import ascending, evenly, seconds

_DTYPES = {
    "Gray8": np.uint8,
    "Gray16": np.uint16,
    "Gray32Float": np.float32,
    "Bgr24": np.uint8,
    "Bgr48": np.uint16,
    "Bgr96Float": np.float32,
}
"""By the name of a type of pixels; the package gives colours as red, green and blue."""

_LEADING = "BVHIRTZC"
"""Blocks, views, phases, illuminations, rotations, times, planes and channels, the slowest first."""

_MOST_TIMES = 10_000_000
"""Time points; a damaged file may claim any number."""


@dataclass(frozen=True)
class _Piece:
    """A tile of the finest level."""

    scene: int | None
    place: Mapping[str, int]  # along the axes of `_LEADING` that the file has
    x: int
    y: int
    width: int
    height: int
    kind: str


def open_czi(path: Path, czi: ModuleType) -> OpenedFile:
    """Open a file with the package ``pylibCZIrw``, whose errors are passed on."""
    # Tiles that are compressed are kept a while: channels and colours of a tile are asked for in turn.
    cache = czi.CacheOptions(type=czi.CacheType.Standard, max_memory_usage=2**28, max_sub_block_count=100)
    file = czi.CziReader(str(path), cache_options=cache)
    try:
        return OpenedFile(_images(path, file, czi), file.close)
    except BaseException:
        file.close()
        raise


def _images(path: Path, file: Any, czi: ModuleType) -> list[ImageFile]:
    scenes: dict[int | None, list[_Piece]] = {}
    for piece in _pieces(file):
        scenes.setdefault(piece.scene, []).append(piece)
    if not scenes:
        raise ImageFileError(f"{path} holds no image: it may be one part of several. Choose the file without '(1)'.")
    described = _described(file)
    lock = RLock()
    return [
        _Scene(path, file, czi, scenes[scene], described).image(series, len(scenes), lock)
        for series, scene in enumerate(sorted(scenes, key=lambda number: -1 if number is None else number))
    ]


def _pieces(file: Any) -> list[_Piece]:
    """List the tiles of the finest level; reduced copies of them are left out."""
    pieces: list[_Piece] = []

    def note(_: int, tile: Any) -> bool:
        place, area = tile.coordinate.to_dict(), tile.logicalRect
        scene = place.pop("S", None)
        pieces.append(_Piece(scene, place, area.x, area.y, area.w, area.h, tile.pixelType.name))
        return True

    file.enumerate_subblocks_subset(note, only_layer0=True)
    return pieces


def _described(file: Any) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(file.raw_metadata)
    except (ElementTree.ParseError, RuntimeError):  # pixels can be read without them
        return ElementTree.Element("none")


@dataclass(frozen=True)
class _Scene:
    """The tiles of one scene, and what the file says of it."""

    path: Path
    file: Any
    czi: ModuleType
    pieces: Sequence[_Piece]
    described: ElementTree.Element

    def image(self, series: int, count: int, lock: RLock) -> ImageFile:
        """Return the scene as an image that is read part by part."""
        kinds = self._kinds()
        colours = kinds[0].startswith("Bgr")
        values = self._values()
        leading = [letter for letter in _LEADING if len(values.get(letter, ())) > 1]
        axes = "".join(letter if letter in "TZC" else "Q" for letter in leading) + ("YXS" if colours else "YX")
        height, width = self._extent()[2:]
        shape = (*(len(values[letter]) for letter in leading), height, width, *((3,) if colours else ()))
        dtype = np.result_type(*(_DTYPES[kind] for kind in kinds))
        array = StoredPlanes(shape, dtype, 3 if colours else 2, self._reader(leading, values), lock)
        names = _channel_names(self.described)
        channels = values.get("C", [0])
        named = [names[channel] if channel < len(names) else "" for channel in channels]
        return ImageFile(
            self.path,
            array,
            axes,
            _pixel_size(self.described),
            one_each(len(channels), named),
            count,
            series=series,
            name=_scene_name(self.described, self.pieces[0].scene) if count > 1 else "",
            remarks=tuple(self._missing(values)),
            frame_times=_times(self.path, self.described, values["T"]) if "T" in leading else (),
        )

    def _kinds(self) -> list[str]:
        """Return the types of pixels, all grey or all in colour."""
        kinds = sorted({piece.kind for piece in self.pieces})
        if any(kind not in _DTYPES for kind in kinds):
            raise ImageFileError(f"{self.path} holds values of type {' and '.join(kinds)}: export it as OME-TIFF.")
        if len({kind.startswith("Bgr") for kind in kinds}) > 1:
            raise ImageFileError(
                f"{self.path} holds channels in grey and others in colour: export those with nuclei as OME-TIFF."
            )
        return kinds

    def _values(self) -> dict[str, list[int]]:
        """Return which time points, planes, channels and so on there are: parts of files are numbered as the whole."""
        letters = set().union(*(piece.place for piece in self.pieces))
        return {letter: sorted({piece.place.get(letter, 0) for piece in self.pieces}) for letter in letters}

    def _extent(self) -> tuple[int, int, int, int]:
        """Return the first row and column on the slide, and how many there are."""
        x, y = min(piece.x for piece in self.pieces), min(piece.y for piece in self.pieces)
        right = max(piece.x + piece.width for piece in self.pieces)
        return y, x, max(piece.y + piece.height for piece in self.pieces) - y, right - x

    def _reader(self, leading: Sequence[str], values: Mapping[str, Sequence[int]]) -> ReadPart:
        y0, x0 = self._extent()[:2]
        scene = self.pieces[0].scene
        kinds = {piece.place.get("C", 0): piece.kind for piece in self.pieces}
        single = {letter: one[0] for letter, one in values.items()}

        def read(index: tuple[int, ...], part: tuple[slice, ...]) -> NDArray[Any]:
            place = single | {letter: values[letter][at] for letter, at in zip(leading, index, strict=True)}
            rows, columns = part[:2]
            height, width = rows.stop - rows.start, columns.stop - columns.start
            if not height or not width:
                return np.zeros((height, width, 3)[: len(part)])
            pixels: NDArray[Any] = self.file.read(
                roi=self.czi.Rectangle(x0 + columns.start, y0 + rows.start, width, height),
                plane=place,
                scene=scene,
                pixel_type=kinds.get(place.get("C", 0), next(iter(kinds.values()))),
            )
            return pixels[..., part[2]] if len(part) == 3 else pixels[..., 0]

        return read

    def _missing(self, values: Mapping[str, Sequence[int]]) -> Iterable[str]:
        """Say which planes were to be there and are not; parts of a file keep the numbers that they had in it."""
        sizes, numbers = {}, {}
        for letter in "TCZ":
            there = values.get(letter, [0])
            declared = self.described.findtext(f".//Information/Image/Size{letter}", "")
            planned = int(declared) if declared.isdecimal() else 0
            whole = len(there) < planned and there[-1] < planned
            sizes[letter] = planned if whole else len(there)
            numbers[letter] = {value: value if whole else at for at, value in enumerate(there)}
        taken = {tuple(numbers[letter][piece.place.get(letter, 0)] for letter in "TCZ") for piece in self.pieces}
        return missing_planes(sizes, taken)


def _channel_names(described: ElementTree.Element) -> list[str]:
    channels = described.iterfind(".//Information/Image/Dimensions/Channels/Channel")
    return [channel.get("Name", "") for channel in channels]


def _scene_name(described: ElementTree.Element, scene: int | None) -> str:
    scenes = described.findall(".//Information/Image/Dimensions/S/Scenes/Scene")
    named = {one.get("Index", str(at)): one.get("Name", "") for at, one in enumerate(scenes)}
    return named.get(str(scene), "")


def _pixel_size(described: ElementTree.Element) -> PixelSize:
    sizes = {
        distance.get("Id", ""): micrometres(distance.findtext("Value"), "m")
        for distance in described.iterfind(".//Scaling/Items/Distance")
    }
    return PixelSize(*(sizes.get(axis, 0.0) for axis in "YXZ"))


def _times(path: Path, described: ElementTree.Element, frames: Sequence[int]) -> tuple[float, ...]:
    """Seconds of time points: as they were taken, else as they were planned."""
    stamps = _time_stamps(path)
    if frames and frames[-1] < len(stamps):
        taken = ascending(stamps[frame] - stamps[frames[0]] for frame in frames)
        if taken:
            return taken
    increment = described.findtext(".//Information/Image/Dimensions/T/Positions/Interval/Increment")
    return evenly(seconds(increment), len(frames))


def _time_stamps(path: Path) -> NDArray[np.float64]:
    """Read the time stamps that ZEN attaches to a file, which the package does not; none where there are none."""
    nothing = np.zeros(0)
    with path.open("rb") as file:
        try:
            file.seek(32 + 72)
            (directory,) = struct.unpack("<q", file.read(8))
            file.seek(directory + 32)
            (count,) = struct.unpack("<i", file.read(4))
            if not directory or not 0 <= count < 100_000:
                return nothing
            file.seek(252, 1)
            entries = [struct.unpack("<2s10xq4x16x8s80s", file.read(128)) for _ in range(count)]
            place = next(
                where for schema, where, _, name in entries if schema == b"A1" and name.startswith(b"TimeStamps")
            )
            file.seek(place + 32 + 16 + 128 + 112)
            _, count = struct.unpack("<ii", file.read(8))
            if not 0 < count < _MOST_TIMES:
                return nothing
            return np.frombuffer(file.read(8 * count), "<f8")
        except (struct.error, StopIteration, ValueError, OSError):
            return nothing

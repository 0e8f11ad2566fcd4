"""Open ND2 files of NIS-Elements: every position is an image of its own."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.image_file import ImageFile, one_each
from napari_unet_nuclei.core.image.io.microscopes.planes import OpenedFile, StoredPlanes, whole_planes
from napari_unet_nuclei.core.image.io.missing import missing_planes
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.image.times import ascending

_LETTERS = {"TimeLoop": "T", "NETimeLoop": "T", "XYPosLoop": "P", "ZStackLoop": "Z"}
"""Axes by the kind of a loop of the experiment."""

_FRAME = b"ImageDataSeq|"
"""Start of the names of frames in a file's table of contents."""

_Kept: TypeAlias = tuple[Sequence[int], ...]
"""Numbers of the time points, planes and so on that are there, for every loop but that over positions."""


def open_nd2(path: Path, nd2: ModuleType) -> OpenedFile:
    """Open a file with the package ``nd2``, whose errors are passed on."""
    file = nd2.ND2File(path)
    try:
        if file.is_legacy and importlib.util.find_spec("imagecodecs") is None:
            raise ImageFileError(
                f"{path} is of the first version of ND2, for which the package imagecodecs is needed. Install it, or "
                "export the image as TIFF."
            )
        return OpenedFile(_images(path, file), file.close)
    except BaseException:
        file.close()
        raise


@dataclass(frozen=True)
class _Frames:
    """The frames of a file, in the order in which they were taken, and the loops that took them."""

    file: Any
    letters: tuple[str, ...]  # one per loop, the slowest first
    counts: tuple[int, ...]
    stored: frozenset[int] | None  # numbers of the frames that the file holds; None if it does not say

    @classmethod
    def of(cls, file: Any) -> _Frames:
        """Read the loops of an experiment; of two of one kind, only the first is its axis."""
        letters: list[str] = []
        loops = [loop for loop in file.experiment if loop.count > 1]
        for loop in loops:
            letter = _LETTERS.get(loop.type, "Q")
            letters.append("Q" if letter in letters and letter != "P" else letter)
        return cls(file, tuple(letters), tuple(int(loop.count) for loop in loops), _stored(file))

    @property
    def positions(self) -> list[tuple[int, ...]]:
        """Index along the loops over positions of every position."""
        return list(
            np.ndindex(*(count for letter, count in zip(self.letters, self.counts, strict=True) if letter == "P"))
        )

    @property
    def axes(self) -> str:
        """Letters of the other loops."""
        return "".join(letter for letter in self.letters if letter != "P")

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the other loops."""
        return tuple(count for letter, count in zip(self.letters, self.counts, strict=True) if letter != "P")

    def number(self, position: tuple[int, ...], index: tuple[int, ...]) -> int:
        """Return the number of a frame by its position and its index along the other loops."""
        at, other = iter(position), iter(index)
        place = tuple(next(at) if letter == "P" else next(other) for letter in self.letters)
        return int(np.ravel_multi_index(place, self.counts)) if place else 0

    def taken(self, position: tuple[int, ...]) -> set[tuple[int, ...]]:
        """Find the frames of a position that were taken and are there, by their index."""
        last = self.file.attributes.sequenceCount
        last = np.inf if last is None else last
        numbers = {index: self.number(position, index) for index in np.ndindex(*self.lengths)}
        there = self.stored
        return {index for index, at in numbers.items() if at < last and (there is None or at in there)}


def _stored(file: Any) -> frozenset[int] | None:
    """Return the numbers of the frames that a file holds: the package gives zeros for others, without a word.

    Its table of contents is the only place that says so; the first version of the format has none like it.
    """
    contents = getattr(getattr(file, "_rdr", None), "chunkmap", {})
    size = Path(file.path).stat().st_size
    names = (name for name in contents if isinstance(name, bytes) and name.startswith(_FRAME))
    places = {int(name[len(_FRAME) : -1]): sum(contents[name]) for name in names}
    return frozenset(number for number, end in places.items() if end <= size) if places else None


def _images(path: Path, file: Any) -> list[ImageFile]:
    frames, lock = _Frames.of(file), RLock()
    inner_axes, inner_shape = _plane(file)
    names, pixel_size = _metadata(file)
    called = _position_names(file, len(frames.positions))
    images = []
    for series, position in enumerate(frames.positions):
        taken = frames.taken(position)
        kept, remarks = _without_missing(frames, taken)
        read = whole_planes(_reader(frames, position, kept, inner_axes, lock))
        array = StoredPlanes((*map(len, kept), *inner_shape), file.dtype, len(inner_shape), read, lock)
        axes = frames.axes + inner_axes
        channels = array.shape[axes.index("C")] if "C" in axes else 1
        images.append(
            ImageFile(
                path,
                array,
                axes,
                pixel_size,
                one_each(channels, names),
                len(frames.positions),
                series=series,
                name=called[series],
                aside="" if taken else "position that was never taken",
                remarks=remarks,
                frame_times=_times(frames, position, kept),
            )
        )
    return images


def _plane(file: Any) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape of what a frame holds."""
    attributes = file.attributes
    height, width = int(attributes.heightPx), int(attributes.widthPx or 1)
    channels, samples = int(attributes.channelCount or 1), int(file.components_per_channel)
    if samples == 3:
        return ("CYXS", (channels, height, width, 3)) if channels > 1 else ("YXS", (height, width, 3))
    channels *= samples
    return ("CYX", (channels, height, width)) if channels > 1 else ("YX", (height, width))


def _reader(frames: _Frames, position: tuple[int, ...], kept: _Kept, axes: str, lock: RLock) -> Any:
    file = frames.file
    height, width = int(file.attributes.heightPx), int(file.attributes.widthPx or 1)
    channels, samples = int(file.attributes.channelCount or 1), int(file.components_per_channel)

    def read(index: tuple[int, ...]) -> NDArray[Any]:
        place = tuple(numbers[at] for numbers, at in zip(kept, index, strict=True))
        with lock:
            frame = file.read_frame(frames.number(position, place))
        # The package gives (C, Y, X, samples) without axes of length 1.
        plane: NDArray[Any] = frame.reshape(channels, height, width, samples)
        if axes.endswith("S"):
            # NIS-Elements writes blue, green and red; not so in the JPEG 2000 of its first versions.
            plane = plane if file.is_legacy else plane[..., ::-1]
        else:
            plane = np.moveaxis(plane, -1, 1).reshape(channels * samples, height, width)
        return plane if axes.startswith("C") else plane[0]

    return read


def _without_missing(frames: _Frames, taken: set[tuple[int, ...]]) -> tuple[_Kept, tuple[str, ...]]:
    """Leave out time points and planes of which nothing is there; return the others of every loop, and remarks."""
    if not taken or len(taken) == math.prod(frames.lengths):
        return tuple(range(length) for length in frames.lengths), ()
    kept = tuple(sorted({index[axis] for index in taken}) for axis in range(len(frames.lengths)))
    return kept, tuple(missing_planes(dict(zip(frames.axes, frames.lengths, strict=True)), taken))


def _metadata(file: Any) -> tuple[list[str], PixelSize]:
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


def _position_names(file: Any, count: int) -> Sequence[str]:
    """Names of positions; empty texts where the file gives none, or holds only one."""
    loops = [loop for loop in file.experiment if loop.type == "XYPosLoop" and loop.count > 1]
    points = loops[0].parameters.points if len(loops) == 1 else []
    return [str(points[number].name or "") if number < len(points) else "" for number in range(count)]


def _times(frames: _Frames, position: tuple[int, ...], kept: _Kept) -> tuple[float, ...]:
    """Seconds of every time point of a position that is there: as they were taken, else as they were planned."""
    if "T" not in frames.axes:
        return ()
    axis = frames.axes.index("T")
    first = [numbers[0] for numbers in kept]
    numbers = [frames.number(position, (*first[:axis], time, *first[axis + 1 :])) for time in kept[axis]]
    try:
        taken = ascending(_taken_at(frames.file.frame_metadata(number)) for number in numbers)
    except Exception:  # noqa: BLE001  # files without times of frames, or with metadata that the package cannot read
        taken = ()
    planned = [loop for loop in frames.file.experiment if _LETTERS.get(loop.type) == "T" and loop.count > 1]
    period = float(getattr(planned[0].parameters, "periodMs", 0) or 0) / 1000
    return taken or ascending(period * time for time in kept[axis])


def _taken_at(described: Any) -> float:
    """Seconds at which a frame was taken; the first versions of the format describe it by a dictionary."""
    if isinstance(described, dict):
        return float(described["TimeMSec"]) / 1000
    return float(described.channels[0].time.relativeTimeMs) / 1000

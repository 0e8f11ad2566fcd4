"""Open DeltaVision files (.dv, .r3d, .d3d): their pixels are mapped into memory."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.formats import deltavision_order
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.microscopes.planes import OpenedFile
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.image.times import ascending

HEADER = 1024
"""Bytes."""


_MODES = {0: np.uint8, 1: np.int16, 2: np.float32, 6: np.uint16, 7: np.int32}
"""Types of pixels; those left out are complex numbers."""

_SEQUENCES = {0: "CTZ", 1: "TZC", 2: "TCZ"}
"""Orders in which planes follow one another, the quickest last."""

_TIME_OF_PLANE = 1
"""Which of the numbers that describe a plane is its time, in seconds."""


@dataclass(frozen=True)
class _Header:
    """What the first bytes say."""

    order: Literal["<", ">"]
    columns: int
    rows: int
    planes: int
    mode: int
    sizes: tuple[float, float, float]  # µm along x, y and z
    extended: int  # bytes
    whole_numbers: int  # of every plane in the extended header
    fractions: int
    times: int
    sequence: int
    channels: int
    wavelengths: tuple[int, ...]  # nm

    @classmethod
    def of(cls, start: bytes) -> _Header:
        """Read a header."""
        order = deltavision_order(start) or "<"

        def at(place: int, kind: str) -> tuple[Any, ...]:
            return struct.unpack_from(f"{order}{kind}", start, place)

        columns, rows, planes, mode = at(0, "4i")
        (times, sequence) = at(180, "2h")
        (channels,) = at(196, "h")
        return cls(
            order,
            columns,
            rows,
            planes,
            mode,
            at(40, "3f"),
            at(92, "i")[0],
            at(128, "h")[0],
            at(130, "h")[0],
            max(times, 1),
            sequence,
            max(channels, 1),
            at(198, "5h"),
        )


def open_dv(path: Path) -> OpenedFile:
    """Open a file; raise ImageFileError if it is cut short or damaged, or of a kind that cannot be read."""
    with path.open("rb") as file:
        start = file.read(HEADER)
    if len(start) < HEADER or not deltavision_order(start):
        raise ImageFileError(f"{path} is no DeltaVision file, or is damaged: copy or export it again.")
    header = _Header.of(start)
    if header.mode not in _MODES or header.sequence not in _SEQUENCES:
        raise ImageFileError(f"{path} is a kind of DeltaVision file that cannot be read here: export it as OME-TIFF.")
    lengths = {"T": header.times, "C": header.channels, "Z": header.planes // (header.times * header.channels)}
    order = _SEQUENCES[header.sequence]
    shape = (*(lengths[letter] for letter in order), header.rows, header.columns)
    dtype = np.dtype(_MODES[header.mode]).newbyteorder(header.order)
    place = HEADER + header.extended
    if min(*shape, header.extended + 1) < 1 or math.prod(shape[:3]) != header.planes:
        raise ImageFileError(f"{path} has a damaged header: copy or export it again.")
    if place + math.prod(shape) * dtype.itemsize > path.stat().st_size:
        raise ImageFileError(f"{path} ends before its image does: it is truncated. Copy or export it again.")
    kept = [axis for axis, length in enumerate(shape) if length > 1 or axis > 2]
    array = np.memmap(path, dtype, "r", place, tuple(shape[axis] for axis in kept))
    axes = "".join((*order, "Y", "X")[axis] for axis in kept)
    x, y, z = (micrometres(size) for size in header.sizes)
    names = tuple(f"{nm} nm" for nm in header.wavelengths[: header.channels])
    named = (
        names
        if "C" in axes and len(set(names)) == header.channels and all(header.wavelengths[: header.channels])
        else ()
    )
    times = _times(path, header, lengths, order) if "T" in axes else ()
    return OpenedFile([ImageFile(path, array, axes, PixelSize(y, x, z), named, frame_times=times)], lambda: None)


def _times(path: Path, header: _Header, lengths: dict[str, int], order: str) -> tuple[float, ...]:
    """Seconds of every time point, of which the first plane counts."""
    numbers = header.whole_numbers + header.fractions
    if header.fractions <= _TIME_OF_PLANE or header.extended < 4 * numbers * header.planes:
        return ()
    described = np.memmap(path, f"{header.order}f4", "r", HEADER, (header.planes, numbers))
    taken = described[:, header.whole_numbers + _TIME_OF_PLANE].reshape([lengths[letter] for letter in order])
    first = taken[tuple(slice(None) if letter == "T" else 0 for letter in order)]
    return ascending(map(float, first))

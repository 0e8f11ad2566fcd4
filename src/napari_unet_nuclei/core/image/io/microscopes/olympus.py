"""Open OIB and OIF files of FluoView: a file for every plane and channel, packed into one or in a folder beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.image_file import ImageFile, one_each
from napari_unet_nuclei.core.image.io.microscopes.planes import OpenedFile, StoredPlanes, whole_planes
from napari_unet_nuclei.core.image.io.missing import missing_planes
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.image.times import ascending, seconds

_PLANE = re.compile(r"_((?:[A-Z]\d+)+)\.tif$")
"""Ends the name of the file of a plane: s_C001Z003T002.tif."""

_OUTER = "TZLC"
"""Axes that files are numbered by: times, planes, wavelengths of a spectrum, channels."""


def open_oif(path: Path, oiffile: ModuleType) -> OpenedFile:
    """Open a file with the package ``oiffile``, whose errors are passed on."""
    file = oiffile.OifFile(path)
    try:
        return OpenedFile([_image(path, file)], file.close)
    except BaseException:
        file.close()
        raise


def _image(path: Path, file: Any) -> ImageFile:
    planes = _planes(file)
    if not planes:
        raise ImageFileError(f"{path} holds no planes: copy it with the folder {path.name}.files that belongs to it.")
    axes = _axes(file.mainfile)
    values = {letter: sorted({place.get(letter, 1) for place in map(dict, planes)}) for letter in _OUTER}
    first = file.asarray(series=next(iter(planes.values())))
    # Without an axis along the rows, lines are scanned over depth or time.
    inner = "".join(letter for letter in axes if letter not in _OUTER)[::-1]
    inner = inner if len(inner) == 2 else {"X": "YX"}.get(inner, "YX")
    leading = [letter for letter in _OUTER if len(values[letter]) > 1]
    lock, blank = RLock(), np.zeros(first.shape, first.dtype)

    def read(index: tuple[int, ...]) -> NDArray[Any]:
        place = {letter: values[letter][0] for letter in _OUTER}
        place |= {letter: values[letter][at] for letter, at in zip(leading, index, strict=True)}
        name = next((name for at, name in planes.items() if dict(at).items() <= place.items()), None)
        if name is None:
            return blank
        with lock:
            return np.asarray(file.asarray(series=name))

    letters = "".join("Q" if letter == "L" else letter for letter in leading) + inner + ("S" if first.ndim == 3 else "")
    shape = (*(len(values[letter]) for letter in leading), *first.shape)
    channels, names = values["C"], _channel_names(file.mainfile)
    step = seconds(*_step(file.mainfile, axes, "T"))
    return ImageFile(
        path,
        StoredPlanes(shape, first.dtype, first.ndim, whole_planes(read), lock),
        letters,
        _pixel_size(file.mainfile, axes),
        one_each(len(channels), [names[channel - 1] if channel <= len(names) else "" for channel in channels]),
        consumed=_members(path),
        remarks=tuple(_missing(file.mainfile, values, planes)),
        frame_times=ascending(step * (time - values["T"][0]) for time in values["T"]) if "T" in leading else (),
    )


def _missing(
    described: Mapping[str, Any], values: Mapping[str, Sequence[int]], planes: Iterable[tuple[tuple[str, int], ...]]
) -> Iterator[str]:
    """Say which planes were to be there and are not; parts of a file keep the numbers that they had in it."""
    sizes, numbers = {}, {}
    for letter in "TCZ":
        there = values[letter]
        planned = 0 if letter == "C" else int(_about(described, letter).get("MaxSize", 0) or 0)
        whole = len(there) < planned and there[-1] <= planned
        sizes[letter] = planned if whole else len(there)
        numbers[letter] = {value: value - 1 if whole else at for at, value in enumerate(there)}
    taken = {tuple(numbers[letter][place.get(letter, 1)] for letter in "TCZ") for place in map(dict, planes)}
    yield from missing_planes(sizes, taken)


def _members(path: Path) -> frozenset[Path]:
    """Return the files in the folder beside an OIF file."""
    folder = path.with_name(f"{path.name}.files")
    return frozenset(folder.iterdir()) if path.suffix.lower() == ".oif" and folder.is_dir() else frozenset()


def _planes(file: Any) -> dict[tuple[tuple[str, int], ...], str]:
    """Return the file of every plane by its numbers."""
    planes = {}
    for name in file.glob("*.tif"):
        found = _PLANE.search(name.replace("\\", "/"))
        if found:
            planes[tuple((one[0], int(one[1:])) for one in re.findall(r"[A-Z]\d+", found[1]))] = name
    return planes


def _axes(described: Mapping[str, Any]) -> str:
    """Letters of the axes as they were scanned, the quickest first: "XYCZT"."""
    return str(described.get("Axis Parameter Common", {}).get("AxisOrder", "XYCZT"))


def _about(described: Mapping[str, Any], letter: str) -> Mapping[str, Any]:
    """What is said of an axis."""
    numbered = (described.get(f"Axis {number} Parameters Common", {}) for number in range(8))
    return next((one for one in numbered if one.get("AxisCode") == letter), {})


def _step(described: Mapping[str, Any], axes: str, letter: str) -> tuple[float, str]:
    """Distance of neighbouring places along an axis, and its unit; 0 where it has one place."""
    about = _about(described, letter)
    places = int(about.get("MaxSize", 0) or 0)
    if letter not in axes or places < 2:
        return 0.0, ""
    extent = abs(float(about.get("EndPosition", 0)) - float(about.get("StartPosition", 0)))
    # The extent in a plane is counted over whole pixels, that over depth and time from the first to the last.
    return extent / (places if letter in "XY" else places - 1), str(about.get("UnitName", ""))


def _pixel_size(described: Mapping[str, Any], axes: str) -> PixelSize:
    reference = described.get("Reference Image Parameter", {})
    named = {"Y": "Height", "X": "Width"}
    sizes = {
        letter: micrometres(reference.get(f"{name}ConvertValue"), str(reference.get(f"{name}Unit", "")))
        or micrometres(*_step(described, axes, letter))
        for letter, name in named.items()
    }
    return PixelSize(sizes["Y"], sizes["X"], micrometres(*_step(described, axes, "Z")))


def _channel_names(described: Mapping[str, Any]) -> list[str]:
    """Names of the channels that were on, by their dyes; their files are numbered without the others."""
    numbered = (described.get(f"GUI Channel {number} Parameters", {}) for number in range(1, 33))
    return [
        str(one.get("DyeName") or one.get("CH Name") or "").strip()
        for one in numbered
        if str(one.get("CH Activate", 0)) not in ("0", "False")
    ]

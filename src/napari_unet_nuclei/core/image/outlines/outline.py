"""Outlines of nuclei, and the labels that they enclose.

Coordinates are those of ImageJ and QuPath: x to the right, y down, and pixel (0, 0) spans from 0 to 1. A pixel belongs
to an outline if its centre does, so that outlines along the sides of pixels give exactly the labels that they came of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.types import Labels, Mask, Region

Ring = NDArray[np.float64]
"""Corners of a closed line, shape (corners, 2), x first; the first is not repeated."""

ELLIPSE_CORNERS = 360
"""Of the polygon that stands for an ellipse: it encloses the same pixel centres up to some 1000 pixels across."""

MOST_OUTLINES = 2_000_000
"""In one file; a whole slide has about a million nuclei."""

MOST_PIXELS = 2**29
"""Of labels drawn at once: 2 GB."""

MOST_CROSSINGS = 2**22
"""Rows that the sides of one outline may cross together where it is filled; those of a nucleus cross some thousands."""

_FILLED_AT_ONCE = 2**23
"""Pixels; filling takes some twenty bytes for each."""

MOST_NAMED = 3
"""Outlines named in one message."""


@dataclass(frozen=True, eq=False)
class Outline:
    """One nucleus in one plane.

    Attributes
    ----------
    polygons : tuple of tuple of ndarray
        Pieces, each of rings: what lies within an odd number of its rings belongs to it.
    number : int
        Its id, as this program writes it; 0 if the file gives none.
    classified : str
        Its class; empty if the file gives none.
    t, z : int or None
        Index of the plane along time and depth; None if the file does not say.
    position : int or None
        Number from 0 of the plane in a stack of which the axes are unknown.
    """

    name: str
    polygons: tuple[tuple[Ring, ...], ...]
    number: int = 0
    t: int | None = None
    z: int | None = None
    position: int | None = None
    classified: str = ""

    @property
    def bounds(self) -> Region:
        """The smallest rectangle of whole pixels around it."""
        corners = np.concatenate([ring for rings in self.polygons for ring in rings])
        (left, top), (right, bottom) = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
        return int(top), int(bottom), int(left), int(right)


@dataclass(frozen=True, eq=False)
class Outlines:
    """All outlines of a file.

    Attributes
    ----------
    notices : tuple of str
        What in the file is not used, and why.
    cells : tuple of Outline
        The cells around the outlines, one for each, where the file has them; else none.
    """

    path: Path
    outlines: tuple[Outline, ...]
    notices: tuple[str, ...] = ()
    cells: tuple[Outline, ...] = ()

    def around(self) -> Outlines:
        """Return the cells in place of their nuclei; they get the same ids."""
        return replace(self, outlines=self.cells, notices=(), cells=())

    def extent(self) -> tuple[str, tuple[int, ...]]:
        """Return the axes and the shape of the smallest image that holds them all."""
        deepest = {
            "T": max((outline.t or 0 for outline in self.outlines), default=0) + 1,
            "Z": max((outline.z or 0 for outline in self.outlines), default=0) + 1,
            "Q": max((outline.position or 0 for outline in self.outlines), default=0) + 1,
        }
        if deepest["T"] * deepest["Z"] > 1:
            deepest["Q"] = 1  # the same planes, counted in another way
        bounds = [outline.bounds for outline in self.outlines]
        leading = "".join(letter for letter, length in deepest.items() if length > 1)
        size = (max((one[side] for one in bounds), default=1) for side in (1, 3))
        return f"{leading}YX", (*(deepest[letter] for letter in leading), *(max(length, 1) for length in size))

    def draw(self, axes: str, shape: Sequence[int]) -> DrawnLabels:
        """Draw labels with the axes (leading axes, then "YX") and the shape of an image.

        Where outlines overlap, pixels go to the smaller one. Raise ImageFileError if none lies in the image, or the
        image is too large to be drawn at once.
        """
        if math.prod(shape) > MOST_PIXELS:
            raise ImageFileError(
                f"{self.path}: labels of {' × '.join(map(str, shape))} pixels are too large to be drawn at once. "
                "Crop the image, or export its parts."
            )
        labels = np.zeros(tuple(shape), np.int32)
        numbers = _numbers(self.outlines)
        outside, everywhere, shared = [], 0, 0
        # The largest first, so that a smaller one is not lost beneath it.
        order = sorted(range(len(self.outlines)), key=lambda place: -_area(self.outlines[place].bounds))
        for place in order:
            outline = self.outlines[place]
            index = _plane(outline, axes[:-2], shape[:-2])
            window = _within(outline.bounds, (shape[-2], shape[-1]))
            if index is None or window is None:
                outside.append(outline.name)
                continue
            everywhere += any(one == slice(None) for one in index)
            for y0, y1, x0, x1 in _strips(window):
                inside = enclosed(outline.polygons, (y0, y1, x0, x1))
                part = labels[(*index, slice(y0, y1), slice(x0, x1))]
                shared += int(np.count_nonzero(part[..., inside]))
                part[..., inside] = numbers[place]
        if outside and len(outside) == len(self.outlines):
            raise ImageFileError(
                f"{self.path}: none of its {len(self.outlines)} outlines lies in the image of "
                f"{' × '.join(map(str, shape))} pixels: they belong to another image."
            )
        named = zip(numbers.tolist(), self.outlines, strict=True)
        classes = {number: outline.classified for number, outline in named if outline.classified}
        return DrawnLabels(
            labels, (*self.notices, *self._doubts(labels, numbers, outside, everywhere, shared)), classes
        )

    def _doubts(
        self, labels: Labels, numbers: NDArray[np.int32], outside: Sequence[str], everywhere: int, shared: int
    ) -> tuple[str, ...]:
        """Say what may be wrong about drawn labels."""
        said, name = [], self.path.name
        if outside:
            said.append(f"{name}: {counted(outside)} outside the image and left out: is it the right image?")
        if everywhere:
            said.append(f"{name}: outlines that name no plane of the stack were drawn in all planes ({everywhere}).")
        if shared:
            said.append(f"{name}: outlines overlap in {shared} pixels, which went to the smaller nucleus.")
        # Piece by piece: sorting all pixels takes as much memory again, and minutes.
        pieces = np.array_split(labels.reshape(-1), labels.size // _FILLED_AT_ONCE + 1)
        drawn = set[int]().union(*(np.unique(piece).tolist() for piece in pieces)) - {0}
        lost = len(np.unique(numbers)) - len(drawn) - len(outside)
        if lost > 0:
            said.append(f"{name}: outlines without a pixel of their own are missing in the labels ({lost}).")
        return tuple(said)


@dataclass(frozen=True, eq=False)
class DrawnLabels:
    """Labels (..., Y, X), what may be wrong about them, and the class of each id that has one."""

    labels: Labels
    notices: tuple[str, ...]
    classes: Mapping[int, str]


def ellipse(left: float, top: float, width: float, height: float) -> Ring:
    """Return a polygon in place of the ellipse in a rectangle."""
    angles = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)
    return np.stack([left + width * (1 + np.cos(angles)) / 2, top + height * (1 + np.sin(angles)) / 2], axis=1)


def rectangle(left: float, top: float, width: float, height: float) -> Ring:
    """Return the corners of a rectangle."""
    right, bottom = left + width, top + height
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def enclosed(polygons: Sequence[Sequence[Ring]], window: Region) -> Mask:
    """Return the pixels (Y, X) of a rectangle whose centres lie in any of the polygons.

    A centre on the side of a polygon belongs to what lies to its right, or below: of two neighbours that share a side,
    each pixel belongs to one. Raise ImageFileError if the rings are too intricate to be those of nuclei.

    Examples
    --------
    >>> enclosed([[np.array([(1.0, 0.0), (3.0, 0.0), (3.0, 2.0), (1.0, 2.0)])]], (0, 2, 0, 4)).astype(int)
    array([[0, 1, 1, 0],
           [0, 1, 1, 0]])
    """
    inside = np.zeros((window[1] - window[0], window[3] - window[2]), bool)
    for rings in polygons:
        inside |= _odd(rings, window)
    return inside


def counted(names: Sequence[str]) -> str:
    """Count outlines and name some of them, as the beginning of a sentence: ``2 outlines ('a', 'b') lie``."""
    shown = ", ".join(f"'{name}'" for name in names[:MOST_NAMED])
    more = ", …" if len(names) > MOST_NAMED else ""
    return f"1 outline ({shown}) lies" if len(names) == 1 else f"{len(names)} outlines ({shown}{more}) lie"


def _odd(rings: Sequence[Ring], window: Region) -> Mask:
    """Return the pixels of a rectangle that lie within an odd number of rings."""
    y0, y1, x0, x1 = window
    height, width = y1 - y0, x1 - x0
    # From here on, pixel centres lie at whole numbers.
    starts = np.concatenate(rings) - (x0 + 0.5, y0 + 0.5)
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings]) - (x0 + 0.5, y0 + 0.5)
    # Always from above: a side that two neighbours run along in opposite ways then crosses each row at the same x.
    down = starts[:, 1] <= ends[:, 1]
    above, below = np.where(down[:, None], starts, ends), np.where(down[:, None], ends, starts)
    first = np.clip(np.ceil(above[:, 1]), 0, height).astype(np.int64)
    crossed = np.clip(np.ceil(below[:, 1]), 0, height).astype(np.int64) - first
    total = int(crossed.sum())
    if total > MOST_CROSSINGS:
        raise ImageFileError(f"An outline of {len(starts):,} corners is too intricate to be that of a nucleus.")
    side = np.repeat(np.arange(len(starts)), crossed)
    rows = first[side] + np.arange(total) - np.repeat(np.cumsum(crossed) - crossed, crossed)
    (top_x, top_y), (bottom_x, bottom_y) = above[side].T, below[side].T
    x = top_x + (rows - top_y) / (bottom_y - top_y) * (bottom_x - top_x)
    # Every side changes inside to outside, or back, from the first centre that is not to its left.
    columns = np.clip(np.ceil(x), 0, width).astype(np.int64)
    turns = np.bincount(rows * (width + 1) + columns, minlength=height * (width + 1)).reshape(height, width + 1)
    return np.asarray(np.cumsum(turns[:, :-1], axis=1) % 2 == 1)


def _numbers(outlines: Sequence[Outline]) -> NDArray[np.int32]:
    """Return the ids: those of the file if it gives one to each nucleus of a plane, else count from 1."""
    keys = {(outline.number, outline.t, outline.z, outline.position) for outline in outlines}
    if len(keys) == len(outlines) and all(0 < outline.number <= np.iinfo(np.int32).max for outline in outlines):
        return np.array([outline.number for outline in outlines], np.int32)
    return np.arange(1, len(outlines) + 1, dtype=np.int32)


def _area(bounds: Region) -> int:
    return (bounds[1] - bounds[0]) * (bounds[3] - bounds[2])


def _within(bounds: Region, size: tuple[int, int]) -> Region | None:
    """Clip a rectangle to an image; None if nothing of it lies there."""
    y0, y1, x0, x1 = max(bounds[0], 0), min(bounds[1], size[0]), max(bounds[2], 0), min(bounds[3], size[1])
    return (y0, y1, x0, x1) if y0 < y1 and x0 < x1 else None


def _strips(window: Region) -> Iterator[Region]:
    """Divide a rectangle into strips of rows that take little memory to fill."""
    y0, y1, x0, x1 = window
    rows = max(_FILLED_AT_ONCE // (x1 - x0), 1)
    for start in range(y0, y1, rows):
        yield start, min(start + rows, y1), x0, x1


def _plane(outline: Outline, leading: str, shape: Sequence[int]) -> tuple[int | slice, ...] | None:
    """Return the index of an outline's plane, with a slice where the file does not say; None if there is no such."""
    said = {"T": outline.t, "Z": outline.z}
    if "Z" not in leading:
        # Depth is what other programs call an axis that has no name here.
        said["Q"] = said.pop("Z")
    if all(index is None for index in said.values()) and outline.position is not None:
        if outline.position >= math.prod(shape):
            return None
        return tuple(int(one) for one in np.unravel_index(outline.position, tuple(shape)))
    if len(leading) == 1 and said.get(leading) is None:
        # A stack of one axis: ImageJ may count the frames of a movie as slices.
        said = {leading: next((index for index in said.values() if index is not None), None)}
    index: list[int | slice] = []
    for letter, length in zip(leading, shape, strict=True):
        one = said.pop(letter, None)
        if one is not None and not 0 <= one < length:
            return None
        index.append(one if one is not None else 0 if length == 1 else slice(None))
    # What remains are axes that the image does not have.
    return None if any(said.values()) else tuple(index)

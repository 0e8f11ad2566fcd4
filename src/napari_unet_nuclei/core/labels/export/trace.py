"""Trace labels as polygons along the sides of their pixels: rasterising them restores the labels exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.int64]
"""Corners of a closed line, axes (corner, (x, y)), the first not repeated. Pixel (y, x) spans x to x+1, y to y+1."""

_EAST, _SOUTH, _WEST, _NORTH = range(4)
_RIGHT, _LEFT = 1, 3  # turns, added to a direction


@dataclass(frozen=True, eq=False)
class Polygon:
    """A connected area."""

    exterior: Ring  # clockwise on screen (y pointing down), shape (corners, 2)
    holes: tuple[Ring, ...] = ()  # counterclockwise on screen


def trace_polygons(labels: NDArray[np.integer[Any]]) -> Iterator[tuple[int, tuple[Polygon, ...]]]:
    """Yield every id of a plane (Y, X), ascending, with its polygons; 0 and below is background.

    Pixels that touch only at a corner belong to different polygons. No ring touches itself.

    Examples
    --------
    >>> [(number, pieces)] = trace_polygons(np.array([[0, 0, 0], [0, 7, 7]]))
    >>> number, pieces[0].exterior.tolist()
    (7, [[1, 1], [3, 1], [3, 2], [1, 2]])
    """
    sides = _Sides.of(labels)
    rings = _simple_rings(sides)
    for number, group in groupby(rings, key=itemgetter(0)):
        corners = [ring for _, ring in group]
        # A label in several parts has as many exteriors; each hole goes to the one around it.
        exteriors = [ring for ring in corners if _is_exterior(ring)]
        holes = [ring for ring in corners if not _is_exterior(ring)] if len(corners) > len(exteriors) else []
        owners = [_owner(exteriors, hole) for hole in holes]
        yield (
            number,
            tuple(
                Polygon(exterior, tuple(hole for hole, owner in zip(holes, owners, strict=True) if owner == piece))
                for piece, exterior in enumerate(exteriors)
            ),
        )


@dataclass(frozen=True, eq=False)
class _Sides:
    """Directed sides of pixels on the outline of their label, which lies to their right.

    All arrays have the shape (sides,): ``number`` is the label, ``corner`` the start (y * width + x on the grid of
    corners), ``direction`` one of the four, ``following`` the index of the next side of the ring.
    """

    number: NDArray[np.int64]
    corner: NDArray[np.int64]
    direction: NDArray[np.int64]
    following: NDArray[np.int64]
    width: int

    @staticmethod
    def of(labels: NDArray[np.integer[Any]]) -> _Sides:
        # A background rim, so that sides at the edge of the image are found like all others.
        padded = np.pad(np.maximum(labels, 0), 1)
        width = labels.shape[1] + 1
        above, below = padded[:-1, 1:-1], padded[1:, 1:-1]
        left, right = padded[1:-1, :-1], padded[1:-1, 1:]
        parts = [
            _sides_of(below, above, _EAST, 0, width),
            _sides_of(above, below, _WEST, 1, width),
            _sides_of(right, left, _NORTH, width, width),
            _sides_of(left, right, _SOUTH, 0, width),
        ]
        number, corner, direction = (np.concatenate(values) for values in zip(*parts, strict=True))
        # Sorted by corner and direction, the side that starts at a corner is found by bisection. Two sides of different
        # labels never share a key: their own pixel lies to their right.
        keys = corner * 4 + direction
        order = np.argsort(keys)
        number, corner, direction = number[order], corner[order], direction[order]
        return _Sides(number, corner, direction, _following(keys[order], number, corner, direction, width), width)


def _sides_of(
    own: NDArray[Any], beyond: NDArray[Any], direction: int, start: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return labels, starting corners and directions of all sides that face the same way."""
    rows, columns = np.nonzero((own > 0) & (own != beyond))
    return (
        own[rows, columns].astype(np.int64),
        rows.astype(np.int64) * width + columns + start,
        np.full(rows.size, direction, np.int64),
    )


def _following(
    keys: NDArray[np.int64],
    number: NDArray[np.int64],
    corner: NDArray[np.int64],
    direction: NDArray[np.int64],
    width: int,
) -> NDArray[np.int64]:
    """Find the side that continues each one.

    Where two pixels of a label touch at a corner, three sides start there. The right turn is tried last and so wins: it
    stays on the same pixel, which keeps the two pixels in different rings.
    """
    steps = np.array([1, width, -1, -width])
    end = corner + steps[direction]
    following = np.full(keys.size, -1, np.int64)
    for turn in (_LEFT, 0, _RIGHT):
        wanted = end * 4 + (direction + turn) % 4
        place = np.minimum(np.searchsorted(keys, wanted), max(keys.size - 1, 0))
        fits = (keys[place] == wanted) & (number[place] == number)
        following[fits] = place[fits]
    return following


def _simple_rings(sides: _Sides) -> Iterator[tuple[int, Ring]]:
    """Yield closed lines with their labels, sorted by label; lines that touch themselves are cut there."""
    walked, lengths = _walk(sides)
    if not lengths:
        return
    # Only sides where the direction changes start at a corner of the polygon.
    starts = np.cumsum([0, *lengths[:-1]])
    direction = sides.direction[walked]
    before = np.roll(direction, 1)
    before[starts] = direction[starts + np.array(lengths) - 1]
    turns = direction != before
    counts = np.add.reduceat(turns, starts, dtype=np.int64)
    y, x = np.divmod(sides.corner[walked[turns]], sides.width)
    corners = np.stack([x, y], axis=1)
    numbers = sides.number[walked[starts]].tolist()
    for number, ring in zip(numbers, np.split(corners, np.cumsum(counts)[:-1]), strict=True):
        for part in _cut_where_touching(ring, sides.width):
            yield number, part


def _walk(sides: _Sides) -> tuple[NDArray[np.int64], list[int]]:
    """Follow all sides; return them ring by ring, sorted by label, and the length of each ring."""
    # The only loop over sides; Python lists are faster to index one by one than arrays.
    following = sides.following.tolist()
    seen = bytearray(len(following))
    walked: list[int] = []
    lengths = []
    for start in np.argsort(sides.number, kind="stable").tolist():
        if seen[start]:
            continue
        first, side = len(walked), start
        while not seen[side]:
            seen[side] = 1
            walked.append(side)
            side = following[side]
        lengths.append(len(walked) - first)
    return np.array(walked, np.int64), lengths


def _cut_where_touching(ring: Ring, width: int) -> Iterator[Ring]:
    """Yield a closed line as rings that pass every corner once."""
    keys = (ring[:, 1] * width + ring[:, 0]).tolist()
    if len(set(keys)) == len(keys):
        yield ring
        return
    # Walk along the line; on returning to a corner, cut off the loop since it was passed.
    open_line: list[int] = []
    place: dict[int, int] = {}
    for position, key in enumerate(keys):
        if key in place:
            loop = open_line[place[key] :]
            yield ring[loop]
            for closed in loop:
                del place[keys[closed]]
            del open_line[len(open_line) - len(loop) :]
        place[key] = len(open_line)
        open_line.append(position)
    yield ring[open_line]


def _is_exterior(ring: Ring) -> bool:
    """Decide by the topmost corner (leftmost if several): an exterior leaves it to the right, a hole downwards."""
    top = int(np.lexsort((ring[:, 0], ring[:, 1]))[0])
    return bool(ring[top, 1] == ring[(top + 1) % len(ring), 1])


def _owner(exteriors: list[Ring], hole: Ring) -> int:
    """Return the index of the exterior around a hole."""
    if len(exteriors) == 1:
        return 0
    along = np.sign(hole[1] - hole[0])
    # With y pointing down, a right turn takes (x, y) to (-y, x).
    right = np.array([-along[1], along[0]])
    beside = hole[0] + (along + right) / 2  # middle of the label's own pixel at the first side
    return next(piece for piece, exterior in enumerate(exteriors) if _contains(exterior, beside))


def _contains(ring: Ring, point: NDArray[np.float64]) -> bool:
    """Tell whether a point not on a side lies within a ring: even-odd rule along a line to the west."""
    (x0, y0), (x1, y1) = ring.T, np.roll(ring, -1, axis=0).T
    crossed = (np.minimum(y0, y1) < point[1]) & (np.maximum(y0, y1) > point[1]) & (x0 == x1) & (x0 < point[0])
    return bool(crossed.sum() % 2)

"""Run the network for planes over a volume in three directions, and average what it sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.image.tiling import Tile, Tiling, placed_tiles, round_up
from napari_unet_nuclei.core.labels.decode_volume import VolumeMaps, cubes_at
from napari_unet_nuclei.core.labels.regions import slices
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner, TileTooLarge
from napari_unet_nuclei.core.segment.volumes.stack import Volume, WorkingGrid, signal_places
from napari_unet_nuclei.core.types import Box

DIRECTIONS = ("XY", "XZ", "YZ")
"""In the order of the axis that is cut across: Z, Y, X."""

BATCH = 1 << 19
"""Pixels that the network is given at once: planes across a stack are small, and one by one would take longer."""

BLURRED = 3.0
"""Spacing, over the pixel, from which the planes themselves count more than cuts across them, which are interpolated.
With equal weights, three of four nuclei are missed at a spacing of 9."""

READING = 0.1
"""Share of the progress bar that reading takes."""

FULL = 255 << 8
"""Sum of the weights of all directions, in the 16 bits in which maps are added up."""


def weights_of(spacing: float) -> NDArray[np.float64]:
    """Weights of the three directions, XY first; their sum is 1.

    Examples
    --------
    >>> weights_of(1.0).round(2).tolist(), weights_of(6.0).tolist()
    ([0.33, 0.33, 0.33], [0.5, 0.25, 0.25])
    """
    weights = np.array([max(spacing / BLURRED, 1.0), 1.0, 1.0])
    return np.asarray(weights / weights.sum())


def predict_volume(
    readers: Sequence[PlaneReader],
    spacing: float,
    diameter: float,
    unit: float,
    runner: NetworkRunner,
    progress: Progress,
    *,
    box: Box = (),
    lock: AbstractContextManager[object] | None = None,
) -> VolumeMaps:
    """Predict foreground and border of a stack on its working grid, or of a box of it, as it is in the whole stack.

    Parameters
    ----------
    readers : sequence of PlaneReader
        All planes of the stack.
    spacing, diameter, unit : float
        As for `WorkingGrid.of`.
    box : tuple of int, optional
        In cubes; all if not given.
    lock : context manager, optional
        Held while the network runs, by threads that share a runner; they read images in the meantime.
    """
    shape = (len(readers), *readers[0].shape)
    if 0 in shape:
        none = np.zeros((0, 0, 0), np.uint8)
        return VolumeMaps(none, none, shape, unit)
    grid = WorkingGrid.of(shape, spacing, diameter, unit)
    box = box or tuple(edge for size in grid.shape for edge in (0, size))
    stride = runner.card.architecture.stride
    axes = [
        _Axis.of(size, first, end, _halo(runner), stride)
        for size, first, end in zip(grid.shape, box[::2], box[1::2], strict=True)
    ]
    outer = tuple(edge for axis in axes for edge in (axis.read, axis.read_end))
    volume = grid.read(readers, Share(progress, 0.0, READING), outer)
    network = Share(progress, READING, 1.0)
    while True:
        try:
            sums = _sums(
                volume, axes, signal_places(readers[0]), weights_of(spacing), runner, network, lock or nullcontext()
            )
            break
        except TileTooLarge:  # the runner has chosen smaller ones, or raises
            continue
    # To the nearest: a half more before the division.
    foreground, border = ((one + np.uint16(128) >> 8).astype(np.uint8) for one in sums)
    maps = VolumeMaps(foreground, border, shape, unit)
    if not all(reader.complete for reader in readers):
        _leave_out_fill(maps, grid, box, readers)
    return maps


@dataclass(frozen=True)
class _Axis:
    """One axis of a box of the grid: length of the grid; first and end of the box, and of what is read around it."""

    size: int
    first: int
    end: int
    read: int
    read_end: int

    @staticmethod
    def of(size: int, first: int, end: int, halo: int, stride: int) -> _Axis:
        """Widen the box by all that the network looks at: tiles begin and end at strides of the whole grid."""
        read = max(first // stride * stride - halo, 0)
        return _Axis(size, first, end, read, min(round_up(end, stride) + halo, size))


def _halo(runner: NetworkRunner) -> int:
    architecture = runner.card.architecture
    return round_up(architecture.receptive_radius, architecture.stride)


def _sums(
    volume: Volume,
    axes: Sequence[_Axis],
    places: Sequence[int],
    weights: NDArray[np.float64],
    runner: NetworkRunner,
    progress: Progress,
    lock: AbstractContextManager[object],
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Add up foreground and border over the directions: one direction's maps at a time exist, and none in float32."""
    heads = [runner.card.architecture.heads.index(head) for head in ("foreground", "border")]
    sums = tuple(np.zeros([axis.end - axis.first for axis in axes], np.uint16) for _ in heads)
    for across, direction in enumerate(DIRECTIONS):
        share = Share(progress, across / 3, (across + 1) / 3)
        share_of_sum = np.float32(weights[across] * FULL)
        targets = [np.moveaxis(one, across, 0) for one in sums]
        for planes, rows, columns, output in _outputs(volume, axes, across, places, runner, share, direction, lock):
            for target, head in zip(targets, heads, strict=True):
                # Rounded by the half; the sum of three such errors is far below a step of 8 bits.
                target[planes, rows, columns] += (output[:, head] * share_of_sum + np.float32(0.5)).astype(np.uint16)
    return sums  # type: ignore[return-value]  # two heads


def _outputs(
    volume: Volume,
    axes: Sequence[_Axis],
    across: int,
    places: Sequence[int],
    runner: NetworkRunner,
    progress: Progress,
    direction: str,
    lock: AbstractContextManager[object],
) -> Iterator[tuple[slice, slice, slice, NDArray[np.float32]]]:
    """Yield the network's output for batches of tiles of the planes across an axis, and where it belongs."""
    cut, (down, right) = axes[across], (*axes[:across], *axes[across + 1 :])
    planes = np.moveaxis(volume, across + 1, 1)[:, cut.first - cut.read : cut.end - cut.read]
    count = planes.shape[1]
    tiles = _tiles(down, right, runner)
    for number, tile in enumerate(tiles):
        (y0, y1, x0, x1), (oy0, oy1, ox0, ox1) = tile.inner, tile.outer
        # The runner halves its tiles where memory runs short, and a batch shrinks with them.
        batch = max(min(BATCH, runner.tile**2) // ((oy1 - oy0) * (ox1 - ox0)), 1)
        # Tiles reach beyond the box, to the next stride.
        y0, y1, x0, x1 = max(y0, down.first), min(y1, down.end), max(x0, right.first), min(x1, right.end)
        rows, columns = slice(y0 - down.first, y1 - down.first), slice(x0 - right.first, x1 - right.first)
        for start in range(0, count, batch):
            progress.report(
                Advanced((number + start / count) / len(tiles), f"{direction} plane {start + 1} of {count}")
            )
            images = _images(planes[:, start : start + batch], tile, (down.read, right.read), places)
            with lock:
                output = runner.run_batch(images, progress)
            inside = output[:, :, y0 - oy0 : y1 - oy0, x0 - ox0 : x1 - ox0]
            yield slice(start, start + batch), rows, columns, inside
    progress.report(Advanced(1.0, f"{direction} plane {count} of {count}"))


def _tiles(down: _Axis, right: _Axis, runner: NetworkRunner) -> tuple[Tile, ...]:
    """Cut a part of a plane into tiles, which lie on the strides of the whole plane, padded to them."""
    stride = runner.card.architecture.stride
    (top, bottom), (left, end) = ((one.first // stride * stride, round_up(one.end, stride)) for one in (down, right))
    shape = round_up(down.size, stride), round_up(right.size, stride)
    return placed_tiles((top, bottom, left, end), shape, Tiling(runner.tile, _halo(runner), stride))


def _images(planes: Volume, tile: Tile, first: tuple[int, int], places: Sequence[int]) -> NDArray[np.float32]:
    """Cut a tile out of planes (C, N, Y, X), as a batch (N, C, Y, X) with an entry for every input.

    ``first`` are the row and the column that the planes begin with.
    """
    (y0, y1, x0, x1), (top, left) = tile.outer, first
    cut = planes[:, :, y0 - top : y1 - top, x0 - left : x1 - left]
    beyond = (0, y1 - y0 - cut.shape[2]), (0, x1 - x0 - cut.shape[3])
    # Mirrored: a stack may be a few cubes deep, and its last plane repeated would look like columns.
    padded = np.pad(cut, ((0, 0), (0, 0), *beyond), mode="symmetric")
    return np.ascontiguousarray(np.moveaxis(padded, 1, 0)[:, list(places)], np.float32)


def _leave_out_fill(maps: VolumeMaps, grid: WorkingGrid, box: Box, readers: Sequence[PlaneReader]) -> None:
    """Clear the foreground of a box where the planes hold no picture."""
    # Pixels in which the middles of cubes lie.
    planes, rows, columns = (
        cubes_at(axis.new, axis.old)[part] for axis, part in zip((grid.z, grid.y, grid.x), slices(box), strict=True)
    )
    for z, plane in enumerate(planes):
        reader = readers[int(plane)]
        if not reader.complete:
            region = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
            blank = ~reader.pictured(region)
            maps.foreground[z][blank[np.ix_(rows - rows[0], columns - columns[0])]] = 0

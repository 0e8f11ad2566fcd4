"""Run the network for planes over a volume in three directions, and average what it sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.image.tiling import Tile, Tiling, plan_tiles, round_up
from napari_unet_nuclei.core.labels.decode_volume import VolumeMaps, at_pixels
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner, TileTooLarge
from napari_unet_nuclei.core.segment.volumes.stack import Volume, WorkingGrid, signal_places

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
) -> VolumeMaps:
    """Predict foreground and border of a stack on its working grid; arguments as for `WorkingGrid.of`."""
    shape = (len(readers), *readers[0].shape)
    if 0 in shape:
        none = np.zeros((0, 0, 0), np.uint8)
        return VolumeMaps(none, none, shape, unit)
    grid = WorkingGrid.of(shape, spacing, diameter, unit)
    volume = grid.read(readers, Share(progress, 0.0, READING))
    network = Share(progress, READING, 1.0)
    while True:
        try:
            sums = _sums(volume, signal_places(readers[0]), weights_of(spacing), runner, network)
            break
        except TileTooLarge:  # the runner has chosen smaller ones, or raises
            continue
    # To the nearest: a half more before the division.
    foreground, border = ((one + np.uint16(128) >> 8).astype(np.uint8) for one in sums)
    maps = VolumeMaps(foreground, border, shape, unit)
    if not all(reader.complete for reader in readers):
        _leave_out_fill(maps, readers)
    return maps


def _sums(
    volume: Volume, places: Sequence[int], weights: NDArray[np.float64], runner: NetworkRunner, progress: Progress
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Add up foreground and border over the directions: one direction's maps at a time exist, and none in float32."""
    heads = [runner.card.architecture.heads.index(head) for head in ("foreground", "border")]
    sums = tuple(np.zeros(volume.shape[1:], np.uint16) for _ in heads)
    for axis, direction in enumerate(DIRECTIONS):
        share = Share(progress, axis / 3, (axis + 1) / 3)
        share_of_sum = np.float32(weights[axis] * FULL)
        targets = [np.moveaxis(one, axis, 0) for one in sums]
        for planes, rows, columns, output in _outputs(volume, axis, places, runner, share, direction):
            for target, head in zip(targets, heads, strict=True):
                # Rounded by the half; the sum of three such errors is far below a step of 8 bits.
                target[planes, rows, columns] += (output[:, head] * share_of_sum + np.float32(0.5)).astype(np.uint16)
    return sums  # type: ignore[return-value]  # two heads


def _outputs(
    volume: Volume, axis: int, places: Sequence[int], runner: NetworkRunner, progress: Progress, direction: str
) -> Iterator[tuple[slice, slice, slice, NDArray[np.float32]]]:
    """Yield the network's output for batches of tiles of the planes across an axis, and where it belongs."""
    planes = np.moveaxis(volume, axis + 1, 1)
    count, height, width = planes.shape[1:]
    architecture = runner.card.architecture
    stride = architecture.stride
    padded = round_up(height, stride), round_up(width, stride)
    tiles = plan_tiles(padded, Tiling(runner.tile, round_up(architecture.receptive_radius, stride), stride))
    for number, tile in enumerate(tiles):
        (y0, y1, x0, x1), (oy0, oy1, ox0, ox1) = tile.inner, tile.outer
        # The runner halves its tiles where memory runs short, and a batch shrinks with them.
        batch = max(min(BATCH, runner.tile**2) // ((oy1 - oy0) * (ox1 - ox0)), 1)
        for start in range(0, count, batch):
            progress.report(
                Advanced((number + start / count) / len(tiles), f"{direction} plane {start + 1} of {count}")
            )
            images = _images(planes[:, start : start + batch], tile, places)
            output = runner.run_batch(images, progress)
            rows, columns = slice(y0, min(y1, height)), slice(x0, min(x1, width))
            inside = output[:, :, y0 - oy0 :, x0 - ox0 :][:, :, : rows.stop - y0, : columns.stop - x0]
            yield slice(start, start + batch), rows, columns, inside
    progress.report(Advanced(1.0, f"{direction} plane {count} of {count}"))


def _images(planes: Volume, tile: Tile, places: Sequence[int]) -> NDArray[np.float32]:
    """Cut a tile out of planes (C, N, Y, X), as a batch (N, C, Y, X) with an entry for every input."""
    y0, y1, x0, x1 = tile.outer
    cut = planes[:, :, y0:y1, x0:x1]
    beyond = (0, y1 - y0 - cut.shape[2]), (0, x1 - x0 - cut.shape[3])
    # Mirrored: a stack may be a few cubes deep, and its last plane repeated would look like columns.
    padded = np.pad(cut, ((0, 0), (0, 0), *beyond), mode="symmetric")
    return np.ascontiguousarray(np.moveaxis(padded, 1, 0)[:, list(places)], np.float32)


def _leave_out_fill(maps: VolumeMaps, readers: Sequence[PlaneReader]) -> None:
    """Clear the foreground where the planes hold no picture."""
    _, height, width = maps.shape
    depth = len(maps.foreground)
    for z in range(depth):
        reader = readers[int((z + 0.5) * len(readers) / depth)]
        if not reader.complete:
            blank = ~reader.pictured((0, height, 0, width))
            maps.foreground[z][at_pixels(blank[None], (1, *maps.foreground.shape[1:]))[0]] = 0

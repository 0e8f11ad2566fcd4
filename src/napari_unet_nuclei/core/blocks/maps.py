"""The network's maps of a part of a plane, as they are where the whole plane is run through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.image.tiling import Tile, Tiling, plan_tiles, round_up
from napari_unet_nuclei.core.model.card import DECODED_HEADS
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.automatic_size import AGREEMENT, ENOUGH_NUCLEI, first_look, scale_for
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner, TileTooLarge
from napari_unet_nuclei.core.segment.predict import MARGIN, Grid, clear_gaps, predict_plane
from napari_unet_nuclei.core.segment.size import NO_NUCLEI, SizeEvidence
from napari_unet_nuclei.core.types import QuantisedMaps, Region

SAMPLES = 3
"""The size is judged on so many times so many windows, spread over the plane."""

SAMPLE_SIDE = 512
"""Side of each in pixels of the model's own scale."""

_CORRECTIONS = 2


def predict_region(
    reader: PlaneReader,
    scale: float,
    runner: NetworkRunner,
    region: Region,
    turn: AbstractContextManager[object],
    progress: Progress,
) -> QuantisedMaps:
    """Run the network over a part of a plane.

    Parameters
    ----------
    reader : PlaneReader
        Of the whole plane.
    scale : float
        Model pixels per image pixel.
    runner : NetworkRunner
    region : Region
        Rectangle of the plane.
    turn : context manager
        Entered while the network runs: threads that share a runner take turns, and read in the meantime.
    progress : Progress
        Hears of every tile, and may cancel there.

    Returns
    -------
    ndarray, shape (3, Y, X), uint8
        What the whole plane's maps have in that rectangle, up to rounding.
    """
    grid = Grid.at_scale(reader.shape, scale)
    while True:
        try:
            return _predict(reader, grid, runner, region, turn, progress)
        except TileTooLarge:
            continue


def _predict(
    reader: PlaneReader,
    grid: Grid,
    runner: NetworkRunner,
    region: Region,
    turn: AbstractContextManager[object],
    progress: Progress,
) -> QuantisedMaps:
    y0, y1, x0, x1 = region
    part = _Part(np.zeros((len(DECODED_HEADS), y1 - y0, x1 - x0), np.uint8), region)
    chosen = [runner.card.architecture.heads.index(head) for head in DECODED_HEADS]
    tiles = list(_tiles(grid, runner, region))
    for number, tile in enumerate(tiles):
        progress.report(Advanced(number / len(tiles), f"tile {number + 1} of {len(tiles)}"))
        image = grid.read(reader, tile.outer)
        with turn:
            output = runner.run(image, progress)
        grid.place(output[chosen], tile, cast(QuantisedMaps, part))
    clear_gaps(part.maps, reader, region)
    progress.report(Advanced(1.0, f"tile {len(tiles)} of {len(tiles)}"))
    return part.maps


@dataclass(frozen=True)
class _Part:
    """A part of a plane's maps that is written to as if it were all of them; what falls beside it is left out."""

    maps: QuantisedMaps
    region: Region

    def __setitem__(self, key: tuple[int | slice, slice, slice], values: NDArray[np.uint8]) -> None:
        head, rows, columns = key
        y0, y1, x0, x1 = self.region
        top, bottom = max(rows.start, y0), min(rows.stop, y1)
        left, right = max(columns.start, x0), min(columns.stop, x1)
        if top < bottom and left < right:
            inside = values[..., top - rows.start : bottom - rows.start, left - columns.start : right - columns.start]
            self.maps[head, top - y0 : bottom - y0, left - x0 : right - x0] = inside


def _tiles(grid: Grid, runner: NetworkRunner, region: Region) -> Iterator[Tile]:
    """Yield tiles in model pixels that cover a rectangle of image pixels, on the strides of the whole plane's tiles."""
    architecture = runner.card.architecture
    stride = architecture.stride
    halo = round_up(architecture.receptive_radius + MARGIN, stride)
    height, width = (round_up(size, stride) for size in grid.shape)
    top, bottom = _in_model_pixels(region[:2], grid.rows.new / grid.rows.old, stride, height)
    left, right = _in_model_pixels(region[2:], grid.columns.new / grid.columns.old, stride, width)
    for tile in plan_tiles((bottom - top, right - left), Tiling(runner.tile, halo, stride)):
        y0, y1, x0, x1 = (edge + start for edge, start in zip(tile.inner, (top, top, left, left), strict=True))
        outer = (max(y0 - halo, 0), min(y1 + halo, height), max(x0 - halo, 0), min(x1 + halo, width))
        yield Tile((y0, y1, x0, x1), outer)


def _in_model_pixels(interval: tuple[int, int], scale: float, stride: int, size: int) -> tuple[int, int]:
    """Multiples of the stride between which all centres of an interval of image pixels lie."""
    start, stop = interval
    return int((start + 0.5) * scale) // stride * stride, min(round_up(int((stop - 0.5) * scale) + 1, stride), size)


def find_scale(
    reader: PlaneReader, runner: NetworkRunner, progress: Progress, estimate: float = 0.0
) -> tuple[float, float]:
    """Find the size of a plane's nuclei once for all of its blocks, on windows that are spread over the plane.

    Parameters
    ----------
    reader : PlaneReader
    runner : NetworkRunner
        Of a model with a size head.
    progress : Progress
    estimate : float
        What `first_look` said of this plane; 0 where it has not been asked yet.

    Returns
    -------
    scale : float
        Model pixels per image pixel.
    diameter : float
        Of the nuclei in image pixels; the model's own where there are none.
    """
    model_diameter = runner.card.diameter
    scale = scale_for(estimate or first_look(reader, runner, progress), model_diameter)
    evidence = _evidence(reader, runner, scale, progress)
    for _ in range(_CORRECTIONS):
        if evidence.nuclei < ENOUGH_NUCLEI or 1 / AGREEMENT <= evidence.factor <= AGREEMENT:
            break
        corrected = scale_for(model_diameter * evidence.factor / scale, model_diameter)
        if corrected == scale:
            break
        scale = corrected
        evidence = _evidence(reader, runner, scale, progress)
    return scale, model_diameter * evidence.factor / scale if evidence.nuclei > 0 else model_diameter


def _evidence(reader: PlaneReader, runner: NetworkRunner, scale: float, progress: Progress) -> SizeEvidence:
    """Run the network on the windows, and add up what its size head says."""
    side = max(round(SAMPLE_SIDE / scale), 1)
    windows = [
        (*rows, *columns) for rows in _spread(reader.shape[0], side) for columns in _spread(reader.shape[1], side)
    ]
    top, left = reader.region[0], reader.region[2]
    evidence = NO_NUCLEI
    for number, (y0, y1, x0, x1) in enumerate(windows):
        window = replace(reader, region=(top + y0, top + y1, left + x0, left + x1))
        progress.report(Advanced(0.0, f"looking at the nuclei's size, window {number + 1} of {len(windows)}"))
        evidence += predict_plane(window, scale, runner, Share(progress, 0.0, 0.0)).evidence
    return evidence


def _spread(size: int, side: int) -> Sequence[tuple[int, int]]:
    """Intervals of a length, from one end to the other, or all there is."""
    if size <= SAMPLES * side:
        return [(0, size)]
    return [(int(start), int(start) + side) for start in np.linspace(0, size - side, SAMPLES)]

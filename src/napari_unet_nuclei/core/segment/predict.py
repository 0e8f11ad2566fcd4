"""Predict the maps of a plane or a part of it: read, resize, run tile by tile, resize back to the image's pixels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.image.resample import AxisResampling, resample
from napari_unet_nuclei.core.image.tiling import Tile, Tiling, placed_tiles, round_up
from napari_unet_nuclei.core.labels.decode import TUNED, DecodeThresholds, quantise
from napari_unet_nuclei.core.model.architecture import DECODED_HEADS
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner, TileTooLarge
from napari_unet_nuclei.core.segment.size import NO_NUCLEI, SizeEvidence
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import Image, Maps, QuantisedMaps, Region

OutputType = TypeVar("OutputType")
ResultType = TypeVar("ResultType")

MARGIN = 8
"""Pixels beyond the receptive field that are right as well, for resizing the maps across a tile's edge."""


@dataclass(frozen=True)
class Grid:
    """The plane at the model's own scale: resampling from image pixels to model pixels."""

    rows: AxisResampling
    columns: AxisResampling

    @staticmethod
    def at_scale(shape: tuple[int, int], scale: float) -> Grid:
        """Return the grid of a plane (Y, X) that is resized by ``scale`` (model pixels per image pixel)."""
        # Whole pixels, so that the two axes may differ in scale by a fraction of a pixel over their whole length.
        return Grid(*(AxisResampling(size, max(round(size * scale), 1)) for size in shape))

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) in model pixels."""
        return self.rows.new, self.columns.new

    @property
    def identity(self) -> bool:
        """True where nothing is resized."""
        return self.rows.old == self.rows.new and self.columns.old == self.columns.new

    def read(self, reader: PlaneReader, region: Region) -> Image:
        """Read a rectangle in model pixels, which may reach beyond the plane, where its edge is repeated."""
        y0, y1, x0, x1 = region
        inside = (y0, min(y1, self.shape[0]), x0, min(x1, self.shape[1]))
        if self.identity:
            image = reader.read(inside)
        else:
            # Read what these pixels are made of and no more: a slide is never resized as a whole.
            rows, top = self.rows.matrix(*inside[:2])
            columns, left = self.columns.matrix(*inside[2:])
            image = reader.read((top, top + rows.shape[1], left, left + columns.shape[1]))
            image = np.stack([resample(channel, rows, columns) for channel in image])
        # Repeated rather than black: a step in brightness along the edge would look like an outline.
        return np.pad(image, ((0, 0), (0, y1 - inside[1]), (0, x1 - inside[3])), mode="edge")

    def place(self, maps: Maps, tile: Tile, target: QuantisedMaps, region: Region) -> None:
        """Write a tile's maps (K, outer) into those of a rectangle of the plane (K, Y, X), at image resolution."""
        rows, columns = (AxisResampling(axis.new, axis.old) for axis in (self.rows, self.columns))
        y0, y1, x0, x1 = tile.inner
        # A pixel belongs to the tile that its centre lies in: each is written once, however the scales fall together.
        # The last tile reaches beyond the plane; the plane's last pixels are its own.
        top, bottom = _overlap(rows.centred_in(y0, min(y1, rows.old)), region[:2])
        left, right = _overlap(columns.centred_in(x0, min(x1, columns.old)), region[2:])
        if top >= bottom or left >= right:
            return
        inside = target[:, top - region[0] : bottom - region[0], left - region[2] : right - region[2]]
        # Quantised tile by tile, so that maps of the whole plane never exist in float32, four times as large.
        if self.identity:
            y, x = tile.outer[0], tile.outer[2]
            inside[...] = quantise(maps[:, top - y : bottom - y, left - x : right - x])
            return
        row_matrix, first_row = rows.matrix(top, bottom)
        column_matrix, first_column = columns.matrix(left, right)
        # These reach beyond the inner part by up to a pixel of the coarser grid, hence `MARGIN`.
        y, x = first_row - tile.outer[0], first_column - tile.outer[2]
        needed = maps[:, y : y + row_matrix.shape[1], x : x + column_matrix.shape[1]]
        for k, one in enumerate(needed):
            inside[k] = quantise(resample(one, row_matrix, column_matrix))


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return max(one[0], other[0]), min(one[1], other[1])


def plan_region(grid: Grid, runner: NetworkRunner, region: Region) -> tuple[Tile, ...]:
    """Cut a rectangle of image pixels into tiles in model pixels, as large as the runner's device takes.

    Tiles lie on the network's strides of the whole plane and are read with all that the network looks at around them,
    so that a block's maps are those of the plane in one piece.
    """
    architecture = runner.card.architecture
    stride = architecture.stride
    halo = round_up(architecture.receptive_radius + MARGIN, stride)
    height, width = (round_up(size, stride) for size in grid.shape)
    # On multiples of the stride of the whole plane, so that poolings fall on the same pixels in every block.
    top, bottom = _in_model_pixels(region[:2], grid.rows, stride)
    left, right = _in_model_pixels(region[2:], grid.columns, stride)
    return placed_tiles((top, bottom, left, right), (height, width), Tiling(runner.tile, halo, stride))


def _in_model_pixels(interval: tuple[int, int], axis: AxisResampling, stride: int) -> tuple[int, int]:
    """Multiples of the stride between which all centres of an interval of image pixels lie."""
    (start, stop), scale = interval, axis.new / axis.old
    # Pixel i has its centre at i + 0.5. At the plane's ends, what lies beyond the last centre would have no tile.
    first = int((start + 0.5) * scale) // stride * stride if start > 0 else 0
    last = int((stop - 0.5) * scale) + 1 if stop < axis.old else axis.new
    return first, min(round_up(last, stride), round_up(axis.new, stride))


@dataclass(frozen=True)
class Prediction:
    """Network output of a plane, or of a rectangle of it.

    Attributes
    ----------
    maps : ndarray, shape (3, Y, X), uint8
        Foreground, border and distance at the image's own pixels.
    evidence : SizeEvidence
        In model pixels.
    scale : float
        Model pixels per image pixel.
    """

    maps: QuantisedMaps
    evidence: SizeEvidence
    scale: float


def thresholds_at(card: ModelCard, scale: float) -> DecodeThresholds:
    """Convert a model's fitted thresholds to an image of ``scale`` model pixels per image pixel."""
    fitted = card.thresholds
    # The one threshold in pixels is an area; it never reaches 0, which would be no threshold at all.
    smallest = max(round(fitted.min_size / scale**2), 1)
    return DecodeThresholds(fitted.foreground, fitted.split, smallest, 1 / scale, fitted.score, card.score)


def chosen_thresholds(own: DecodeThresholds, settings: SegmentSettings) -> DecodeThresholds:
    """Replace the model's own thresholds for an image by those that the user set."""
    given: dict[str, Any] = {name: getattr(settings, name) for name in TUNED if not getattr(settings, f"{name}_auto")}
    return replace(own, **given)


def predict_plane(
    reader: PlaneReader,
    scale: float,
    runner: NetworkRunner,
    progress: Progress,
    check: Callable[[SizeEvidence], None] = lambda evidence: None,
    *,
    region: Region | None = None,
    lock: AbstractContextManager[object] | None = None,
) -> Prediction:
    """Run the network over a plane, or over a rectangle of it; the tiles' size changes nothing, up to rounding.

    Parameters
    ----------
    scale : float
        Model pixels per image pixel.
    check : callable
        Receives the size evidence after every tile; may raise to stop a pass at the wrong scale early.
    lock : context manager, optional
        Held while the network runs, by threads that share a runner; they read images in the meantime.
    """
    height, width = reader.shape
    region = region or (0, height, 0, width)
    chosen = [runner.card.architecture.heads.index(head) for head in DECODED_HEADS]

    def predict() -> Prediction:
        # All anew on every try: tiles of one that ran out of memory may not count twice.
        maps = np.zeros((len(DECODED_HEADS), region[1] - region[0], region[3] - region[2]), np.uint8)
        evidence = NO_NUCLEI

        def keep(grid: Grid, tile: Tile, output: Maps) -> None:
            nonlocal evidence
            if runner.card.tells_size:
                # Inner parts only, since nuclei in a halo are seen by two tiles; checked before the work of resizing.
                evidence += SizeEvidence.of(output[:, *tile.crop], runner.card, scale)
                check(evidence)
            grid.place(output[chosen], tile, maps, region)

        _run_tiles(reader, scale, runner, region, runner.run, keep, progress, lock)
        if not reader.complete:  # no nuclei where the plane holds no picture
            maps[0][~reader.pictured(region)] = 0
        return Prediction(maps, evidence, scale)

    return _until_tiles_fit(predict)


def predict_classes(reader: PlaneReader, runner: NetworkRunner, progress: Progress) -> NDArray[np.uint8]:
    """Run a network for classes over a plane, at the plane's own scale; return class ids (Y, X)."""
    height, width = reader.shape
    region = (0, height, 0, width)

    def predict() -> NDArray[np.uint8]:
        classes = np.zeros(reader.shape, np.uint8)

        def keep(grid: Grid, tile: Tile, output: NDArray[np.uint8]) -> None:
            y0, y1, x0, x1 = tile.inner
            target = classes[y0:y1, x0:x1]  # the last tile reaches beyond the plane
            target[...] = output[tile.crop][: target.shape[0], : target.shape[1]]

        _run_tiles(reader, 1.0, runner, region, runner.classify, keep, progress)
        return classes

    return _until_tiles_fit(predict)


def _until_tiles_fit(predict: Callable[[], ResultType]) -> ResultType:
    """Repeat a prediction after a tile did not fit into memory: the runner has chosen smaller ones, or raises."""
    while True:
        try:
            return predict()
        except TileTooLarge:
            continue


def _run_tiles(
    reader: PlaneReader,
    scale: float,
    runner: NetworkRunner,
    region: Region,
    network: Callable[[Image, Progress], OutputType],
    keep: Callable[[Grid, Tile, OutputType], None],
    progress: Progress,
    lock: AbstractContextManager[object] | None = None,
) -> None:
    """Read the tiles of a rectangle, run the network on each, and hand over its output (..., outer)."""
    grid = Grid.at_scale(reader.shape, scale)
    tiles = plan_region(grid, runner, region) if 0 not in reader.shape else ()
    for number, tile in enumerate(tiles):
        progress.report(Advanced(number / len(tiles), f"tile {number + 1} of {len(tiles)}"))
        image = grid.read(reader, tile.outer)  # outside the lock: threads read while another one has the network
        with lock or nullcontext():
            output = network(image, progress)
        keep(grid, tile, output)
    progress.report(Advanced(1.0, f"tile {len(tiles)} of {len(tiles)}"))

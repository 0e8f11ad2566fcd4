"""Network output of one plane: read, resize and run tile by tile, and bring the maps back to the image's pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.image.resample import AxisResampling, resample
from napari_unet_nuclei.core.image.tiling import Tile, Tiling, plan_tiles, round_up
from napari_unet_nuclei.core.labels.decode import TUNED, DecodeThresholds, quantise
from napari_unet_nuclei.core.model.card import DECODED_HEADS, ModelCard
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner, TileTooLarge
from napari_unet_nuclei.core.segment.size import NO_NUCLEI, SizeEvidence
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import Image, Maps, QuantisedMaps, Region

MARGIN = 8
"""Pixels beyond the receptive field that are right as well, for resizing the maps across a tile's edge."""


@dataclass(frozen=True)
class Grid:
    """The plane at the model's own scale.

    Attributes
    ----------
    rows, columns : AxisResampling
        From image pixels to model pixels.
    """

    rows: AxisResampling
    columns: AxisResampling

    @staticmethod
    def at_scale(shape: tuple[int, int], scale: float) -> Grid:
        """Return the grid of a plane (Y, X) that is resized by ``scale`` (model pixels per image pixel)."""
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
            rows, top = self.rows.matrix(*inside[:2])
            columns, left = self.columns.matrix(*inside[2:])
            image = reader.read((top, top + rows.shape[1], left, left + columns.shape[1]))
            image = np.stack([resample(channel, rows, columns) for channel in image])
        return np.pad(image, ((0, 0), (0, y1 - inside[1]), (0, x1 - inside[3])), mode="edge")

    def place(self, maps: Maps, tile: Tile, target: QuantisedMaps) -> None:
        """Write a tile's maps (K, outer) into the plane's maps (K, Y, X) at image resolution."""
        y0, y1, x0, x1 = tile.inner
        if self.identity:
            y1, x1 = min(y1, self.shape[0]), min(x1, self.shape[1])
            crop = maps[:, *tile.crop][:, : y1 - y0, : x1 - x0]
            target[:, y0:y1, x0:x1] = quantise(crop)
            return
        rows, columns = (AxisResampling(axis.new, axis.old) for axis in (self.rows, self.columns))
        # The last tile reaches beyond the plane; the plane's last pixels are its own.
        top, bottom = rows.centred_in(y0, min(y1, rows.old))
        left, right = columns.centred_in(x0, min(x1, columns.old))
        if top == bottom or left == right:
            return
        row_matrix, first_row = rows.matrix(top, bottom)
        column_matrix, first_column = columns.matrix(left, right)
        y, x = first_row - tile.outer[0], first_column - tile.outer[2]
        needed = maps[:, y : y + row_matrix.shape[1], x : x + column_matrix.shape[1]]
        for k, one in enumerate(needed):
            target[k, top:bottom, left:right] = quantise(resample(one, row_matrix, column_matrix))


def tiles_for(grid: Grid, runner: NetworkRunner) -> tuple[Tile, ...]:
    """Cut a plane into tiles as large as the runner's device takes, with all that the network looks at around them."""
    architecture = runner.card.architecture
    stride = architecture.stride
    tiling = Tiling(runner.tile, round_up(architecture.receptive_radius + MARGIN, stride), stride)
    return plan_tiles((round_up(grid.shape[0], stride), round_up(grid.shape[1], stride)), tiling)


@dataclass(frozen=True)
class Prediction:
    """Network output of one plane.

    Attributes
    ----------
    maps : ndarray, shape (3, Y, X), uint8
        Foreground, border and distance at the image's own pixels.
    evidence : SizeEvidence
        What the size head saw, in model pixels.
    scale : float
        Model pixels per image pixel.
    """

    maps: QuantisedMaps
    evidence: SizeEvidence
    scale: float


def thresholds_at(card: ModelCard, scale: float) -> DecodeThresholds:
    """Bring what was fitted with a model to an image of ``scale`` model pixels per image pixel."""
    fitted = card.thresholds
    smallest = max(round(fitted.min_size / scale**2), 1)
    return DecodeThresholds(fitted.foreground, fitted.split, smallest, 1 / scale, fitted.score, card.score)


def chosen_thresholds(own: DecodeThresholds, settings: SegmentSettings) -> DecodeThresholds:
    """Put what the user set in the place of the model's own thresholds for an image."""
    given: dict[str, Any] = {name: getattr(settings, name) for name in TUNED if not getattr(settings, f"{name}_auto")}
    return replace(own, **given)


def predict_plane(
    reader: PlaneReader,
    scale: float,
    runner: NetworkRunner,
    progress: Progress,
    check: Callable[[SizeEvidence], None] = lambda evidence: None,
) -> Prediction:
    """Run the network over one plane.

    Parameters
    ----------
    reader : PlaneReader
    scale : float
        Model pixels per image pixel.
    runner : NetworkRunner
    progress : Progress
        Hears of every tile, and may cancel there.
    check : callable
        Sees the size evidence after every tile; may raise to stop a pass at the wrong scale early.

    Returns
    -------
    Prediction
        The same whatever the size of the tiles, up to rounding.
    """
    grid = Grid.at_scale(reader.shape, scale)
    while True:
        try:
            return _predict(reader, grid, scale, runner, progress, check)
        except TileTooLarge:
            continue


def _predict(
    reader: PlaneReader,
    grid: Grid,
    scale: float,
    runner: NetworkRunner,
    progress: Progress,
    check: Callable[[SizeEvidence], None],
) -> Prediction:
    architecture = runner.card.architecture
    tiles = tiles_for(grid, runner)
    maps = np.zeros((len(DECODED_HEADS), *reader.shape), np.uint8)
    chosen = [architecture.heads.index(head) for head in DECODED_HEADS]
    evidence = NO_NUCLEI
    for number, tile in enumerate(tiles):
        progress.report(Advanced(number / len(tiles), f"tile {number + 1} of {len(tiles)}"))
        output = runner.run(grid.read(reader, tile.outer), progress)
        if runner.card.tells_size:
            evidence += SizeEvidence.of(output[:, *tile.crop], runner.card, scale)
            check(evidence)
        grid.place(output[chosen], tile, maps)
    clear_gaps(maps, reader, (0, reader.shape[0], 0, reader.shape[1]))
    progress.report(Advanced(1.0, f"tile {len(tiles)} of {len(tiles)}"))
    return Prediction(maps, evidence, scale)


def clear_gaps(maps: QuantisedMaps, reader: PlaneReader, region: Region) -> None:
    """Set the foreground (maps[0]) of a rectangle to 0, in place, where the plane holds no picture."""
    if not reader.complete:
        maps[0][~reader.pictured(region)] = 0

"""The class of every pixel of a plane, tile by tile, at the image's own scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner, TileTooLarge
from napari_unet_nuclei.core.segment.predict import Grid, tiles_for
from napari_unet_nuclei.core.types import Labels


def classify(runner: NetworkRunner, readers: Sequence[PlaneReader], progress: Progress) -> Labels:
    """Tell the classes of planes of the same shape, int32 (planes, Y, X)."""
    planes = [
        predict_classes(reader, runner, Share(progress, number / len(readers), (number + 1) / len(readers)))
        for number, reader in enumerate(readers)
    ]
    return np.stack(planes).astype(np.int32)


def predict_classes(reader: PlaneReader, runner: NetworkRunner, progress: Progress) -> NDArray[np.uint8]:
    """Run a network for classes over one plane.

    Parameters
    ----------
    reader : PlaneReader
    runner : NetworkRunner
    progress : Progress
        Hears of every tile, and may cancel there.

    Returns
    -------
    ndarray, shape (Y, X), uint8
        Class ids; the same whatever the size of the tiles, up to rounding.
    """
    while True:
        try:
            return _predict(reader, runner, progress)
        except TileTooLarge:
            continue


def _predict(reader: PlaneReader, runner: NetworkRunner, progress: Progress) -> NDArray[np.uint8]:
    grid = Grid.at_scale(reader.shape, 1.0)
    classes = np.zeros(reader.shape, np.uint8)
    tiles = tiles_for(grid, runner) if classes.size else ()
    for number, tile in enumerate(tiles):
        progress.report(Advanced(number / len(tiles), f"tile {number + 1} of {len(tiles)}"))
        found = runner.classify(grid.read(reader, tile.outer), progress)[tile.crop]
        y0, y1, x0, x1 = tile.inner
        target = classes[y0:y1, x0:x1]  # the last tile reaches beyond the plane
        target[...] = found[: target.shape[0], : target.shape[1]]
    progress.report(Advanced(1.0, f"tile {len(tiles)} of {len(tiles)}"))
    return classes

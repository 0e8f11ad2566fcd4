"""Divide one block of a plane into basins so that all blocks together give the nuclei of the undivided plane.

The path from a pixel to its summit depends on neighbouring pixels alone. So a block follows it within its core and,
where it leaves the core, names the pixel by which it leaves; the block which that pixel belongs to knows how it goes
on. Notches need no more than a block's own pixels and one beyond. What is decided for the image as a whole is only the
small graph of basins that may be joined across the edge of a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_unet_nuclei.core.blocks.grid import Block, BlockGrid, Keys
from napari_unet_nuclei.core.blocks.join import Aliases, KeyList
from napari_unet_nuclei.core.image.tiling import Tile
from napari_unet_nuclei.core.labels.basins import Basins, Forest, find_basins, followed, highest_ways
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, foreground_mask
from napari_unet_nuclei.core.labels.heights import heights_of, smoothing_reach
from napari_unet_nuclei.core.types import QuantisedMaps, Region

BEYOND = 1
"""Pixels beyond its core that a block compares its own with."""


@dataclass(frozen=True)
class OpenBasins:
    """What of a block's graph cannot be decided within it.

    Attributes
    ----------
    rim, rim_names : ndarray, shape (R,), int64
        Keys of the foreground pixels along those edges of the core beyond which the plane goes on, and what they were
        named after: their summit, or the pixel by which the path to it leaves the core.
    summits : ndarray, shape (N,), int64
        Keys of the summits within the core.
    tops : ndarray, shape (N,), float32
        Their heights.
    pairs : ndarray, shape (M, 2), int64
        Names of basins that touch.
    saddles : ndarray, shape (M,), float32
        Height of the highest way between the two.
    """

    rim: KeyList
    rim_names: KeyList
    summits: KeyList
    tops: NDArray[np.float32]
    pairs: NDArray[np.int64]
    saddles: NDArray[np.float32]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays by name, to be kept in a file."""
        return dict(vars(self))

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> OpenBasins:
        """Undo `arrays`; names that do not belong to it are passed over."""
        return OpenBasins(**{name: arrays[name] for name in OpenBasins.__dataclass_fields__})


def region_to_read(grid: BlockGrid, block: Block, thresholds: DecodeThresholds) -> Region:
    """Pixels whose maps a block needs: its core, those it compares with, and as much as smoothing mixes in."""
    return grid.grown(block.core, BEYOND + smoothing_reach(thresholds.scale))


def divide_block(
    grid: BlockGrid, block: Block, maps: QuantisedMaps, thresholds: DecodeThresholds
) -> tuple[Keys, OpenBasins]:
    """Find the basins of a block in the maps of `region_to_read`, and join those that no basin outside can join.

    Size and score are not judged: a block may hold only a part of a nucleus.

    Returns
    -------
    keys : ndarray, shape (Y, X), int64
        Names of the core's pixels: of nuclei after their summit where they are decided, else of basins after theirs,
        or after the pixel outside by which the path to it leaves the core.
    """
    # The core, and one pixel around it.
    view = Tile(block.core, grid.grown(block.core, BEYOND))
    crop = Tile(view.outer, region_to_read(grid, block, thresholds)).crop
    # Smoothed with the margin that smoothing reaches, then cropped: bit for bit the heights of the undivided plane.
    heights = heights_of(maps, thresholds.scale)[crop]
    mask = foreground_mask(maps, thresholds.foreground)[crop]
    outside = np.ones(mask.shape, bool)
    outside[view.crop] = False
    # Whatever lies outside stands for itself: no path is followed there.
    basins = find_basins(heights, mask, outside)
    names = _keys(grid, block.plane, view.outer, basins.summits)
    foreign = outside.ravel()[basins.summits]
    weak = _may_join(basins, thresholds.split)
    open_ = _reaching(basins, weak, foreign)
    # Basins that nothing can join across an edge are joined here and now, which are nearly all; the others keep their
    # own names until all blocks are known.
    keys = np.zeros(mask.shape, np.int64)
    decided = names[basins.forest.roots(thresholds.split)]
    keys.ravel()[basins.pixels] = np.where(open_, names, decided)[basins.basin]
    exported = weak & open_[basins.pairs].any(axis=1)
    # The rim has its mask: a neighbour's path that leaves its core ends in the foreground of this one.
    rim = _rim(grid, block, view) & mask
    own = open_ & ~foreign
    return np.ascontiguousarray(keys[view.crop]), OpenBasins(
        rim=_keys(grid, block.plane, view.outer, np.flatnonzero(rim)),
        rim_names=keys[rim],
        summits=names[own],
        tops=basins.tops[own],
        pairs=names[basins.pairs[exported]].astype(np.int64),
        saddles=basins.saddles[exported],
    )


def _may_join(basins: Basins, split: float) -> NDArray[np.bool_]:
    """Tell by pair whether two basins may be joined here; tops only rise as basins are joined, and notches with them.

    Of a basin outside only a pixel is known, which lies no higher than its summit.
    """
    lower = basins.tops[basins.pairs].min(axis=1) if len(basins.pairs) else basins.saddles
    # In float64 as in `Forest`: at the threshold itself, rounding would decide otherwise here than there.
    return np.asarray(lower.astype(np.float64) - basins.saddles < split)


def _reaching(basins: Basins, weak: NDArray[np.bool_], foreign: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which basins may be joined, directly or through others, to a basin outside."""
    # Through others too: a chain of weak notches can lead to a basin outside, and joining starts at the highest saddle.
    one, other = basins.pairs[weak].T
    count = len(basins.summits)
    graph = coo_array((np.ones(one.size, bool), (one, other)), shape=(count, count))
    groups, group = connected_components(graph, directed=False)
    reaching = np.zeros(groups, bool)
    reaching[group[foreign]] = True
    return np.asarray(reaching[group])


def _rim(grid: BlockGrid, block: Block, view: Tile) -> NDArray[np.bool_]:
    """Tell, in the view, which pixels of the core lie along an edge beyond which the plane goes on."""
    y0, y1, x0, x1 = block.core
    height, width = grid.shape
    # `|=`, since the lines are one and the same in a core of a single row or column.
    core = np.zeros((y1 - y0, x1 - x0), bool)
    core[0] |= y0 > 0
    core[-1] |= y1 < height
    core[:, 0] |= x0 > 0
    core[:, -1] |= x1 < width
    top, bottom, left, right = view.outer
    rim = np.zeros((bottom - top, right - left), bool)
    rim[view.crop] = core
    return rim


def _keys(grid: BlockGrid, plane: int, region: Region, pixels: NDArray[np.integer[Any]]) -> KeyList:
    """Keys of pixels that are given by their flat index in a region."""
    y0, _, x0, x1 = region
    y, x = np.divmod(pixels, x1 - x0)
    return grid.keys_of(plane, y + y0, x + x0)


def join_basins(blocks: Iterable[OpenBasins], split: float) -> Aliases:
    """Decide for the image as a whole what the blocks left open: of every open name, the summit of its nucleus."""
    kept = list(blocks)
    rim, rim_names, summits, tops, pairs, saddles = (
        np.concatenate([getattr(one, name) for one in kept]) for name in OpenBasins.__dataclass_fields__
    )
    names = np.unique(np.concatenate([rim, rim_names, summits, pairs.ravel()]))
    # A name that is a pixel outside a block leads on to what the neighbouring block has named that pixel after.
    onwards = np.arange(names.size)
    onwards[np.searchsorted(names, rim)] = np.searchsorted(names, rim_names)
    # Each step goes uphill in the total order of `find_basins`: the ways end, whatever blocks they lead through.
    summit = names[followed(onwards)]
    order = np.argsort(summits)
    summits, tops = summits[order], tops[order]
    # One side of a pair may be decided already: the block beyond knows that the notch is too deep to join the two.
    left_open = np.isin(summit, summits)
    ends = np.searchsorted(names, pairs)
    undecided = left_open[ends].all(axis=1)
    ends = np.sort(np.searchsorted(summits, summit[ends[undecided]]), axis=1)
    # A pair as one number, lower end first: two blocks may both have seen it, and the higher saddle counts.
    keys = ends[:, 0] * np.int64(summits.size) + ends[:, 1]
    # Two names of a pair may have turned out to be the same summit.
    apart = ends[:, 0] != ends[:, 1]
    graph = highest_ways(keys[apart], saddles[undecided][apart], summits.size)
    roots = summits[Forest.of(tops, *graph).roots(split)]
    return Aliases(names[left_open], roots[np.searchsorted(summits, summit[left_open])])

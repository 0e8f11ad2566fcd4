"""Divide a block into basins so that all blocks together give the nuclei of the undivided plane or volume.

The path from a pixel to its summit depends on neighbouring pixels alone. So a block follows it within its core and,
where it leaves the core, names the pixel by which it leaves; the block which that pixel belongs to knows how it goes
on. Notches need no more than a block's own pixels and one beyond. What is decided for the image as a whole is only the
small graph of basins that may be joined across the edge of a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_unet_nuclei.core.blocks.decoding import Decoding
from napari_unet_nuclei.core.blocks.grid import Block, BlockGrid, Keys
from napari_unet_nuclei.core.blocks.join import Aliases, KeyList
from napari_unet_nuclei.core.labels.basins import Basins, Forest, each_pair_once, find_basins, followed
from napari_unet_nuclei.core.labels.regions import within
from napari_unet_nuclei.core.types import Box, Mask, QuantisedMaps

BEYOND = 1
"""Pixels beyond its core that a block compares its own with."""


@dataclass(frozen=True)
class OpenBasins:
    """What of a block's graph cannot be decided within it.

    Attributes
    ----------
    rim, rim_names : ndarray, shape (R,), int64
        Keys of the foreground pixels along those sides of the core beyond which the array goes on, and what they were
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


def box_to_read(grid: BlockGrid, block: Block, decoding: Decoding) -> Box:
    """Pixels whose maps a block needs: its core, those it compares with, and as much as their heights depend on."""
    return grid.grown(block.core, BEYOND + decoding.reach)


def divide_block(grid: BlockGrid, block: Block, maps: QuantisedMaps, decoding: Decoding) -> tuple[Keys, OpenBasins]:
    """Find the basins of a block in the maps of `box_to_read`, and join those that no basin outside can join.

    Size and score are not judged: a block may hold only a part of a nucleus.

    Returns
    -------
    keys : ndarray, shape (Y, X) or (Z, Y, X), int64
        Names of the core's pixels: of nuclei after their summit where they are decided, else of basins after theirs,
        or after the pixel outside by which the path to it leaves the core.
    """
    # The core, and one pixel around it.
    view = grid.grown(block.core, BEYOND)
    in_view = within(block.core, view)
    # With the margin that they depend on, then cropped: bit for bit the heights of the undivided array.
    crop = within(view, box_to_read(grid, block, decoding))
    heights, mask = decoding.landscape(maps)
    heights, mask = heights[crop], mask[crop]
    outside, near = np.ones(mask.shape, bool), np.zeros(mask.shape, bool)
    outside[in_view] = False
    # Beyond one side of the core: what lies across a corner does not touch it.
    for axis in range(mask.ndim):
        near[(*in_view[:axis], slice(None), *in_view[axis + 1 :])] = True
    mask = mask & near
    # Whatever lies outside stands for itself: no path is followed there.
    basins = find_basins(heights, mask, outside)
    names = grid.keys_in(block.part, view, basins.summits)
    foreign = outside.ravel()[basins.summits]
    weak = _may_join(basins, decoding.split)
    open_ = _reaching(basins, weak, foreign)
    # Basins that nothing can join across an edge are joined here and now, which are nearly all; the others keep their
    # own names until all blocks are known.
    keys = np.zeros(mask.shape, np.int64)
    decided = names[basins.forest.roots(decoding.split)]
    keys.ravel()[basins.pixels] = np.where(open_, names, decided)[basins.basin]
    # What touches outside, the blocks know that it lies in.
    there = np.zeros(len(basins.summits), bool)
    there[basins.basin[~outside.ravel()[basins.pixels]]] = True
    exported = weak & open_[basins.pairs].any(axis=1) & there[basins.pairs].any(axis=1)
    # The rim has its mask: a neighbour's path that leaves its core ends in the foreground of this one.
    rim = _rim(grid, block, view) & mask
    own = open_ & ~foreign
    return np.ascontiguousarray(keys[in_view]), OpenBasins(
        rim=grid.keys_in(block.part, view, np.flatnonzero(rim)),
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


def _rim(grid: BlockGrid, block: Block, view: Box) -> Mask:
    """Tell, in the view, which pixels of the core lie along a side beyond which the array goes on."""
    rim = np.zeros([end - first for first, end in zip(view[::2], view[1::2], strict=True)], bool)
    core = rim[within(block.core, view)]
    for axis, end in grid.sides_within(block):
        np.moveaxis(core, axis, 0)[end] = True
    return rim


def join_basins(grid: BlockGrid, blocks: Mapping[int, OpenBasins], split: float) -> Aliases:
    """Decide for the image as a whole what the blocks left open: of every open name, the summit of its nucleus.

    Every block is looked at once for itself and once for each neighbour, so that a mapping which reads them from disk
    keeps memory small.
    """
    kept = [_told_by_neighbours(blocks[block.number], _beside(grid, block, blocks)) for block in grid]
    names, told, summits, tops, pairs, saddles = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    # A name that is a pixel outside a block leads on to what the neighbouring block has named that pixel after.
    listed = np.unique(names)
    onwards = np.arange(listed.size)
    onwards[np.searchsorted(listed, names)] = np.searchsorted(listed, told)
    # Each step goes uphill in the total order of `find_basins`: the ways end, whatever blocks they lead through.
    summit = listed[followed(onwards)]
    order = np.argsort(summits)
    summits, tops = summits[order], tops[order]
    # One side of a pair may be decided already: the block beyond knows that the notch is too deep to join the two.
    left_open = np.isin(summit, summits)
    ends = np.searchsorted(listed, pairs)
    undecided = left_open[ends].all(axis=1)
    ends = np.searchsorted(summits, summit[ends[undecided]])
    roots = summits[Forest.of(tops, *each_pair_once(ends, saddles[undecided], summits.size)).roots(split)]
    return Aliases(listed[left_open], roots[np.searchsorted(summits, summit[left_open])])


_Told = tuple[KeyList, KeyList, KeyList, NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]


def _beside(grid: BlockGrid, block: Block, blocks: Mapping[int, OpenBasins]) -> tuple[KeyList, KeyList]:
    """Return the rims of all neighbours, sorted, and their names."""
    known = [blocks[other.number] for other in grid.beside(block)]
    rim = np.concatenate([np.zeros(0, np.int64), *(one.rim for one in known)])
    names = np.concatenate([np.zeros(0, np.int64), *(one.rim_names for one in known)])
    order = np.argsort(rim)
    return rim[order], names[order]


def _told_by_neighbours(one: OpenBasins, beside: tuple[KeyList, KeyList]) -> _Told:
    """Replace pixels outside a block by what its neighbours named them after, each pair of names once.

    A face of a block has a hundred thousand pixels, and a few hundred nuclei. Returns the open names and what each is
    told to be, summits and tops, pairs and saddles.
    """
    told = Aliases(*beside)
    names = np.unique(np.concatenate([one.rim_names, one.summits, one.pairs.ravel()]))
    onwards = told.of(names)
    # The names that neighbours told are theirs, and listed by them.
    places = np.searchsorted(names, one.pairs)
    listed = np.unique(onwards)
    pairs, saddles = each_pair_once(np.searchsorted(listed, onwards[places]), one.saddles, listed.size)
    return names, onwards, one.summits, one.tops, listed[pairs], saddles

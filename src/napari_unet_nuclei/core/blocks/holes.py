"""Fill the holes of nuclei, also those that the side of a block runs through.

A hole is background that one nucleus encloses. Holes within one block are found there; of every other piece of
background a block knows only which nuclei it touches, and the pieces are joined here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_unet_nuclei.core.blocks.grid import Block, BlockGrid
from napari_unet_nuclei.core.labels.components import label_components

Ids = NDArray[np.int64]

Side = tuple[int, int]
"""Of a core: the axis across it, and 0 for its first or -1 for its last pixels."""

_ABSENT = np.iinfo(np.int64).max


@dataclass(frozen=True)
class OpenPieces:
    """Background of a block's core that reaches its sides.

    Attributes
    ----------
    lowest, highest : ndarray, shape (N + 1,), int64
        By piece, from 1: smallest and largest id of the nuclei that it touches within the core; the largest integer
        and 0 where there are none.
    outside : ndarray, shape (N + 1,), bool
        By piece: it reaches the edge of the plane or volume, so that nothing encloses it.
    edge_pieces, edge_ids : mapping to ndarray, int64
        By side of the core beyond which there is another block: the pieces along it, 0 elsewhere, and the ids of the
        nuclei along it.
    """

    lowest: Ids
    highest: Ids
    outside: NDArray[np.bool_]
    edge_pieces: Mapping[Side, Ids]
    edge_ids: Mapping[Side, Ids]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays by name, to be kept in a file."""
        edges = {f"pieces {axis} {end}": line for (axis, end), line in self.edge_pieces.items()}
        ids = {f"ids {axis} {end}": line for (axis, end), line in self.edge_ids.items()}
        return {"lowest": self.lowest, "highest": self.highest, "outside": self.outside, **edges, **ids}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> OpenPieces:
        """Undo `arrays`."""
        found: dict[str, dict[Side, Ids]] = {"pieces": {}, "ids": {}}
        for name, line in arrays.items():
            kind, *side = name.split()
            if kind in found:
                axis, end = map(int, side)
                found[kind][axis, end] = line
        return OpenPieces(arrays["lowest"], arrays["highest"], arrays["outside"], found["pieces"], found["ids"])


def open_pieces(grid: BlockGrid, block: Block, ids: Ids) -> OpenPieces:
    """Look at the background of a core whose own holes are filled."""
    pieces, numbers = _numbered_from_edges(ids)
    # Of all nuclei along a piece only the lowest and the highest id: that they are equal is all there is to know.
    lowest = np.full(numbers + 1, _ABSENT)
    highest = np.zeros(numbers + 1, np.int64)
    for axis in range(ids.ndim):
        background, nuclei = (np.moveaxis(array, axis, 0) for array in (pieces, ids))
        for one, other in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
            beside = (background[one] > 0) & (nuclei[other] > 0)
            # `.at`, because a piece occurs many times: plain indexing would keep its last pixel only.
            np.minimum.at(lowest, background[one][beside], nuclei[other][beside])
            np.maximum.at(highest, background[one][beside], nuclei[other][beside])
    within = list(grid.sides_within(block))
    outside = np.zeros(numbers + 1, bool)
    for side in _sides(ids):
        if side not in within:
            outside[along(pieces, side)] = True
    outside[0] = False  # which stands for the nuclei along the edge
    edge_pieces, edge_ids = ({side: along(array, side) for side in within} for array in (pieces, ids))
    return OpenPieces(lowest, highest, outside, edge_pieces, edge_ids)


def fill_pieces(ids: Ids, fillings: Ids) -> Ids:
    """Fill pieces of background of a core, by their number in `open_pieces`; 0 leaves one as it is."""
    pieces, _ = _numbered_from_edges(ids)
    return np.where(pieces > 0, fillings[pieces], ids)


def _numbered_from_edges(ids: Ids) -> tuple[NDArray[np.int32], int]:
    """Number the pieces of background that reach the sides of a core."""
    # By sides of pixels alone: background across a corner is another piece, here as at the seams.
    pieces, count = label_components(ids == 0)
    reaching = np.zeros(count + 1, bool)
    for side in _sides(ids):
        reaching[along(pieces, side)] = True
    reaching[0] = False
    numbers = np.where(reaching, np.cumsum(reaching), 0).astype(np.int32)
    return numbers[pieces], int(reaching.sum())


def _sides(array: NDArray[Any]) -> list[Side]:
    return [(axis, end) for axis in range(array.ndim) for end in (0, -1)]


def along(array: NDArray[Any], side: Side) -> NDArray[Any]:
    """Pixels along a side of a core."""
    axis, end = side
    return np.asarray(np.take(array, end, axis))


def crossing_holes(blocks: Mapping[int, OpenPieces], seams: Iterable[tuple[int, int, int]]) -> dict[int, Ids]:
    """Tell which pieces of background lie in a hole, and which nucleus fills each.

    ``seams`` are numbers of blocks that share a side, and the axis along which the second follows. Returns by number of
    the block, for blocks with something to fill, by piece (N + 1,) the id that fills it, or 0.
    """
    # One graph of the pieces of all blocks: those of a block follow on those of the blocks before it.
    known = [(one.lowest, one.highest, one.outside) for one in blocks.values()]
    lengths = [one.size for one, _, _ in known]
    starts = dict(zip(blocks, np.cumsum([0, *lengths]), strict=False))
    lowest, highest, outside = (np.concatenate(parts) for parts in zip(*known, strict=True))
    pairs = [np.zeros((0, 2), np.int64)]
    for first, second, axis in seams:
        numbers, sides = (first, second), ((axis, -1), (axis, 0))
        pieces = [blocks[n].edge_pieces[side] for n, side in zip(numbers, sides, strict=True)]
        ids = [blocks[n].edge_ids[side] for n, side in zip(numbers, sides, strict=True)]
        nodes = [piece + starts[n] for piece, n in zip(pieces, numbers, strict=True)]
        # Background beside background is one piece; background beside a nucleus has it along its rim. Each pair once:
        # a seam of 2048 pixels mostly lies between the same two pieces.
        both = (pieces[0] > 0) & (pieces[1] > 0)
        pairs.append(np.unique(np.stack([nodes[0][both], nodes[1][both]], axis=1), axis=0))
        for here, there in ((0, 1), (1, 0)):
            beside = (pieces[here] > 0) & (ids[there] > 0)
            np.minimum.at(lowest, nodes[here][beside], ids[there][beside])
            np.maximum.at(highest, nodes[here][beside], ids[there][beside])
    joined = np.concatenate(pairs)
    graph = coo_array((np.ones(len(joined), bool), (joined[:, 0], joined[:, 1])), shape=(lowest.size, lowest.size))
    count, hole = connected_components(graph, directed=False)
    smallest, largest, open_ = np.full(count, _ABSENT), np.zeros(count, np.int64), np.zeros(count, bool)
    np.minimum.at(smallest, hole, lowest)
    np.maximum.at(largest, hole, highest)
    np.logical_or.at(open_, hole, outside)
    # A hole touches one nucleus alone: the smallest and the largest id along its rim are the same.
    fillings = np.where(~open_ & (smallest == largest), largest, 0)[hole]
    split = np.split(fillings, np.cumsum(lengths)[:-1])
    return {number: one for number, one in zip(blocks, split, strict=True) if one.any()}

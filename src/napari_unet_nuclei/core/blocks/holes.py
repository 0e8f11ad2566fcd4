"""Fill the holes of nuclei, also those that the edge of a block runs through.

A hole is background that one nucleus encloses. Holes within one block are found there; of every other piece of
background a block knows only which nuclei it touches, and the pieces are joined here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_unet_nuclei.core.blocks.grid import Block, BlockGrid
from napari_unet_nuclei.core.labels.decode import label_components

Ids = NDArray[np.int64]
Side = Literal["top", "bottom", "left", "right"]
SIDES: tuple[Side, ...] = ("top", "bottom", "left", "right")

_ABSENT = np.iinfo(np.int64).max


@dataclass(frozen=True)
class OpenPieces:
    """Background of a block's core that reaches its edges.

    Attributes
    ----------
    lowest, highest : ndarray, shape (N + 1,), int64
        By piece, from 1: smallest and largest id of the nuclei that it touches within the core; the largest integer
        and 0 where there are none.
    outside : ndarray, shape (N + 1,), bool
        By piece: it reaches the edge of the plane, so that nothing encloses it.
    edge_pieces, edge_ids : mapping of str to ndarray, int64
        By side of the core: the pieces along it, 0 elsewhere, and the ids of the nuclei along it.
    """

    lowest: Ids
    highest: Ids
    outside: NDArray[np.bool_]
    edge_pieces: Mapping[Side, Ids]
    edge_ids: Mapping[Side, Ids]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays by name, to be kept in a file."""
        edges = {f"{side} pieces": line for side, line in self.edge_pieces.items()}
        ids = {f"{side} ids": line for side, line in self.edge_ids.items()}
        return {"lowest": self.lowest, "highest": self.highest, "outside": self.outside, **edges, **ids}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> OpenPieces:
        """Undo `arrays`."""
        pieces, ids = ({side: arrays[f"{side} {kind}"] for side in SIDES} for kind in ("pieces", "ids"))
        return OpenPieces(arrays["lowest"], arrays["highest"], arrays["outside"], pieces, ids)


def open_pieces(grid: BlockGrid, block: Block, ids: Ids) -> OpenPieces:
    """Look at the background of a core (Y, X) whose own holes are filled."""
    pieces, numbers = _numbered_from_edges(ids)
    # Of all nuclei along a piece only the lowest and the highest id: that they are equal is all there is to know.
    lowest = np.full(numbers + 1, _ABSENT)
    highest = np.zeros(numbers + 1, np.int64)
    for background, nuclei in (
        (pieces[:-1], ids[1:]),
        (pieces[1:], ids[:-1]),
        (pieces[:, :-1], ids[:, 1:]),
        (pieces[:, 1:], ids[:, :-1]),
    ):
        beside = (background > 0) & (nuclei > 0)
        # `.at`, because a piece occurs many times: plain indexing would keep its last pixel only.
        np.minimum.at(lowest, background[beside], nuclei[beside])
        np.maximum.at(highest, background[beside], nuclei[beside])
    edge_pieces = {side: along(pieces, side) for side in SIDES}
    outside = np.zeros(numbers + 1, bool)
    y0, y1, x0, x1 = block.core
    height, width = grid.shape
    at_plane_edge = {"top": y0 == 0, "bottom": y1 == height, "left": x0 == 0, "right": x1 == width}
    for side in SIDES:
        if at_plane_edge[side]:
            outside[edge_pieces[side]] = True
    outside[0] = False  # which stands for the nuclei along the edge
    return OpenPieces(lowest, highest, outside, edge_pieces, {side: along(ids, side) for side in SIDES})


def fill_pieces(ids: Ids, fillings: Ids) -> Ids:
    """Fill pieces of background of a core, by their number in `open_pieces`; 0 leaves one as it is."""
    pieces, _ = _numbered_from_edges(ids)
    return np.where(pieces > 0, fillings[pieces], ids)


def _numbered_from_edges(ids: Ids) -> tuple[Ids, int]:
    """Number the pieces of background that reach the edge of a core."""
    # By sides of pixels alone: background across a corner is another piece, here as at the seams.
    labelled, count = label_components(ids == 0)
    pieces = labelled.astype(np.int64)
    reaching = np.zeros(count + 1, bool)
    for side in SIDES:
        reaching[along(pieces, side)] = True
    reaching[0] = False
    numbers = np.where(reaching, np.cumsum(reaching), 0)
    return numbers[pieces], int(reaching.sum())


def along(array: Ids, side: Side) -> Ids:
    """One line of pixels along a side of a core."""
    sides: dict[Side, Ids] = {"top": array[0], "bottom": array[-1], "left": array[:, 0], "right": array[:, -1]}
    return sides[side]


def crossing_holes(
    blocks: Mapping[int, OpenPieces], seams: Iterable[tuple[int, int, Literal["below", "right"]]]
) -> dict[int, Ids]:
    """Tell which pieces of background lie in a hole, and which nucleus fills each.

    ``seams`` are numbers of blocks that share an edge, and where the second lies. Returns by number of the block, for
    blocks with something to fill, by piece (N + 1,) the id that fills it, or 0.
    """
    # One graph of the pieces of all blocks: those of a block follow on those of the blocks before it.
    starts = dict(zip(blocks, np.cumsum([0, *(one.lowest.size for one in blocks.values())]), strict=False))
    lowest = np.concatenate([one.lowest for one in blocks.values()])
    highest = np.concatenate([one.highest for one in blocks.values()])
    outside = np.concatenate([one.outside for one in blocks.values()])
    pairs = [np.zeros((0, 2), np.int64)]
    for first, second, where in seams:
        sides: tuple[Side, Side] = ("bottom", "top") if where == "below" else ("right", "left")
        pieces = [blocks[n].edge_pieces[side] for n, side in zip((first, second), sides, strict=True)]
        ids = [blocks[n].edge_ids[side] for n, side in zip((first, second), sides, strict=True)]
        nodes = [piece + starts[n] for piece, n in zip(pieces, (first, second), strict=True)]
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
    split = np.split(fillings, np.cumsum([one.lowest.size for one in blocks.values()])[:-1])
    return {number: one for number, one in zip(blocks, split, strict=True) if one.any()}

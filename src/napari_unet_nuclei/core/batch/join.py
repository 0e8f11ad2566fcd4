"""Bring together across the edges of blocks what each block knows of its own: names, areas, numbers.

Only what crosses an edge is ever held for the whole image at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_unet_nuclei.core.batch.blocks import Block, BlockGrid, Keys
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, fill_holes
from napari_unet_nuclei.core.types import Labels

KeyList = NDArray[np.int64]
"""Keys, axis (N,)."""


@dataclass(frozen=True)
class Aliases:
    """Names that mean the same nucleus.

    Attributes
    ----------
    names : ndarray, shape (N,), int64
        Sorted.
    meant : ndarray, shape (N,), int64
        The one name that stands for each of them.
    """

    names: KeyList
    meant: KeyList

    def of(self, keys: KeyList) -> KeyList:
        """Replace names by those that stand for them; others stay."""
        if not self.names.size:
            return keys
        place = np.minimum(np.searchsorted(self.names, keys), self.names.size - 1)
        return np.where(self.names[place] == keys, self.meant[place], keys)


def united(pairs: NDArray[np.int64]) -> Aliases:
    """Unite names that occur together, each group under its smallest name.

    Parameters
    ----------
    pairs : ndarray, shape (N, 2), int64

    Examples
    --------
    >>> united(np.array([[7, 3], [9, 7], [20, 21]])).of(np.array([3, 7, 9, 20, 21, 50])).tolist()
    [3, 3, 3, 20, 20, 50]
    """
    names, ends = np.unique(pairs, return_inverse=True)
    ends = ends.reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(names.size, names.size))
    count, group = connected_components(graph, directed=False)
    smallest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(smallest, group, names)
    return Aliases(names, smallest[group])


def touching(first: Keys, second: Keys) -> NDArray[np.int64]:
    """Pairs (N, 2) of names that lie side by side along a seam, given the pixels of either side of it."""
    both = (first > 0) & (second > 0)
    return np.unique(np.stack([first[both], second[both]], axis=1), axis=0)


@dataclass(frozen=True)
class Tally:
    """What of which nuclei lies in a block's core.

    Attributes
    ----------
    own, foreign : ndarray, shape (N,), int64
        Nuclei that are named after a pixel of this core, and the others; sorted.
    own_area, foreign_area : ndarray, shape (N,), int64
        Their pixels.
    own_light, foreign_light : ndarray, shape (N,), int64
        The foreground map summed over these, 255 standing for 1.
    """

    own: KeyList
    own_area: NDArray[np.int64]
    own_light: NDArray[np.int64]
    foreign: KeyList
    foreign_area: NDArray[np.int64]
    foreign_light: NDArray[np.int64]


def tally(grid: BlockGrid, block: Block, keys: Keys, foreground: NDArray[np.uint8]) -> Tally:
    """Count the pixels of every nucleus in a block's core, given its keys and its foreground map (Y, X)."""
    place, inside = _places(grid, block, keys)
    counts = np.bincount(place[inside], minlength=1)
    light = np.bincount(place[inside], foreground[inside], minlength=1)
    own_places = np.flatnonzero(counts)
    y0, _, x0, x1 = block.core
    y, x = np.divmod(own_places, x1 - x0)
    others = (keys > 0) & ~inside
    foreign, number = np.unique(keys[others], return_inverse=True)
    return Tally(
        own=grid.keys_of(block.plane, y + y0, x + x0),
        own_area=counts[own_places],
        own_light=light[own_places].astype(np.int64),
        foreign=foreign,
        foreign_area=np.bincount(number, minlength=foreign.size),
        foreign_light=np.bincount(number, foreground[others], minlength=foreign.size).astype(np.int64),
    )


def stays(areas: NDArray[np.int64], light: NDArray[np.int64], thresholds: DecodeThresholds) -> NDArray[np.bool_]:
    """Tell which nuclei are large and certain enough, as `drop_doubtful` does."""
    kept = areas >= max(thresholds.min_size, 1)
    if thresholds.certainty > 0:
        kept &= light >= 255 * thresholds.certainty * areas
    return kept


def _places(grid: BlockGrid, block: Block, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Flat index in the core of the pixel that the nucleus of each pixel is named after, and whether it lies there."""
    y0, y1, x0, x1 = block.core
    y, x = grid.pixels_of(keys)
    inside = (keys > 0) & (y >= y0) & (y < y1) & (x >= x0) & (x < x1)
    return (y - y0) * (x1 - x0) + x - x0, inside


@dataclass(frozen=True)
class Numbers:
    """What a block needs to turn names into ids.

    Nuclei within one block are counted there, in the order of their names, from the block's start. Those that several
    blocks share have their ids here, after all others.

    Attributes
    ----------
    starts : ndarray, shape (blocks + 1,), int64
        Ids that lower blocks take; the last value is how many nuclei lie within one block.
    shared, shared_ids : ndarray, shape (N,), int64
        Sorted names, and their ids; 0 for nuclei that are left out.
    count : int
        Number of nuclei.
    """

    starts: NDArray[np.int64]
    shared: KeyList
    shared_ids: NDArray[np.int64]
    count: int

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """All of it as arrays by name, to be kept in a file."""
        return {"starts": self.starts, "shared": self.shared, "ids": self.shared_ids, "count": np.array(self.count)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.int64]]) -> Numbers:
        """Undo `arrays`."""
        return Numbers(arrays["starts"], arrays["shared"], arrays["ids"], int(arrays["count"]))


def number_nuclei(tallies: Mapping[int, Tally], aliases: Aliases, thresholds: DecodeThresholds) -> Numbers:
    """Leave out nuclei that are too small or too uncertain and give ids 1..n without gaps to the others.

    Parameters
    ----------
    tallies : mapping of int to Tally
        By number of the block, all from 0 on; each is looked at twice, so a mapping that reads them keeps memory small.
    aliases : Aliases
    thresholds : DecodeThresholds
    """
    shared = np.unique(np.concatenate([aliases.names, *(one.foreign for one in tallies.values())]))
    meant = np.searchsorted(shared, aliases.of(shared))
    areas, light = np.zeros((2, shared.size), np.int64)
    within = np.zeros(len(tallies) + 1, np.int64)
    for number, one in tallies.items():
        for keys, their_areas, their_light in (
            (one.own, one.own_area, one.own_light),
            (one.foreign, one.foreign_area, one.foreign_light),
        ):
            known = np.isin(keys, shared, assume_unique=True)
            places = meant[np.searchsorted(shared, keys[known])]
            np.add.at(areas, places, their_areas[known])
            np.add.at(light, places, their_light[known])
        alone = ~np.isin(one.own, shared, assume_unique=True)
        within[number + 1] = np.count_nonzero(alone & stays(one.own_area, one.own_light, thresholds))
    starts = np.cumsum(within)
    kept = stays(areas, light, thresholds)
    ids = np.where(kept, starts[-1] + np.cumsum(kept), 0)
    return Numbers(starts, shared, ids[meant], int(starts[-1] + kept.sum()))


def numbered(
    grid: BlockGrid,
    block: Block,
    keys: Keys,
    foreground: NDArray[np.uint8],
    numbers: Numbers,
    thresholds: DecodeThresholds,
) -> NDArray[np.int64]:
    """Turn the keys of a block's core into ids, shape (Y, X), int64, and fill the holes that lie within the core."""
    one = tally(grid, block, keys, foreground)
    alone = ~np.isin(one.own, numbers.shared, assume_unique=True)
    kept = alone & stays(one.own_area, one.own_light, thresholds)
    own_ids = np.where(kept, numbers.starts[block.number] + np.cumsum(kept), 0)
    names = np.concatenate([one.own, one.foreign])
    ids = np.concatenate([own_ids, np.zeros(one.foreign.size, np.int64)])
    shared = np.isin(names, numbers.shared, assume_unique=True)
    ids[shared] = numbers.shared_ids[np.searchsorted(numbers.shared, names[shared])]
    # The holes are filled with small numbers in place of the ids, which may be larger than decoding counts.
    distinct, small = np.unique(np.append(0, ids), return_inverse=True)
    return np.asarray(distinct[fill_holes(_looked_up(grid, block, keys, one, small[1:].astype(np.int32)))])


def _looked_up(grid: BlockGrid, block: Block, keys: Keys, one: Tally, values: Labels) -> Labels:
    """Give every pixel the value of its key; ``values`` are those of the own and then of the foreign keys."""
    place, inside = _places(grid, block, keys)
    y0, y1, x0, x1 = block.core
    table = np.zeros((y1 - y0) * (x1 - x0), np.int32)
    y, x = grid.pixels_of(one.own)
    table[(y - y0) * (x1 - x0) + x - x0] = values[: one.own.size]
    result = np.zeros(keys.shape, np.int32)
    result[inside] = table[place[inside]]
    others = (keys > 0) & ~inside
    result[others] = values[one.own.size :][np.searchsorted(one.foreign, keys[others])]
    return result

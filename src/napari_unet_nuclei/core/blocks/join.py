"""Join names, areas and numbers of nuclei across the edges of blocks.

Only what crosses an edge is ever held for the whole image at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.blocks.decoding import Decoding, Judged
from napari_unet_nuclei.core.blocks.grid import Block, BlockGrid, Keys
from napari_unet_nuclei.core.labels.holes import fill_holes
from napari_unet_nuclei.core.labels.score import Evidence, gather
from napari_unet_nuclei.core.types import Labels, QuantisedMaps

KeyList = NDArray[np.int64]
"""Keys, axis (N,)."""


@dataclass(frozen=True)
class Aliases:
    """Names (N,), sorted, and for each of them the one name that stands for all that mean the same nucleus."""

    names: KeyList
    meant: KeyList

    def of(self, keys: KeyList) -> KeyList:
        """Replace names by those that stand for them; others stay."""
        if not self.names.size:
            return keys
        # Keys above all names would lie one beyond the end; kept in range, they simply do not match.
        place = np.minimum(np.searchsorted(self.names, keys), self.names.size - 1)
        return np.where(self.names[place] == keys, self.meant[place], keys)


@dataclass(frozen=True)
class Tally:
    """Which nuclei lie in a block's core: those named after a pixel of it, and the others; both sorted.

    The evidence is that of their pixels here: of the own ones, then of the others.
    """

    own: KeyList
    foreign: KeyList
    evidence: Evidence

    def judged(self, grid: BlockGrid, usual: float, decoding: Decoding) -> Judged:
        """Score the own ones, and tell which are kept."""
        return decoding.judged(self.evidence.chosen(np.arange(self.own.size)), grid.shape, usual)

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """All of it as arrays by name, to be kept in a file."""
        return {"own": self.own, "foreign": self.foreign, **vars(self.evidence)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.int64]]) -> Tally:
        """Undo `arrays`."""
        return Tally(arrays["own"], arrays["foreign"], Evidence(arrays["totals"], arrays["peaks"]))


def tally(grid: BlockGrid, block: Block, keys: Keys, maps: QuantisedMaps) -> Tally:
    """Sum three maps of a block's core over every nucleus there, given its keys."""
    pixels = np.flatnonzero(keys)
    named = keys.ravel()[pixels]
    place, inside = _places(grid, block, named)
    # Marked in a table as large as the core, in place of sorting millions of keys; only those that name a pixel
    # elsewhere, which are few, are sorted.
    rank = np.zeros(keys.size, np.int32)
    rank[place[inside]] = 1
    own_places = np.flatnonzero(rank)
    rank[own_places] = np.arange(own_places.size)
    foreign, number = np.unique(named[~inside], return_inverse=True)
    group = np.empty(pixels.size, np.intp)
    group[inside] = rank[place[inside]]
    group[~inside] = own_places.size + number
    evidence = gather(maps, pixels, group, own_places.size + foreign.size, block.core[::2])
    return Tally(grid.keys_in(block.part, block.core, own_places), foreign, evidence)


def _places(grid: BlockGrid, block: Block, named: KeyList) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Flat index in the core of the pixels that keys above 0 name, and whether they lie there."""
    inside, place = np.ones(named.size, bool), np.zeros(named.size, np.int64)
    for along, first, end in zip(grid.pixels_of(named), block.core[::2], block.core[1::2], strict=True):
        inside &= (along >= first) & (along < end)
        place *= end - first
        place += along - first
    return place, inside


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
    scores : ndarray, shape (shared nuclei that are kept,), float64
        Scores of the nuclei that several blocks share, in the order of their ids.
    usual : ndarray, shape (parts,), float64
        Median size of the nuclei of each plane or volume, as `median_area` has it.
    count : int
        Number of nuclei.
    """

    starts: NDArray[np.int64]
    shared: KeyList
    shared_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    usual: NDArray[np.float64]
    count: int

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays by name, to be kept in a file."""
        return {**vars(self), "count": np.array(self.count)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Numbers:
        """Undo `arrays`."""
        values: dict[str, Any] = {**arrays, "count": int(arrays["count"])}
        return Numbers(**values)


def number_nuclei(grid: BlockGrid, tallies: Mapping[int, Tally], aliases: Aliases, decoding: Decoding) -> Numbers:
    """Leave out nuclei that are too small or too doubtful and give ids 1..n without gaps to the others.

    Each tally is looked at three times, so that a mapping which reads them from disk keeps memory small.
    """
    # A nucleus is shared if its name may differ between blocks, or if another block than its own has pixels of it.
    shared = np.unique(np.concatenate([aliases.names, aliases.meant, *(one.foreign for one in tallies.values())]))
    meant = np.searchsorted(shared, aliases.of(shared))
    whole = Evidence.none(shared.size, len(grid.shape))
    sizes: list[Counter[int]] = [Counter() for _ in range(grid.parts)]
    for number, one in tallies.items():
        names = np.concatenate([one.own, one.foreign])
        known = np.isin(names, shared, assume_unique=True)
        # Sums and peaks add up over blocks, so that the score is that of the nucleus in one piece.
        whole.add(meant[np.searchsorted(shared, names[known])], one.evidence.chosen(known))
        _count(sizes[grid.block(number).part], one.evidence.areas[~known])
    parts = grid.parts_of(np.maximum(shared, 1))
    # Aliases of others have no area of their own: all of theirs went to the name that is meant.
    there = whole.areas > 0
    for part, counter in enumerate(sizes):
        _count(counter, whole.areas[there & (parts == part)])
    # Scores depend on the median area of the plane: all tallies are read once for it, then again to judge.
    usual = np.array([_median(counter, decoding.usual_from) for counter in sizes])
    within = np.zeros(len(tallies) + 1, np.int64)
    for number, one in tallies.items():
        alone = ~np.isin(one.own, shared, assume_unique=True)
        _, kept = one.judged(grid, usual[grid.block(number).part], decoding)
        within[number + 1] = np.count_nonzero(alone & kept)
    starts = np.cumsum(within)
    scores, kept = np.zeros(shared.size), np.zeros(shared.size, bool)
    for part in np.unique(parts[there]):
        places = np.flatnonzero(there & (parts == part))
        scores[places], kept[places] = decoding.judged(whole.chosen(places), grid.shape, usual[part])
    # After all others, so that the ids of a block need nothing but its start.
    ids = np.where(kept, starts[-1] + np.cumsum(kept), 0)
    return Numbers(starts, shared, ids[meant], scores[kept], usual, int(starts[-1] + kept.sum()))


def _count(counter: Counter[int], areas: NDArray[np.int64]) -> None:
    """Count nuclei by area: an image has many nuclei, but few areas."""
    values, counts = np.unique(areas, return_counts=True)
    counter.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _median(counter: Counter[int], usual_from: int) -> float:
    """Median of areas that were counted, as `median_area` has it of a list of them."""
    values = np.array(sorted(area for area in counter if area >= max(usual_from, 1)), np.int64)
    if not values.size:
        return 0.0
    ends = np.cumsum([counter[area] for area in values.tolist()])
    # The two in the middle, which are one and the same of an odd number.
    middle = np.searchsorted(ends, [(ends[-1] - 1) // 2, ends[-1] // 2], side="right")
    return float(values[middle].mean())


def numbered(
    grid: BlockGrid,
    block: Block,
    keys: Keys,
    maps: QuantisedMaps,
    numbers: Numbers,
    decoding: Decoding,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Turn the keys of a block's core into ids, and fill the holes that lie within the core.

    Also returns the scores of the nuclei that lie within this block alone, in the order of their ids.
    """
    # Judged once more, as by `number_nuclei`, which notes how many nuclei of a block are kept, and not which.
    one = tally(grid, block, keys, maps)
    alone = ~np.isin(one.own, numbers.shared, assume_unique=True)
    scores, kept = one.judged(grid, numbers.usual[block.part], decoding)
    kept &= alone
    own_ids = np.where(kept, numbers.starts[block.number] + np.cumsum(kept), 0)
    names = np.concatenate([one.own, one.foreign])
    ids = np.concatenate([own_ids, np.zeros(one.foreign.size, np.int64)])
    shared = np.isin(names, numbers.shared, assume_unique=True)
    ids[shared] = numbers.shared_ids[np.searchsorted(numbers.shared, names[shared])]
    # The holes are filled with small numbers in place of the ids, which may be larger than decoding counts.
    distinct, small = np.unique(np.append(0, ids), return_inverse=True)
    filled = fill_holes(_looked_up(grid, block, keys, one, small[1:].astype(np.int32)))
    return np.asarray(distinct[filled]), scores[kept]


def _looked_up(grid: BlockGrid, block: Block, keys: Keys, one: Tally, values: Labels) -> Labels:
    """Give every pixel the value of its key; ``values`` are those of the own and then of the foreign keys."""
    pixels = np.flatnonzero(keys)
    named = keys.ravel()[pixels]
    place, inside = _places(grid, block, named)
    # Own keys by a table that has a place for every pixel of the core; for the few foreign ones a search is enough.
    table = np.zeros(keys.size, np.int32)
    table[_places(grid, block, one.own)[0]] = values[: one.own.size]
    found = np.empty(pixels.size, np.int32)
    found[inside] = table[place[inside]]
    found[~inside] = values[one.own.size :][np.searchsorted(one.foreign, named[~inside])]
    result = np.zeros(keys.shape, np.int32)
    result.ravel()[pixels] = found
    return result

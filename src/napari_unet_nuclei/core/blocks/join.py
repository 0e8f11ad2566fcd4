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

from napari_unet_nuclei.core.blocks.grid import Block, BlockGrid, Keys
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, fill_holes, stays
from napari_unet_nuclei.core.labels.score import Evidence, gather, scores_of
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

    def judged(
        self, grid: BlockGrid, usual: float, thresholds: DecodeThresholds
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Score the own ones, and tell which are kept."""
        return _judged(self.evidence.chosen(np.arange(self.own.size)), grid, usual, thresholds)

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """All of it as arrays by name, to be kept in a file."""
        return {"own": self.own, "foreign": self.foreign, **vars(self.evidence)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.int64]]) -> Tally:
        """Undo `arrays`."""
        return Tally(arrays["own"], arrays["foreign"], Evidence(arrays["totals"], arrays["peaks"]))


def tally(grid: BlockGrid, block: Block, keys: Keys, maps: QuantisedMaps) -> Tally:
    """Sum the maps (3, Y, X) of a block's core over every nucleus there, given its keys."""
    place, inside = _places(grid, block, keys)
    # Marked in a table as large as the core, in place of sorting millions of keys; only those that name a pixel
    # elsewhere, which are few, are sorted.
    own_places = np.flatnonzero(np.bincount(place[inside], minlength=1))
    others = (keys > 0) & ~inside
    foreign, number = np.unique(keys[others], return_inverse=True)
    rank = np.zeros(keys.size, np.int64)
    rank[own_places] = np.arange(own_places.size)
    group = np.zeros(keys.shape, np.int64)
    group[inside] = rank[place[inside]]
    group[others] = own_places.size + number
    pixels = np.flatnonzero(keys > 0)
    y0, _, x0, x1 = block.core
    evidence = gather(maps, pixels, group.ravel()[pixels], own_places.size + foreign.size, (y0, x0))
    y, x = np.divmod(own_places, x1 - x0)
    return Tally(grid.keys_of(block.plane, y + y0, x + x0), foreign, evidence)


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
    scores : ndarray, shape (shared nuclei that are kept,), float64
        Scores of the nuclei that several blocks share, in the order of their ids.
    usual : ndarray, shape (planes,), float64
        Median area of the nuclei of each plane, as `median_area` has it.
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


def number_nuclei(
    grid: BlockGrid, tallies: Mapping[int, Tally], aliases: Aliases, thresholds: DecodeThresholds
) -> Numbers:
    """Leave out nuclei that are too small or too doubtful and give ids 1..n without gaps to the others.

    Each tally is looked at three times, so that a mapping which reads them from disk keeps memory small.
    """
    # A nucleus is shared if its name may differ between blocks, or if another block than its own has pixels of it.
    shared = np.unique(np.concatenate([aliases.names, aliases.meant, *(one.foreign for one in tallies.values())]))
    meant = np.searchsorted(shared, aliases.of(shared))
    whole = Evidence.none(shared.size, len(grid.shape))
    sizes: list[Counter[int]] = [Counter() for _ in range(grid.planes)]
    for number, one in tallies.items():
        names = np.concatenate([one.own, one.foreign])
        known = np.isin(names, shared, assume_unique=True)
        # Sums and peaks add up over blocks, so that the score is that of the nucleus in one piece.
        whole.add(meant[np.searchsorted(shared, names[known])], one.evidence.chosen(known))
        _count(sizes[grid.block(number).plane], one.evidence.areas[~known])
    planes = grid.planes_of(np.maximum(shared, 1))
    # Aliases of others have no area of their own: all of theirs went to the name that is meant.
    there = whole.areas > 0
    for plane, counter in enumerate(sizes):
        _count(counter, whole.areas[there & (planes == plane)])
    # Scores depend on the median area of the plane: all tallies are read once for it, then again to judge.
    usual = np.array([_median(counter, thresholds) for counter in sizes])
    within = np.zeros(len(tallies) + 1, np.int64)
    for number, one in tallies.items():
        alone = ~np.isin(one.own, shared, assume_unique=True)
        _, kept = one.judged(grid, usual[grid.block(number).plane], thresholds)
        within[number + 1] = np.count_nonzero(alone & kept)
    starts = np.cumsum(within)
    scores, kept = np.zeros(shared.size), np.zeros(shared.size, bool)
    for plane in np.unique(planes[there]):
        places = np.flatnonzero(there & (planes == plane))
        scores[places], kept[places] = _judged(whole.chosen(places), grid, usual[plane], thresholds)
    # After all others, so that the ids of a block need nothing but its start.
    ids = np.where(kept, starts[-1] + np.cumsum(kept), 0)
    return Numbers(starts, shared, ids[meant], scores[kept], usual, int(starts[-1] + kept.sum()))


def _count(counter: Counter[int], areas: NDArray[np.int64]) -> None:
    """Count nuclei by area: an image has many nuclei, but few areas."""
    values, counts = np.unique(areas, return_counts=True)
    counter.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _median(counter: Counter[int], thresholds: DecodeThresholds) -> float:
    """Median of areas that were counted, as `median_area` has it of a list of them."""
    values = np.array(sorted(area for area in counter if area >= max(thresholds.min_size, 1)), np.int64)
    if not values.size:
        return 0.0
    ends = np.cumsum([counter[area] for area in values.tolist()])
    # The two in the middle, which are one and the same of an odd number.
    middle = np.searchsorted(ends, [(ends[-1] - 1) // 2, ends[-1] // 2], side="right")
    return float(values[middle].mean())


def _judged(
    evidence: Evidence, grid: BlockGrid, usual: float, thresholds: DecodeThresholds
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score nuclei of one plane, and tell which of them are kept."""
    scores = scores_of(evidence, grid.shape, thresholds.scale, usual, thresholds.scoring)
    return scores, stays(evidence.areas, scores, thresholds)


def numbered(
    grid: BlockGrid,
    block: Block,
    keys: Keys,
    maps: QuantisedMaps,
    numbers: Numbers,
    thresholds: DecodeThresholds,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Turn the keys of a block's core into ids, and fill the holes that lie within the core.

    Also returns the scores of the nuclei that lie within this block alone, in the order of their ids.
    """
    # Judged once more, as by `number_nuclei`, which notes how many nuclei of a block are kept, and not which.
    one = tally(grid, block, keys, maps)
    alone = ~np.isin(one.own, numbers.shared, assume_unique=True)
    scores, kept = one.judged(grid, numbers.usual[block.plane], thresholds)
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
    place, inside = _places(grid, block, keys)
    y0, y1, x0, x1 = block.core
    # Own keys by a table that has a place for every pixel of the core; for the few foreign ones a search is enough.
    table = np.zeros((y1 - y0) * (x1 - x0), np.int32)
    y, x = grid.pixels_of(one.own)
    table[(y - y0) * (x1 - x0) + x - x0] = values[: one.own.size]
    result = np.zeros(keys.shape, np.int32)
    result[inside] = table[place[inside]]
    others = (keys > 0) & ~inside
    result[others] = values[one.own.size :][np.searchsorted(one.foreign, keys[others])]
    return result

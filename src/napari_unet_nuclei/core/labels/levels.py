"""A plane divided for all foreground thresholds at once, so that the threshold too is a query to a graph.

As the threshold rises, the mask loses pixels, those of the lowest foreground first. The way uphill from most pixels
leads to ever higher foreground, too: a threshold that leaves such a pixel in the mask leaves its whole way there.
Pixels whose ways meet so are an atom, and lie in one basin at every threshold. From the root of an atom, its highest
pixel, the way goes on to another neighbour at another threshold, or ends. The background is treated likewise, with the
foreground as heights: as the threshold rises, its pieces grow, meet, and reach the edge of the plane.

For every threshold, this is what `find_basins`, `gather` and `Holes.of` find in the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from napari_unet_nuclei.core.labels.basins import (
    Basins,
    Forest,
    Heights,
    Indices,
    each_pair_once,
    find_basins,
    followed,
)
from napari_unet_nuclei.core.labels.components import label_components
from napari_unet_nuclei.core.labels.holes import Holes, joined
from napari_unet_nuclei.core.labels.score import PEAK_MAPS, TOTALS, Evidence, gather, pixel_totals
from napari_unet_nuclei.core.labels.strips import in_threads, strips
from napari_unet_nuclei.core.types import Labels, QuantisedMaps

LOWEST, HIGHEST = 2, 252
"""Levels of the foreground, 0 to 255, that a threshold can be at: 0.01 and 0.99, the limits of the setting. Pixels at
the lowest level or below are background at all of them, those above the highest are foreground."""

LEVELS = 256

Level = NDArray[np.uint8]


@dataclass(frozen=True)
class AllLevels:
    """All that is to be known of a plane at any threshold."""

    foreground: Level  # from `LOWEST` to `HIGHEST` + 1, shape (Y, X)
    atoms: NDArray[np.int32]  # number of each pixel's atom, from 1; 0 at the lowest level, shape (Y, X)
    ways: _Ways
    meetings: _Meetings
    sums: _Sums
    background: _Background

    @staticmethod
    def of(maps: QuantisedMaps, heights: Heights) -> AllLevels:
        """Divide a plane."""
        foreground = np.clip(maps[0], LOWEST, HIGHEST + 1)
        ground = find_basins(heights, foreground > LOWEST, rising=foreground)
        atoms = ground.labelled(np.arange(1, len(ground.summits) + 1))
        return AllLevels(
            foreground,
            atoms,
            _Ways.of(foreground, heights, atoms, ground),
            _Meetings.of(foreground, heights, atoms),
            _Sums.of(maps, foreground, ground),
            _Background.of(foreground, atoms),
        )

    def at(self, level: int) -> tuple[BasinsAtLevel, Evidence, Holes]:
        """Return basins, their evidence and holes; pixels above a level are foreground."""
        basin, summits = self.ways.at(level)
        present = np.flatnonzero(basin >= 0)
        touching = self.meetings.at(level, basin, len(summits))
        basins = BasinsAtLevel(self, level, basin, self.ways.tops[summits], *touching)
        evidence = self.sums.at(level, present).grouped(basin[present], len(summits))
        return basins, evidence, self.background.at(level, self, basins)


@dataclass(frozen=True)
class BasinsAtLevel:
    """The basins of a plane at one threshold, as `Basins` has them."""

    plane: AllLevels
    level: int
    basin: NDArray[np.int32]  # basin of each atom, -1 for atoms that are background, shape (A,)
    tops: NDArray[np.float32]
    pairs: NDArray[np.int32]
    saddles: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the plane."""
        return self.plane.atoms.shape

    @cached_property
    def forest(self) -> Forest:
        """As `Basins.forest`."""
        return Forest.of(self.tops, self.pairs, self.saddles)

    def by_atom(self, numbers: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the number of each atom's basin, by the numbers in `AllLevels.atoms`; 0 where there is none."""
        # The last number, 0, is that of -1.
        return np.asarray(np.append(numbers, 0).astype(np.int32)[np.append(-1, self.basin)])

    def labelled(self, numbers: NDArray[np.integer]) -> Labels:
        """As `Basins.labelled`."""
        table, labels = self.by_atom(numbers), np.empty(self.shape, np.int32)

        def paint(lines: slice) -> None:
            np.take(table, self.plane.atoms[lines], out=labels[lines])
            labels[lines] *= self.plane.foreground[lines] > self.level

        in_threads(paint, strips(self.shape))
        return labels


@dataclass(frozen=True)
class _Ways:
    """Where the ways uphill from the roots of atoms go on at each threshold."""

    tops: NDArray[np.float32]  # heights of the roots, shape (A,)
    own: Level  # foreground of the roots, shape (A,)
    levels: Level  # foreground of the root and its neighbours, the first one to go to first, shape (5, A)
    atoms: NDArray[np.int32]  # their atoms, from 0, shape (5, A)

    @staticmethod
    def of(foreground: Level, heights: Heights, atoms: NDArray[np.int32], ground: Basins) -> _Ways:
        """Compare the root of each atom with its neighbours."""
        places = np.unravel_index(ground.summits, atoms.shape)
        # In reading order: of equal heights the first counts as higher.
        steps = [(-1, 0), (0, -1), (0, 0), (0, 1), (1, 0)]
        found = []
        for step in steps:
            there = [place + by for place, by in zip(places, step, strict=True)]
            inside = np.logical_and.reduce(
                [(at >= 0) & (at < size) for at, size in zip(there, atoms.shape, strict=True)]
            )
            index = tuple(np.where(inside, at, place) for at, place in zip(there, places, strict=True))
            level = np.where(inside, foreground[index], LOWEST)
            found.append((np.where(level > LOWEST, -heights[index], np.inf), level, atoms[index] - 1))
        depths, levels, numbers = (np.stack(one) for one in zip(*found, strict=True))
        order = np.argsort(depths, axis=0, kind="stable")
        levels, numbers = (np.take_along_axis(one, order, axis=0) for one in (levels, numbers))
        return _Ways(ground.tops, foreground.ravel()[ground.summits], levels, numbers)

    def at(self, level: int) -> tuple[NDArray[np.int32], Indices]:
        """Return the basin of each atom, -1 for atoms that are background, and the atoms at whose roots ways end."""
        every = np.arange(len(self.tops))
        present = self.own > level
        # Of what is foreground the highest; of atoms that are not, anything.
        onwards = self.atoms[(self.levels > level).argmax(axis=0), every]
        pointer = np.where(present, onwards, every)
        summits = np.flatnonzero(present & (pointer == every))
        rank = np.full(len(every), -1, np.int32)
        rank[summits] = np.arange(len(summits), dtype=np.int32)
        return rank[followed(pointer)], summits


@dataclass(frozen=True)
class _Meetings:
    """Where atoms touch, and how high; those that matter at some threshold, by falling level."""

    levels: Level  # up to which both pixels are foreground, shape (M,)
    pairs: NDArray[np.int32]  # atoms from 0, shape (M, 2)
    saddles: NDArray[np.float32]  # height of the lower pixel, shape (M,)

    @staticmethod
    def of(foreground: Level, heights: Heights, atoms: NDArray[np.int32]) -> _Meetings:
        """Compare neighbouring pixels."""

        def meetings(lines: slice) -> tuple[NDArray[np.int32], Level, NDArray[np.float32]]:
            above = slice(lines.start, min(lines.stop, len(atoms) - 1))
            sides = [
                ((above, slice(None)), (slice(above.start + 1, above.stop + 1), slice(None))),
                ((lines, slice(None, -1)), (lines, slice(1, None))),
            ]
            found = []
            for one, other in sides:
                here, there = atoms[one], atoms[other]
                met = np.nonzero((here != there) & (here > 0) & (there > 0))
                pairs = np.sort(np.stack([here[met], there[met]], axis=1) - 1, axis=1)
                found.append((pairs, *(np.minimum(of[one][met], of[other][met]) for of in (foreground, heights))))
            pairs, levels, saddles = (np.concatenate(parts) for parts in zip(*found, strict=True))
            kept = _outstanding(pairs, levels, saddles)
            return pairs[kept], levels[kept], saddles[kept]

        parts = in_threads(meetings, strips(atoms.shape))
        pairs, levels, saddles = (np.concatenate(of) for of in zip(*parts, strict=True))
        order = np.argsort(levels, kind="stable")[::-1]
        return _Meetings(levels[order], pairs[order], saddles[order])

    def at(self, level: int, basin: NDArray[np.int32], count: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the pairs of basins that touch, and the saddles between them."""
        known = len(self.levels) - int(np.searchsorted(self.levels[::-1], level, side="right"))
        return each_pair_once(basin[self.pairs[:known]], self.saddles[:known], count)


def _outstanding(pairs: NDArray[np.int32], levels: Level, saddles: NDArray[np.float32]) -> Indices:
    """Return the places where two atoms touch higher than at all others up to the same level, and perhaps some more."""
    order = np.lexsort((-saddles, LEVELS - levels.astype(int), pairs[:, 1], pairs[:, 0]))
    begins = np.append(True, (pairs[order][1:] != pairs[order][:-1]).any(axis=1))[: len(order)]
    # A step that no two heights are apart makes a running maximum start anew with each pair.
    heights = saddles[order] + 4.0 * np.cumsum(begins)
    return order[heights >= np.maximum.accumulate(heights)]


@dataclass(frozen=True)
class _Sums:
    """Evidence of the pixels of each atom above any level."""

    always: Evidence  # of those that are foreground at all thresholds
    keys: NDArray[np.int64]  # of atom and level of all others, by falling level of each atom, shape (P,)
    begins: Indices  # first of these pixels of each atom, shape (A,)
    totals: NDArray[np.uint32]  # before each of these pixels and after all, modulo 2**32, shape (`TOTALS`, P + 1)
    peaks: NDArray[np.int32]  # highest so far in its atom, likewise, shape (rows of `Evidence.peaks`, P + 1)

    @staticmethod
    def of(maps: QuantisedMaps, foreground: Level, ground: Basins) -> _Sums:
        """Add up, for each atom, from the highest level down."""
        count, levels = len(ground.summits), foreground.ravel()[ground.pixels]
        sure, others = np.flatnonzero(levels > HIGHEST), np.flatnonzero(levels <= HIGHEST)
        always = gather(maps, ground.pixels[sure], ground.basin[sure], count)
        keys = _key(ground.basin[others], levels[others])
        order = np.argsort(keys)
        keys, pixels = keys[order], ground.pixels[others[order]]
        begins = np.searchsorted(keys, _key(np.arange(count), LEVELS - 1))
        totals = np.zeros((len(TOTALS), len(keys) + 1), np.uint32)
        for row, values in zip(totals, pixel_totals(maps, pixels), strict=True):
            np.cumsum(values, dtype=np.uint32, out=row[1:])
        # A step that no two values are apart makes a running maximum start anew with each atom.
        steps = (keys // LEVELS) << 32
        places = np.unravel_index(pixels, foreground.shape)
        rows = [*(maps[number].ravel()[pixels] for number in PEAK_MAPS), *places, *(-place for place in places)]
        peaks = np.zeros((len(rows), len(keys) + 1), np.int32)
        for highest, values in zip(peaks, rows, strict=True):
            highest[1:] = np.maximum.accumulate(values + steps) - steps
        return _Sums(always, keys, begins, totals, peaks)

    def at(self, level: int, atoms: Indices) -> Evidence:
        """Return the evidence of the pixels of some atoms above a level; each atom has some."""
        first, last = self.begins[atoms], np.searchsorted(self.keys, _key(atoms, level))
        always = self.always.chosen(atoms)
        totals = always.totals + (self.totals[:, last] - self.totals[:, first])
        # Of atoms without such pixels, the peaks of whatever lies before are not theirs.
        peaks = np.where(last > first, self.peaks[:, last], always.peaks)
        return Evidence(totals, np.maximum(always.peaks, peaks))


def _key(atom: NDArray[np.integer], level: Level | int) -> NDArray[np.int64]:
    return atom.astype(np.int64) * LEVELS + (LEVELS - 1) - level


@dataclass(frozen=True)
class _Background:
    """Pieces of the background, the levels at which they meet, and from which on they reach the edge of the plane."""

    pixels: Indices  # flat index of every pixel that is in a hole at some threshold, ascending, shape (P,)
    first: Level  # lowest level at which it is background, shape (P,)
    opens: Level  # lowest level at which what it lies in then reaches the edge, shape (P,)
    piece: NDArray[np.int32]  # shape (P,)
    seams: NDArray[np.int32]  # pieces in holes that meet, shape (M, 2)
    meets: Level  # lowest level at which they do, shape (M,)
    parts: Level  # lowest level at which they reach the edge, shape (M,)
    exposed: NDArray[np.int32]  # atoms, from 0, of pixels beside background that reaches the edge, shape (E,)
    exposed_from: Level  # lowest level at which there is such background, shape (E,)
    exposed_to: Level  # lowest level at which the pixel is background itself, shape (E,)

    @staticmethod
    def of(foreground: Level, atoms: NDArray[np.int32]) -> _Background:
        """Find the pieces of all thresholds."""
        low, count = label_components(foreground == LOWEST)
        band = find_basins(np.negative(foreground, dtype=np.float32), (foreground > LOWEST) & (foreground <= HIGHEST))
        # What lies beyond the edge is piece 0, and what is foreground at all thresholds has the number -1.
        pieces = np.pad(np.where(foreground > HIGHEST, -1, low), 1)
        width = pieces.shape[1]
        places = band.pixels + width + 1 + 2 * (band.pixels // foreground.shape[1])
        pieces.ravel()[places] = count + 1 + band.basin
        steps, levels = (-width, -1, 1, width), foreground.ravel()[band.pixels]
        # Pieces of higher levels among themselves, with the lowest ones and with the edge; the lowest at the edge.
        pairs, meets = [band.pairs + count + 1], [-band.saddles]
        for step in steps:
            there = pieces.ravel()[places + step]
            met = np.flatnonzero((there >= 0) & (there <= count))
            pairs.append(np.stack([count + 1 + band.basin[met], there[met]], axis=1))
            meets.append(levels[met].astype(np.float32))
        ends = np.unique(np.concatenate([low[0], low[-1], low[:, 0], low[:, -1]]))
        pairs.append(np.stack([np.zeros_like(ends), ends], axis=1))
        meets.append(np.full(len(ends), LOWEST, np.float32))
        seams, highest = each_pair_once(np.concatenate(pairs), -np.concatenate(meets), count + 1 + len(band.summits))
        opens = _opening(seams, -highest, count + 1 + len(band.summits))
        meets_at, parts = (-highest).astype(np.uint8), opens[seams].min(axis=1, initial=LEVELS - 1)
        enclosing = meets_at < parts
        # The number -1 takes the last one: what is never background opens at no level.
        table, opens_at = np.append(opens, LEVELS - 1).astype(np.uint8), np.empty(pieces.shape, np.uint8)
        in_threads(lambda lines: table.take(pieces[lines], out=opens_at[lines], mode="wrap"), strips(pieces.shape))
        hidden = np.flatnonzero((opens_at[1:-1, 1:-1] > foreground) & (foreground <= HIGHEST))
        # Background beside a pixel, and open: the lowest level at which there is any.
        open_from = np.maximum(opens_at, np.pad(foreground, 1))
        beside = np.minimum(
            np.minimum(open_from[:-2, 1:-1], open_from[2:, 1:-1]), np.minimum(open_from[1:-1, :-2], open_from[1:-1, 2:])
        )
        exposed = np.flatnonzero((beside < foreground) & (foreground > LOWEST))
        return _Background(
            hidden,
            foreground.ravel()[hidden],
            opens_at[1:-1, 1:-1].ravel()[hidden],
            pieces[1:-1, 1:-1].ravel()[hidden],
            seams[enclosing],
            meets_at[enclosing],
            parts[enclosing],
            atoms.ravel()[exposed] - 1,
            beside.ravel()[exposed],
            foreground.ravel()[exposed],
        )

    def at(self, level: int, plane: AllLevels, basins: BasinsAtLevel) -> Holes:
        """Return the holes at a level, and the basins beside them."""
        here = (self.first <= level) & (level < self.opens)
        known, piece = np.unique(self.piece[here], return_inverse=True)
        met = (self.meets <= level) & (level < self.parts)
        count, component = joined(np.searchsorted(known, self.seams[met]), len(known))
        outer = np.zeros(len(basins.tops), bool)
        outer[basins.basin[self.exposed[(self.exposed_from <= level) & (level < self.exposed_to)]]] = True
        numbers = basins.by_atom(np.arange(1, len(outer) + 1))

        def number_at(places: Indices) -> NDArray[np.int32]:
            return numbers[plane.atoms.ravel()[places]] * (plane.foreground.ravel()[places] > level)

        return Holes.around(self.pixels[here], component[piece], count, outer, plane.atoms.shape, number_at)


def _opening(seams: NDArray[np.int32], meets: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the lowest level at which each piece is joined to piece 0, directly or through others.

    That is the highest seam on the way there along a minimum spanning tree.
    """
    graph = coo_array((meets, (seams[:, 0], seams[:, 1])), shape=(count, count))
    tree = minimum_spanning_tree(graph.tocsr())
    _, before = breadth_first_order(tree, 0, directed=False)
    kept = tree.tocoo()
    opens = np.full(count, HIGHEST + 1)
    opens[np.where(before[kept.row] == kept.col, kept.row, kept.col)] = kept.data
    opens[0] = 0
    # Only what the tree reaches has anything before it.
    pointer = np.where(before >= 0, before, np.arange(count))
    opens[(before < 0) & (np.arange(count) > 0)] = HIGHEST + 1
    while True:
        opens = np.maximum(opens, opens[pointer])
        further = pointer[pointer]
        if np.array_equal(further, pointer):
            return np.asarray(opens, np.int64)
        pointer = further

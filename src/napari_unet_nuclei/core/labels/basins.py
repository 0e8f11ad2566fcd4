"""Divide a mask by heights, in any dimension: summits, the basins that drain to them, and the saddles between basins.

Every pixel of the mask points to the highest of its neighbours across a side; following the pointers leads each pixel
to a summit, and the pixels that reach one summit are its basin. Two touching basins are separated by a notch: the
height of the lower summit above the saddle between them. From there on, everything is a query to a small graph, so that
another notch depth needs no pixels.

Of pixels with equal height, the first in reading order counts as higher. This makes a total order: the same heights
give the same basins wherever the array starts, so that blocks of an image can be divided independently.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.types import Labels, Mask

Heights: TypeAlias = NDArray[np.float32]
"""High in the middle of nuclei and low between them, axes (Y, X) or (Z, Y, X)."""

Indices: TypeAlias = NDArray[np.integer[Any]]

PIECE = 1 << 16
"""Pixels compared with their neighbours at a time: they stay in the processor's cache."""


@dataclass(frozen=True)
class Basins:
    """A mask divided into the basins of all its summits, and which basins touch."""

    shape: tuple[int, ...]  # of the mask
    pixels: Indices  # flat index of every pixel of the mask, ascending, shape (P,)
    basin: NDArray[np.int32]  # basin of each of these pixels, numbered from 0 in the order of the summits, shape (P,)
    summits: Indices  # flat index of each basin's highest pixel, ascending, shape (N,)
    tops: NDArray[np.float32]  # heights of the summits, shape (N,)
    pairs: NDArray[np.int32]  # basins that touch by a side of a pixel, lower number first, each pair once, shape (M, 2)
    saddles: NDArray[np.float32]  # height of the highest path between the two, shape (M,)

    @cached_property
    def forest(self) -> Forest:
        """For each basin, the one that it joins first and the depth of the notch between them."""
        return Forest.of(self.tops, self.pairs, self.saddles)

    def labelled(self, numbers: NDArray[np.integer[Any]]) -> Labels:
        """Paint each basin with its number: an array of the mask's shape, 0 outside the mask."""
        labels = np.zeros(self.shape, np.int32)
        labels.ravel()[self.pixels] = numbers.astype(np.int32, copy=False)[self.basin]
        return labels


@dataclass(frozen=True)
class Forest:
    """The order in which basins merge as the notch depth that separates nuclei rises; both arrays have shape (N,).

    A basin's parent is the one that it joins, across its highest saddle towards anything higher; itself if there is
    none. Its notch is the height of its summit above that saddle; infinite if there is none.
    """

    parents: NDArray[np.int64]
    notches: NDArray[np.float64]

    @staticmethod
    def of(tops: NDArray[np.float32], pairs: Indices, saddles: NDArray[np.float32]) -> Forest:
        """Join all basins of a graph, highest saddle first; arguments as in `Basins`.

        Joining everything once and keeping the depths gives, for every depth, the same nuclei as joining only across
        shallower notches: a summit separated by a deep notch is even higher above any later, lower saddle.
        """
        # A union-find over plain lists: saddles come one by one, and single elements of arrays are slow to read.
        tops_list = tops.tolist()
        leader = list(range(len(tops_list)))
        parents, notches = leader.copy(), [np.inf] * len(leader)
        for saddle, one, other in _highest_first(pairs, saddles):
            high, low = _leader(leader, one), _leader(leader, other)
            if high == low:
                continue
            beside = one
            # Of two equal summits the first in reading order is the higher one, as among pixels.
            if (tops_list[low], -low) > (tops_list[high], -high):
                high, low, beside = low, high, other
            leader[low] = high
            # Not the leader: that one may lie beyond a notch which separates it from `beside`.
            parents[low], notches[low] = beside, tops_list[low] - saddle
        return Forest(np.array(parents, np.int64), np.array(notches, np.float64))

    def roots(self, split: float) -> NDArray[np.int64]:
        """Return, for each basin, the highest one not separated from it by a notch of depth ``split`` or more."""
        # Cutting the pointers across deep notches leaves one tree for each nucleus.
        roots = np.where(self.notches < split, self.parents, np.arange(len(self.parents)))
        return followed(roots)


def followed(pointers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Follow acyclic pointers to their ends, doubling the distance in every pass."""
    while True:
        further = pointers[pointers]
        if np.array_equal(further, pointers):
            return further
        pointers = further


def find_basins(heights: Heights, mask: Mask, standing: Mask | None = None) -> Basins:
    """Divide a mask into the basins of all its summits.

    ``heights`` are finite in the mask; ``standing`` pixels are summits regardless of their neighbours. Each basin is
    connected by the sides of its pixels, and so is every union along `Basins.pairs`.
    """
    # A rim lower than everything else makes edge tests unnecessary.
    padded = np.full([size + 2 for size in mask.shape], -np.inf, np.float32)
    inside = tuple(slice(1, -1) for _ in mask.shape)
    np.copyto(padded[inside], heights, where=mask)
    del heights  # of a volume that the caller has let go of, a fifth of all memory
    level, places = padded.ravel(), np.flatnonzero(np.pad(mask, 1))
    strides = [stride // padded.itemsize for stride in padded.strides]
    target = _uphill(level, places, strides)
    if standing is not None:
        still = standing[mask]
        target[still] = places[still]
    # Pointers between positions among the mask's pixels, not between flat indices: fewer and smaller arrays.
    number = np.full(level.size, -1, np.int32)
    number[places] = np.arange(len(places), dtype=np.int32)
    own = np.flatnonzero(target == places)
    pointer = followed(number[target].astype(np.intp))
    rank = np.empty(len(places), np.int32)
    rank[own] = np.arange(len(own), dtype=np.int32)
    basin = rank[pointer]
    # Reused as a map of basins, still -1 outside the mask, so that neighbours can be looked up by position.
    number[places] = basin
    pairs, saddles = _saddles(level, number, basin, places, strides, len(own))
    pixels = np.flatnonzero(mask)
    return Basins(mask.shape, pixels, basin, pixels[own], level[places[own]], pairs, saddles)


def _uphill(level: NDArray[np.float32], places: Indices, strides: list[int]) -> Indices:
    """Return the highest of each pixel and its neighbours, the first in reading order among equals.

    Whole pieces of the array are compared, pixels outside the mask included: looking pixels up one by one takes twice
    as long.
    """
    # In reading order, and only a strictly higher pixel replaces the best so far.
    steps = np.array([*(-stride for stride in strides), 0, *reversed(strides)], places.dtype)
    rim = max(strides)
    target = np.empty_like(places)
    ends = range(rim, level.size - rim, PIECE)
    bounds = [*np.searchsorted(places, ends).tolist(), len(places)]
    for start, first, last in zip(ends, bounds[:-1], bounds[1:], strict=True):
        stop = min(start + PIECE, level.size - rim)
        best = level[start + steps[0] : stop + steps[0]].copy()
        way = np.zeros(stop - start, np.uint8)
        for number, step in enumerate(steps[1:], 1):
            there = level[start + step : stop + step]
            higher = there > best
            np.maximum(best, there, out=best)
            # Ways are numbered upwards, so the last higher neighbour has the largest number.
            np.maximum(way, higher * np.uint8(number), out=way)
        here = places[first:last]
        target[first:last] = here + steps[way[here - start]]
    return target


def _saddles(
    level: NDArray[np.float32],
    number: NDArray[np.int32],
    here: NDArray[np.int32],
    places: Indices,
    strides: list[int],
    count: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the pairs of touching basins and the height of the highest path between each two."""
    keys, ways = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    # One direction along each axis meets every pair of neighbouring pixels once.
    for stride in strides:
        there = number[places + stride]
        meeting = np.flatnonzero((there != here) & (there >= 0))
        one, other = here[meeting], there[meeting]
        # One number for a pair sorts faster than two; its largest value, count², needs 64 bits.
        keys.append(np.minimum(one, other).astype(np.int64) * count + np.maximum(one, other))
        # A path across both pixels is as high as the lower one.
        ways.append(np.minimum(level[places[meeting]], level[places[meeting] + stride]))
    return highest_ways(np.concatenate(keys), np.concatenate(ways), count)


def highest_ways(
    keys: NDArray[np.int64], ways: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Keep the highest of all paths between the same two basins, whose key is ``lower * count + higher``."""
    if not keys.size:
        return np.zeros((0, 2), np.int32), ways
    order = np.argsort(keys, kind="stable")
    keys, ways = keys[order], ways[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    pairs = np.stack(np.divmod(keys[starts], count), axis=1).astype(np.int32)
    return pairs, np.maximum.reduceat(ways, starts)


def _highest_first(pairs: Indices, saddles: NDArray[np.float32]) -> Iterator[tuple[float, int, int]]:
    """Yield (saddle, one, other), highest saddle first; among equals, lower numbers first."""
    # Ties are broken by number, so that the order of the pairs, which differs between blocks, changes nothing.
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -saddles))
    ordered = pairs[order]
    yield from zip(saddles[order].tolist(), ordered[:, 0].tolist(), ordered[:, 1].tolist(), strict=True)


def _leader(leader: list[int], basin: int) -> int:
    """Return the highest basin that this one has been joined to, halving the path for the next query."""
    while leader[basin] != basin:
        leader[basin] = leader[leader[basin]]
        basin = leader[basin]
    return basin


def divided(heights: Heights, mask: Mask, seeds: Labels | None = None) -> Labels:
    """Divide a mask among seeds, or among all its summits, along the valleys between them: a watershed.

    ``seeds`` are numbers from 1, each on one or more pixels, 0 elsewhere. The result holds the number of the seed or
    summit; 0 outside the mask and in components without a seed.
    """
    if seeds is None:
        basins = find_basins(heights, mask)
        return basins.labelled(np.arange(1, len(basins.summits) + 1))
    sown = (seeds > 0) & mask
    # Pixels of seeds are infinitely high and their own summits: no path leads uphill from one seed to another.
    basins = find_basins(np.where(sown, np.float32(np.inf), heights), mask, sown)
    owner = seeds.ravel()[basins.summits].tolist()
    leader = list(range(len(owner)))
    # Join across the highest saddles first, but never two basins that belong to different seeds.
    for _, one, other in _highest_first(basins.pairs, basins.saddles):
        first, second = _leader(leader, one), _leader(leader, other)
        if first == second or (owner[first] and owner[second]):
            continue
        if owner[second]:
            first, second = second, first
        leader[second] = first
    return basins.labelled(np.array([owner[_leader(leader, basin)] for basin in range(len(owner))], np.int32))


def two_summits(heights: Heights, mask: Mask, least: float) -> Labels | None:
    """Mark the two clearest summits of a nucleus as 1 and 2; None if there is no second one.

    The second one is the summit with the deepest descent on the way to any higher summit (its prominence), which must
    be deeper than ``least``, in the unit of ``heights``.
    """
    basins = find_basins(heights, mask)
    forest = basins.forest
    # The highest summit has nothing higher to descend to: its infinite notch is no prominence.
    descents = np.where(np.isfinite(forest.notches), forest.notches, 0.0)
    second = int(descents.argmax()) if descents.size else 0
    if not descents.size or descents[second] <= least:
        return None
    # The parent is only the basin beside the notch; its summit may be a shoulder of a higher one.
    first = forest.roots(float(descents[second]))[forest.parents[second]]
    seeds = np.zeros(mask.shape, np.int32)
    seeds.ravel()[basins.summits[[first, second]]] = 1, 2
    return seeds


def outline_distance(mask: Mask) -> Heights:
    """Distance in pixels to the outline of a nucleus, smoothed so that pixel steps do not make summits."""
    # With a rim of background, the edge of a cut-out counts as outline.
    framed = ndimage.distance_transform_edt(np.pad(mask, 1))
    return np.asarray(ndimage.gaussian_filter(framed[tuple(slice(1, -1) for _ in mask.shape)], 1.0), np.float32)

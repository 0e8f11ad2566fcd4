"""Divide a mask by heights, in any dimension: summits, the basins that drain to them, and the saddles between basins.

Every pixel of the mask points to the highest of its neighbours across a side; following the pointers leads each pixel
to a summit, and the pixels that reach one summit are its basin. Two touching basins are separated by a notch: the
height of the lower summit above the saddle between them. From there on, everything is a query to a small graph, so that
another notch depth needs no pixels.

Of pixels with equal height, the first in reading order counts as higher. This makes a total order: the same heights
give the same basins wherever the array starts, so that blocks of an image can be divided independently.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.labels.strips import in_threads, strips
from napari_unet_nuclei.core.types import Labels, Mask

Heights: TypeAlias = NDArray[np.float32]
"""High in the middle of nuclei and low between them, axes (Y, X) or (Z, Y, X)."""

Indices: TypeAlias = NDArray[np.integer[Any]]

_Line: TypeAlias = tuple[NDArray[np.int32], NDArray[np.float32]]
"""The outermost line of a strip, flat: the end of the way of each pixel, -1 outside the mask, and its height."""


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
        labels = np.empty(self.shape, np.int32)
        numbers = numbers.astype(np.int32, copy=False)

        def paint(lines: slice) -> None:
            labels[lines] = 0
            first, last = np.searchsorted(self.pixels, [line * labels[:1].size for line in (lines.start, lines.stop)])
            labels.ravel()[self.pixels[first:last]] = numbers[self.basin[first:last]]

        in_threads(paint, strips(self.shape))
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


def find_basins(
    heights: Heights, mask: Mask, standing: Mask | None = None, rising: NDArray[np.uint8] | None = None
) -> Basins:
    """Divide a mask into the basins of all its summits.

    ``heights`` are finite in the mask; ``standing`` pixels are summits regardless of their neighbours, and so are those
    whose way uphill would begin with a step to a lower value of ``rising``. Each basin is connected by the sides of its
    pixels, and so is every union along `Basins.pairs`.
    """
    parts = in_threads(lambda lines: _Strip.of(heights, mask, standing, rising, lines), strips(mask.shape))
    first = np.cumsum([0, *(len(part.ends) for part in parts)])
    # A way that leaves a strip goes on from the end that the pixel beyond leads to: always uphill.
    pointer = np.arange(first[-1])
    ends = [part.pairs + start for part, start in zip(parts, first, strict=False)]
    saddles = [part.saddles for part in parts]
    for (upper, above), (lower, below) in pairwise(zip(parts, first.tolist(), strict=False)):
        pointer[above + upper.leaving_down[0]] = below + lower.top[0][upper.leaving_down[1]]
        pointer[below + lower.leaving_up[0]] = above + upper.bottom[0][lower.leaving_up[1]]
        beside = np.flatnonzero((upper.bottom[0] >= 0) & (lower.top[0] >= 0))
        ends.append(np.stack([above + upper.bottom[0][beside], below + lower.top[0][beside]], axis=1))
        saddles.append(np.minimum(upper.bottom[1][beside], lower.top[1][beside]))
    own = np.flatnonzero(pointer == np.arange(len(pointer)))
    rank = np.empty(len(pointer), np.int32)
    rank[own] = np.arange(len(own), dtype=np.int32)
    basin = rank[followed(pointer)]
    return Basins(
        mask.shape,
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([basin[start:][part.end] for part, start in zip(parts, first, strict=False)]),
        np.concatenate([part.ends for part in parts])[own],
        np.concatenate([part.tops for part in parts])[own],
        *each_pair_once(basin[np.concatenate(ends)], np.concatenate(saddles), len(own)),
    )


@dataclass(frozen=True)
class _Strip:
    """Ways uphill within some lines of an array; they end on summits, and where they leave the strip."""

    pixels: Indices  # flat index in the array of every pixel of the mask, ascending, shape (P,)
    end: NDArray[np.int32]  # where the way of each of these pixels ends, shape (P,)
    ends: Indices  # flat index of each end, ascending, shape (N,)
    tops: NDArray[np.float32]  # their heights, shape (N,)
    pairs: NDArray[np.int32]  # ends whose pixels touch, each pair once, shape (M, 2)
    saddles: NDArray[np.float32]  # height of the highest path between the two, shape (M,)
    top: _Line
    bottom: _Line
    leaving_up: tuple[Indices, Indices]  # ends of ways that leave, and the pixels beyond, as positions in their line
    leaving_down: tuple[Indices, Indices]

    @staticmethod
    def of(
        heights: Heights, mask: Mask, standing: Mask | None, rising: NDArray[np.uint8] | None, lines: slice
    ) -> _Strip:
        """Follow the ways within some lines."""
        start, stop = lines.start, lines.stop
        # A rim lower than everything else makes edge tests unnecessary; the lines beyond are there to compare with.
        inside = tuple(slice(1, -1) for _ in mask.shape)
        level = np.full([stop - start + 2, *(size + 2 for size in mask.shape[1:])], -np.inf, np.float32)
        seen = slice(max(start - 1, 0), min(stop + 1, len(mask)))
        at = slice(seen.start - start + 1, seen.stop - start + 1)
        np.copyto(level[(at, *inside[1:])], heights[seen], where=mask[seen])
        here = np.zeros(level.shape, bool)
        here[inside] = mask[lines]
        places = np.flatnonzero(here)
        strides = [stride // level.itemsize for stride in level.strides]
        target = _uphill(level.ravel(), places, strides)
        if standing is not None:
            still = standing[lines][mask[lines]]
            target[still] = places[still]
        if rising is not None:
            values = np.zeros(level.shape, np.uint8)
            values[(at, *inside[1:])] = rising[seen]
            falling = values.ravel()[target] < values.ravel()[places]
            target[falling] = places[falling]
        # Pointers between positions among the mask's pixels, not between flat indices: fewer and smaller arrays.
        number = np.full(level.size, -1, np.int32)
        number[places] = np.arange(len(places), dtype=np.int32)
        pointer = number[target].astype(np.intp)
        leaving = np.flatnonzero(pointer < 0)
        pointer[leaving] = leaving
        own = np.flatnonzero(pointer == np.arange(len(pointer)))
        rank = np.empty(len(places), np.int32)
        rank[own] = np.arange(len(own), dtype=np.int32)
        end = rank[followed(pointer)]
        # Reused as a map of ends, still -1 outside the mask, so that neighbours can be looked up by position.
        number[places] = end
        mapped = number.reshape(level.shape)[inside]
        pixels = np.flatnonzero(mask[lines]) + math.prod(mask.shape[1:]) * start
        up = target[leaving] < level.size // 2
        # Positions in a line without its rim.
        beyond = np.flatnonzero(np.pad(np.ones(mask.shape[1:], bool), 1)).searchsorted(target[leaving] % strides[0])
        return _Strip(
            pixels,
            end,
            pixels[own],
            level.ravel()[places[own]],
            *_saddles(level.ravel(), number, end, places, strides, len(own)),
            top=(mapped[:1].ravel(), level[inside][:1].ravel()),
            bottom=(mapped[-1:].ravel(), level[inside][-1:].ravel()),
            leaving_up=(rank[leaving[up]], beyond[up]),
            leaving_down=(rank[leaving[~up]], beyond[~up]),
        )


def _uphill(level: NDArray[np.float32], places: Indices, strides: list[int]) -> Indices:
    """Return the highest of each pixel and its neighbours, the first in reading order among equals.

    The whole array is compared, pixels outside the mask included: looking pixels up one by one takes twice as long.
    """
    # In reading order, and only a strictly higher pixel replaces the best so far.
    steps = np.array([*(-stride for stride in strides), 0, *reversed(strides)], places.dtype)
    rim = max(strides)
    best = level[: level.size - 2 * rim].copy()
    way = np.zeros(best.size, np.uint8)
    for number, step in enumerate(steps[1:].tolist(), 1):
        there = level[rim + step :][: best.size]
        higher = there > best
        np.maximum(best, there, out=best)
        # Ways are numbered upwards, so the last higher neighbour has the largest number.
        np.maximum(way, higher * np.uint8(number), out=way)
    return places + steps[way[places - rim]]


def _saddles(
    level: NDArray[np.float32],
    number: NDArray[np.int32],
    here: NDArray[np.int32],
    places: Indices,
    strides: list[int],
    count: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the pairs of touching basins and the height of the highest path between each two."""
    pairs, ways = [], []
    # One direction along each axis meets every pair of neighbouring pixels once.
    for stride in strides:
        there = number[places + stride]
        meeting = np.flatnonzero((there != here) & (there >= 0))
        pairs.append(np.stack([here[meeting], there[meeting]], axis=1))
        # A path across both pixels is as high as the lower one.
        ways.append(np.minimum(level[places[meeting]], level[places[meeting] + stride]))
    return each_pair_once(np.concatenate(pairs), np.concatenate(ways), count)


def each_pair_once(
    pairs: Indices, ways: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return each pair of different basins once, lower number first, with the highest of all ways between the two.

    ``count`` is the number of basins.
    """
    one, other = np.minimum(*pairs.T), np.maximum(*pairs.T)
    apart = one != other
    # One number for a pair sorts faster than two; its largest value, count², needs 64 bits.
    keys, ways = one[apart].astype(np.int64) * count + other[apart], ways[apart]
    if not keys.size:
        return np.zeros((0, 2), np.int32), ways
    order = np.argsort(keys, kind="stable")
    keys, ways = keys[order], ways[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return np.stack(np.divmod(keys[starts], count), axis=1).astype(np.int32), np.maximum.reduceat(ways, starts)


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

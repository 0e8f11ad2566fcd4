"""Turn the network's maps into labelled nuclei: threshold, basins, notches, filters.

Arranged for sliders. The smoothed heights are computed once; the foreground threshold determines the basins; *split*,
*smallest* and *score* are queries to the graph of those basins, which is thousands of times smaller than the image.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_unet_nuclei.core.labels.basins import Basins, Heights, Indices, find_basins
from napari_unet_nuclei.core.labels.heights import THREADS, heights_of
from napari_unet_nuclei.core.labels.score import Evidence, Scoring, gather, median_area, scores_of
from napari_unet_nuclei.core.types import Labels, Maps, Mask, QuantisedMaps

SPLIT = 0.4
"""Notch depth, in distance minus border, that separates nuclei if a model states none: the best of 0.15, 0.25, 0.4 and
0.5 on the same images."""

TUNED = ("foreground", "split", "min_size", "score")
"""Thresholds fitted with a model that a user may also set; settings and model cards use the same names."""


@dataclass(frozen=True)
class DecodeThresholds:
    """What decoding needs besides the maps, in units of the image that the maps belong to."""

    foreground: float  # probability above which a pixel is foreground, 0 to 1
    split: float  # depth of the notch between two summits of distance minus border that separates nuclei, 0 to 1
    min_size: int  # smaller nuclei are dropped, px²
    scale: float = 1.0  # image pixels per pixel of the model's own scale
    score: float = 0.0  # nuclei with a lower score are dropped, 0 to 1
    scoring: Scoring | None = None  # coefficients of the score; without them it is the mean foreground probability


@dataclass(frozen=True)
class Decoded:
    """The nuclei of one plane."""

    labels: Labels  # ids 1..n without gaps; every nucleus is connected and has no holes, shape (Y, X)
    scores: NDArray[np.float64]  # how likely each nucleus is right, in the order of the ids, shape (n,)


def quantise(maps: Maps) -> QuantisedMaps:
    """Quantise maps with values from 0 to 1 to 8 bits.

    Examples
    --------
    >>> quantise(np.array([[[0.0, 0.5, 1.0]]], np.float32))
    array([[[  0, 128, 255]]], dtype=uint8)
    """
    scaled = maps * np.float32(255.0)
    # The conversion truncates: a half more makes it round.
    scaled += np.float32(0.5)
    return scaled.astype(np.uint8)


def decode_maps(maps: QuantisedMaps, thresholds: DecodeThresholds) -> Labels:
    """Return only the labels of `decode_plane`."""
    return decode_plane(maps, thresholds).labels


def decode_plane(maps: QuantisedMaps, thresholds: DecodeThresholds) -> Decoded:
    """Find and score the nuclei in the quantised foreground, border and normalised distance (3, Y, X) of one plane."""
    return PlaneDecoder(maps, thresholds.scale).decode(thresholds)


class PlaneDecoder:
    """Decode the maps of one plane repeatedly, recomputing only what changed thresholds require.

    ``maps`` are those of `decode_plane`, kept and not copied; ``scale`` is image pixels per pixel of the model's own
    scale.
    """

    def __init__(self, maps: QuantisedMaps, scale: float) -> None:
        self.maps = maps
        self.scale = scale
        self._heights: Heights | None = None
        self._graph: tuple[float, PlaneGraph] | None = None

    def decode(self, thresholds: DecodeThresholds) -> Decoded:
        """Find and score the nuclei; the thresholds must have this decoder's scale."""
        if self.maps[0].size == 0:
            return Decoded(np.zeros(self.maps.shape[1:], np.int32), np.zeros(0))
        return self._graph_at(thresholds.foreground).decode(thresholds)

    def all_nuclei(self, foreground: float, split: float) -> tuple[Labels, Evidence]:
        """Find the nuclei without filtering by size and score; return ids 1..n, and the evidence of each."""
        return self._graph_at(foreground).all_nuclei(split)

    def _graph_at(self, foreground: float) -> PlaneGraph:
        # Read once: another thread may replace the tuple meanwhile, and either graph is complete.
        known = self._graph
        if known is None or known[0] != foreground:
            if self._heights is None:
                self._heights = heights_of(self.maps, self.scale)
            known = foreground, PlaneGraph.of(self.maps, self._heights, foreground)
            self._graph = known
        return known[1]


def foreground_mask(maps: QuantisedMaps, foreground: float) -> Mask:
    """Return the pixels above the foreground threshold."""
    # The threshold is scaled instead of the map, which would take a copy of four times its size.
    return np.asarray(maps[0] > 255 * foreground)


@dataclass(frozen=True)
class PlaneGraph:
    """All that *split*, *smallest* and *score* need of a plane."""

    basins: Basins
    evidence: Evidence  # of each basin; it adds up over the basins of a nucleus
    holes: Holes

    @staticmethod
    def of(maps: QuantisedMaps, heights: Heights, foreground: float) -> PlaneGraph:
        """Find basins and holes at a foreground threshold."""
        mask = foreground_mask(maps, foreground)
        with ThreadPoolExecutor(THREADS) as pool:
            # The background and the basins, then holes and evidence, do not depend on one another: two threads.
            enclosed = pool.submit(Enclosed.of, mask)
            basins = find_basins(heights, mask)
            evidence = pool.submit(gather, maps, basins.pixels, basins.basin, len(basins.summits))
            holes = Holes.of(basins, enclosed.result())
            return PlaneGraph(basins, evidence.result(), holes)

    def decode(self, thresholds: DecodeThresholds) -> Decoded:
        """Join basins into nuclei, drop the too small and too doubtful, and fill holes."""
        nucleus, evidence = self._nuclei(thresholds.split)
        # The median of all nuclei that are large enough, whatever their scores, which depend on it.
        usual = median_area(evidence.areas, thresholds.min_size)
        scores = scores_of(evidence, self.basins.shape, thresholds.scale, usual, thresholds.scoring)
        kept = stays(evidence.areas, scores, thresholds)
        # The running count numbers what is kept without gaps, in the order of the summits.
        return Decoded(self._labelled(np.where(kept, np.cumsum(kept), 0)[nucleus]), scores[kept])

    def all_nuclei(self, split: float) -> tuple[Labels, Evidence]:
        """Join basins into nuclei and fill holes."""
        nucleus, evidence = self._nuclei(split)
        return self._labelled(nucleus + 1), evidence

    def _nuclei(self, split: float) -> tuple[NDArray[np.intp], Evidence]:
        """Return the nucleus of each basin, numbered from 0 in the order of summits, and the evidence of the nuclei."""
        roots, nucleus = np.unique(self.basins.forest.roots(split), return_inverse=True)
        return nucleus, self.evidence.grouped(nucleus, len(roots))

    def _labelled(self, ids: NDArray[np.integer]) -> Labels:
        """Paint the nuclei, given the id of each basin's nucleus."""
        ids, fillings = self.holes.filled(ids, self.basins.pairs)
        labels = self.basins.labelled(ids)
        labels.ravel()[self.holes.pixels] = fillings[self.holes.piece]
        return labels


def stays(areas: NDArray[np.integer], scores: NDArray[np.float64], thresholds: DecodeThresholds) -> NDArray[np.bool_]:
    """Return which nuclei are large and certain enough to be kept."""
    return np.asarray((areas >= max(thresholds.min_size, 1)) & (scores >= thresholds.score))


@dataclass(frozen=True)
class Enclosed:
    """What a mask says of holes: components of its background that do not reach the edge of the plane."""

    pixels: Indices  # flat index of every pixel, shape (P,)
    piece: Indices  # component of each of these pixels, from 0, shape (P,)
    count: int  # number of components
    beside: Mask  # pixels at the edge of the plane, or next to background that reaches it

    @staticmethod
    def of(mask: Mask) -> Enclosed:
        """Find what is enclosed."""
        background, pieces = label_components(~mask)
        # A component of the background is a hole unless it reaches the edge of the plane.
        ends = [np.take(background, end, axis).ravel() for axis in range(mask.ndim) for end in (0, -1)]
        outermost = np.bincount(np.concatenate(ends), minlength=pieces + 1)
        inner = outermost == 0
        inner[0] = False
        outermost[0] = 0
        # Most of the background is one component, which needs no look at every pixel.
        pixels = np.flatnonzero((background != outermost.argmax()) & ~mask)
        pixels = pixels[inner[background.ravel()[pixels]]]
        enclosed = np.zeros(mask.shape, bool)
        enclosed.ravel()[pixels] = True
        # Numbered anew, for only some components of the background are holes.
        piece = (np.cumsum(inner) - 1)[background.ravel()[pixels]]
        return Enclosed(pixels, piece, int(inner.sum()), _neighbours_of(~(mask | enclosed)))


@dataclass(frozen=True)
class Holes:
    """Components of the background that do not reach the edge of the plane, and the basins they touch."""

    pixels: Indices  # as in `Enclosed`
    piece: Indices  # likewise
    count: int  # likewise
    touching: Indices  # components and basins that touch by a side of a pixel, each pair once, shape (M, 2)
    outer: NDArray[np.bool_]  # for each basin, whether it touches the edge of the plane, or background that does

    @staticmethod
    def of(basins: Basins, enclosed: Enclosed) -> Holes:
        """Find the holes of the mask that was divided into basins."""
        pixels, piece = enclosed.pixels, enclosed.piece
        # What touches the outside cannot be enclosed by a nucleus, even if it is dropped.
        outer = np.zeros(len(basins.summits), bool)
        outer[basins.basin[enclosed.beside.ravel()[basins.pixels]]] = True
        if not pixels.size:
            return Holes(pixels, piece, 0, np.zeros((0, 2), np.int64), outer)
        numbers = basins.labelled(np.arange(1, len(outer) + 1))
        strides = [stride // numbers.itemsize for stride in numbers.strides]
        pairs = []
        for step in (*strides, *(-stride for stride in strides)):
            basin = numbers.ravel()[pixels + step]  # within the plane: no hole reaches its edge
            # Reduced from pixels to pairs in every direction, before all directions are joined.
            pairs.append(np.unique(piece[basin > 0] * np.int64(len(outer)) + basin[basin > 0] - 1))
        keys = np.unique(np.concatenate(pairs))
        return Holes(pixels, piece, enclosed.count, np.stack(np.divmod(keys, len(outer)), axis=1), outer)

    def filled(self, ids: NDArray[np.integer], pairs: Indices) -> tuple[Indices, Indices]:
        """Give each nucleus what it encloses: holes, and dropped nuclei inside it.

        A connected group of holes and dropped basins is filled if it is enclosed (nothing in it touches the outside)
        and exactly one nucleus surrounds it; a gap among several nuclei stays a gap.

        ``ids`` holds the id of each basin's nucleus, 0 if dropped; ``pairs`` are the touching basins. Returns the ids
        of the basins and of the components of holes; 0 for background.
        """
        count = len(ids)
        ids = np.append(ids, np.zeros(self.count, np.int64))  # nodes of one graph: basins first, then holes
        edges = np.concatenate([pairs, np.stack([self.touching[:, 1], count + self.touching[:, 0]], axis=1)])
        empty = ids == 0
        # Dropped basins and holes that touch one another are filled together or not at all.
        within = edges[empty[edges].all(axis=1)]
        graph = coo_array((np.ones(len(within), bool), (within[:, 0], within[:, 1])), shape=(ids.size, ids.size))
        groups, group = connected_components(graph, directed=False)
        # One nucleus surrounds a group where the smallest and the largest id around it are the same.
        smallest, largest = np.full(groups, np.iinfo(np.int64).max), np.zeros(groups, np.int64)
        across = edges[empty[edges[:, 0]] != empty[edges[:, 1]]]
        inside = group[np.where(empty[across[:, 0]], across[:, 0], across[:, 1])]
        around = np.maximum(ids[across[:, 0]], ids[across[:, 1]])
        np.minimum.at(smallest, inside, around)
        np.maximum.at(largest, inside, around)
        open_ = np.zeros(groups, bool)
        # One member that touches the outside opens its whole group.
        open_[group[:count][self.outer & empty[:count]]] = True
        filling = np.where(~open_ & (smallest == largest), largest, 0)
        ids = np.where(empty, filling[group], ids)
        return ids[:count], ids[count:]


def _neighbours_of(mask: Mask) -> Mask:
    """Return the pixels that touch the mask, or the edge of the array, by a side."""
    beside = np.zeros_like(mask)
    for axis in range(mask.ndim):
        ahead, behind = (np.moveaxis(beside, axis, 0), np.moveaxis(mask, axis, 0))
        ahead[1:] |= behind[:-1]
        ahead[:-1] |= behind[1:]
        ahead[0] = ahead[-1] = True
    return beside


def label_components(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """Number the components of a mask that are connected by sides, from 1; return (labels, count)."""
    labels = np.empty(mask.shape, np.int32)
    count = ndimage.label(mask, output=labels)
    return labels, int(count)


def fill_holes(labels: Labels) -> Labels:
    """Fill background enclosed by one nucleus; a gap among several nuclei stays a gap.

    Examples
    --------
    >>> ring = np.array([[0, 1, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1]], np.int32)
    >>> fill_holes(ring)
    array([[0, 1, 1, 1],
           [0, 1, 1, 1],
           [0, 1, 1, 1]], dtype=int32)
    """
    background, count = label_components(labels == 0)
    enclosed = np.ones(count + 1, bool)
    for axis in range(labels.ndim):
        for end in (0, -1):
            enclosed[np.take(background, end, axis)] = False
    enclosed[0] = False
    pixels = np.flatnonzero(enclosed[background])
    if not pixels.size:
        return labels
    hole = background.ravel()[pixels]
    # Pixels of holes have background beside them, which must not count as the smallest id.
    absent = np.iinfo(np.int32).max
    smallest = np.full(count + 1, absent, np.int32)
    largest = np.zeros(count + 1, np.int32)
    # Never beyond the plane: what touches its edge is no hole.
    strides = [math.prod(labels.shape[axis + 1 :]) for axis in range(labels.ndim)]
    for step in (*strides, *(-stride for stride in strides)):
        neighbour = labels.ravel()[pixels + step]
        np.maximum.at(largest, hole, neighbour)
        np.minimum.at(smallest, hole, np.where(neighbour > 0, neighbour, absent))
    filled = np.where(smallest == largest, largest, 0)
    result = labels.copy()
    result.ravel()[pixels] = filled[hole]
    return result

"""Turn the network's maps into labelled nuclei: threshold, basins, notches, filters.

Arranged for sliders. The foreground threshold determines the basins; *split*, *smallest* and *score* are queries to the
graph of those basins, which is thousands of times smaller than the image. Once a plane is prepared for it, the basins
are a query too, to `AllLevels`.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.basins import Basins, Heights, find_basins
from napari_unet_nuclei.core.labels.heights import heights_of
from napari_unet_nuclei.core.labels.holes import Enclosed, Holes
from napari_unet_nuclei.core.labels.levels import HIGHEST, LOWEST, AllLevels, BasinsAtLevel
from napari_unet_nuclei.core.labels.score import Evidence, Scoring, gather, median_area, scores_of
from napari_unet_nuclei.core.labels.strips import THREADS
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
        self._levels: AllLevels | None = None
        self._graph: tuple[int, PlaneGraph] | None = None

    def decode(self, thresholds: DecodeThresholds) -> Decoded:
        """Find and score the nuclei; the thresholds must have this decoder's scale."""
        if self.maps[0].size == 0:
            return Decoded(np.zeros(self.maps.shape[1:], np.int32), np.zeros(0))
        return self._graph_at(thresholds.foreground).decode(thresholds)

    def all_nuclei(self, foreground: float, split: float) -> tuple[Labels, Evidence]:
        """Find the nuclei without filtering by size and score; return ids 1..n, and the evidence of each."""
        return self._graph_at(foreground).all_nuclei(split)

    def prepare(self) -> None:
        """Find what all foreground thresholds have in common: as much work as three, and each is then a query."""
        if self._levels is None and self.maps[0].size:
            self._levels, self._heights = AllLevels.of(self.maps, self._smoothed()), None

    def _graph_at(self, foreground: float) -> PlaneGraph:
        # Maps hold whole numbers, so that thresholds between two of them are the same one.
        level = math.floor(255 * foreground)
        # Read once: another thread may replace the tuple meanwhile, and either graph is complete.
        known = self._graph
        if known is None or known[0] != level:
            known = level, self._found(foreground, level)
            self._graph = known
        return known[1]

    def _found(self, foreground: float, level: int) -> PlaneGraph:
        levels = self._levels
        if levels is None or not LOWEST <= level <= HIGHEST:
            return PlaneGraph.of(self.maps, self._smoothed(), foreground)
        return PlaneGraph(*levels.at(level))

    def _smoothed(self) -> Heights:
        heights = heights_of(self.maps, self.scale) if self._heights is None else self._heights
        self._heights = heights
        return heights


def foreground_mask(maps: QuantisedMaps, foreground: float) -> Mask:
    """Return the pixels above the foreground threshold."""
    # The threshold is scaled instead of the map, which would take a copy of four times its size.
    return np.asarray(maps[0] > 255 * foreground)


@dataclass(frozen=True)
class PlaneGraph:
    """All that *split*, *smallest* and *score* need of a plane."""

    basins: Basins | BasinsAtLevel
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

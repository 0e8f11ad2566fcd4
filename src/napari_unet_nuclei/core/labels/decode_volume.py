"""Turn the foreground and border of a volume into labelled nuclei: threshold, distance, basins, notches, filters.

As `decode`, in three dimensions, with other heights: the distance to the outline in all directions instead of the
network's map, which knows one plane only. The maps lie on a grid of cubes, however far apart the planes are; labels are
wanted at the image's voxels. Arranged for sliders as well: *split*, *smallest* and *score* are queries to a graph, and
the basin of every voxel of the image is known, so that another division is one look-up for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.labels.basins import Forest, Heights, Indices, find_basins
from napari_unet_nuclei.core.labels.decode import Decoded, DecodeThresholds
from napari_unet_nuclei.core.labels.holes import Enclosed, Holes
from napari_unet_nuclei.core.labels.numbering import whole_labels
from napari_unet_nuclei.core.types import Labels, Mask, Region

WORKING_DIAMETER = 18
"""Voxels of the working grid that a nucleus is wide, for a model that takes nuclei of 22 pixels. `benchmarks/volumes.py
--fit` compares sizes; too fine a grid divides nuclei, too coarse a one costs little."""

SMOOTHING = 1.5
"""Gaussian sigma of the distance, in working voxels."""

TRUNCATED = 3.0
"""Sigmas at which the Gaussian is cut."""

CAP = 36
"""Distances beyond two diameters are not told apart: no nucleus is so large."""

BORDER_WEIGHT = 0.3
"""Share of the border that is taken off the foreground: it opens gaps between nuclei that touch broadly."""

SLAB = 32
"""Planes of the working grid from which the mask is made at a time, for memory's sake."""

PIECE = 1 << 18
"""Voxels whose distances are worked on at a time: they stay in the processor's cache."""


@dataclass(frozen=True)
class VolumeThresholds:
    """What a model says of volumes where the user does not: other values than those of planes.

    Averages of three directions are lower than what one of them says, so that foreground and score are others; the
    notch is one of distances.
    """

    foreground: float = 0.55  # foreground less border
    split: float = 0.5  # depth of the notch between two nuclei, in eighteenths of a diameter
    smallest: float = 0.02  # share of a ball of the usual diameter
    score: float = 0.65  # mean foreground less border


def own_thresholds(diameter: float) -> DecodeThresholds:
    """Return the thresholds of volumes for nuclei of a diameter in pixels of the image's planes.

    Smallest is the cross-section of a ball, as for planes: a volume is compared with the ball that has it.
    """
    own = VolumeThresholds()
    across = diameter * own.smallest ** (1 / 3)
    least = max(round(math.pi / 4 * across**2), 1)
    return DecodeThresholds(own.foreground, own.split, least, diameter / WORKING_DIAMETER, own.score)


@dataclass(frozen=True, eq=False)
class VolumeMaps:
    """What the network sees in a volume, averaged over three directions and quantised.

    Attributes
    ----------
    foreground, border : ndarray, shape (Z, Y, X), uint8
        On a grid of cubes.
    shape : tuple of int
        (Z, Y, X) of the image.
    unit : float
        Working voxels per eighteenth of a nucleus diameter: 1 for a model that takes nuclei of 22 pixels.
    """

    foreground: NDArray[np.uint8]
    border: NDArray[np.uint8]
    shape: tuple[int, int, int]
    unit: float = 1.0

    @property
    def scale(self) -> float:
        """Working voxels per pixel of the image, within its planes."""
        (_, *working), (_, *pixels) = self.foreground.shape, self.shape
        return math.sqrt(math.prod(working) / max(math.prod(pixels), 1))

    def mask(self, foreground: float) -> Mask:
        """Return the voxels whose foreground less border is above a threshold."""
        return mask_of(self.foreground, self.border, foreground)


def mask_of(foreground: NDArray[np.uint8], border: NDArray[np.uint8], threshold: float) -> Mask:
    """Return the voxels whose foreground less border is above a threshold."""
    mask = np.empty(foreground.shape, bool)
    taken = np.rint(BORDER_WEIGHT * np.arange(256)).astype(np.int16)
    for start in range(0, len(mask), SLAB):
        slab = slice(start, start + SLAB)
        np.greater(foreground[slab] - taken[border[slab]], 255 * threshold, out=mask[slab])
    return mask


class VolumeDecoder:
    """Decode the maps of one volume repeatedly, recomputing only what changed thresholds require."""

    def __init__(self, maps: VolumeMaps) -> None:
        self.maps = maps
        self._graph: tuple[float, VolumeGraph] | None = None

    def has_graph(self, foreground: float) -> bool:
        """Return whether only a graph has to be asked, since basins are known at a foreground threshold."""
        return self._graph is not None and self._graph[0] == foreground

    def decode(self, thresholds: DecodeThresholds, checkpoint: Callable[[], None] = lambda: None) -> Decoded:
        """Find and score the nuclei; ``checkpoint`` is called between steps, and raises to stop."""
        if 0 in self.maps.foreground.shape or 0 in self.maps.shape:
            return Decoded(np.zeros(self.maps.shape, np.int32), np.zeros(0))
        # Read once: another thread may replace the tuple meanwhile, and either graph is complete.
        known = self._graph
        if known is None or known[0] != thresholds.foreground:
            known = thresholds.foreground, VolumeGraph.of(self.maps, thresholds.foreground, checkpoint)
            self._graph = known
        checkpoint()
        return known[1].decode(thresholds)


@dataclass(frozen=True, eq=False)
class VolumeGraph:
    """All that *split*, *smallest* and *score* need of a volume at one foreground threshold.

    What lies at each voxel of the image is a node: a basin, or a hole. Another division gives nodes other ids, and
    looks them up.
    """

    forest: Forest
    pairs: Indices  # basins that touch, shape (M, 2)
    voxels: NDArray[np.int64]  # working voxels of each basin, shape (N,)
    foreground: NDArray[np.float64]  # sum of the foreground of each basin, 0 to 255 a voxel, shape (N,)
    border: NDArray[np.float64]  # that of the border
    holes: Holes  # without their voxels
    nodes: NDArray[np.int32]  # basin + 1, or N + 1 + component of a hole, or 0, at the voxels of the image
    seen: NDArray[np.int64]  # voxels of the image in each basin, shape (N,): none where it lies between two planes
    maps: VolumeMaps

    @staticmethod
    def of(maps: VolumeMaps, foreground: float, checkpoint: Callable[[], None] = lambda: None) -> VolumeGraph:
        """Find basins and holes at a foreground threshold."""
        mask = maps.mask(foreground)
        checkpoint()
        basins = find_basins(heights_of(mask, maps.unit), mask)
        checkpoint()
        holes = Holes.of(basins, Enclosed.of(mask))
        count = len(basins.summits)
        voxels = np.bincount(basins.basin, minlength=count)
        foregrounds, borders = (
            np.bincount(basins.basin, one.ravel()[basins.pixels], count).astype(np.float64)
            for one in (maps.foreground, maps.border)
        )
        working = basins.labelled(np.arange(1, count + 1))
        working.ravel()[holes.pixels] = holes.piece + count + 1
        nodes, none = at_pixels(working, maps.shape), np.zeros(0, np.int64)
        seen = np.zeros(count, np.int64)
        for plane in nodes:  # since counting converts to 64 bits
            seen += np.bincount(plane.ravel(), minlength=count + 1)[1 : count + 1]
        return VolumeGraph(
            basins.forest,
            basins.pairs,
            voxels,
            foregrounds,
            borders,
            replace(holes, pixels=none, piece=none),
            nodes,
            seen,
            maps,
        )

    def decode(self, thresholds: DecodeThresholds) -> Decoded:
        """Join basins into nuclei, drop the too small and too doubtful, and fill holes."""
        roots, nucleus = np.unique(self.forest.roots(thresholds.split * self.maps.unit), return_inverse=True)
        voxels = np.bincount(nucleus, self.voxels, len(roots))
        foreground, border = (np.bincount(nucleus, one, len(roots)) for one in (self.foreground, self.border))
        scores = volume_scores(voxels, foreground, border)
        seen = np.bincount(nucleus, self.seen, len(roots))
        least = least_voxels(thresholds.min_size, self.maps.scale)
        kept = (voxels >= least) & (scores >= thresholds.score) & (seen > 0)
        # The running count numbers what is kept without gaps, in the order of the summits.
        ids, fillings = self.holes.filled(np.where(kept, np.cumsum(kept), 0)[nucleus], self.pairs)
        table = np.concatenate([[0], ids, fillings]).astype(np.int32)
        return Decoded(np.take(table, self.nodes), scores[kept])


def decode_section(maps: VolumeMaps, z: int, region: Region, thresholds: DecodeThresholds) -> Labels:
    """Find the nuclei of a rectangle of one plane alone, with a diameter of what lies around it in all directions.

    Nuclei that reach farther may be divided otherwise than in the whole volume. Ids are 1..n without gaps.
    """
    y0, y1, x0, x1 = region
    cubes = [cubes_at(*sizes) for sizes in zip(maps.shape, maps.foreground.shape, strict=True)]
    places = cubes[0][z : z + 1], cubes[1][y0:y1], cubes[2][x0:x1]
    around = round(WORKING_DIAMETER * maps.unit)
    first = [max(int(along[0]) - around, 0) for along in places]
    window = tuple(slice(start, int(along[-1]) + 1 + around) for start, along in zip(first, places, strict=True))
    foreground, border = maps.foreground[window], maps.border[window]
    part = VolumeMaps(foreground, border, foreground.shape, maps.unit)
    # In cubes, of which the part's voxels are made.
    least = round(thresholds.min_size * maps.scale**2)
    found = VolumeGraph.of(part, thresholds.foreground).decode(replace(thresholds, min_size=least))
    inside = np.ix_(*(along - start for along, start in zip(places, first, strict=True)))
    return whole_labels(found.labels[inside][0])


def volume_scores(voxels: NDArray[Any], foreground: NDArray[Any], border: NDArray[Any]) -> NDArray[np.float64]:
    """Score nuclei by the mean of foreground less border, which their mask was made of; both are sums of 0 to 255.

    It tells right from wrong better than the foreground alone; regressions on more features, fitted to one of two real
    stacks and drawn ones, did not do so on the other (docs/volumes.md).
    """
    return np.asarray((foreground - BORDER_WEIGHT * border) / (255.0 * np.maximum(voxels, 1)), np.float64)


def least_voxels(area: float, scale: float) -> float:
    """Working voxels of the ball with a cross-section in pixels of the image; ``scale`` as in `VolumeMaps`."""
    return 4 / 3 * math.sqrt(area**3 / math.pi) * scale**3


def heights_of(mask: Mask, unit: float) -> Heights:
    """Smoothed distance to the outline in working voxels, high in the middle of nuclei."""
    heights = np.sqrt(squared_distances(mask, CAP), dtype=np.float32)
    ndimage.gaussian_filter(heights, SMOOTHING * unit, output=heights, truncate=TRUNCATED)
    return heights


def reach_of_heights(unit: float) -> int:
    """Working voxels, on every side, that a height depends on."""
    return CAP + int(TRUNCATED * SMOOTHING * unit + 0.5)  # as SciPy rounds


def at_pixels(working: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Sample a working grid at the middles of the image's voxels, shape (Z, Y, X)."""
    return working[np.ix_(*(cubes_at(*sizes) for sizes in zip(shape, working.shape, strict=True)))]


def cubes_at(size: int, cubes: int) -> NDArray[np.intp]:
    """Return in which of an axis' cubes the middle of each of its pixels lies, shape (size,)."""
    return ((np.arange(size) + 0.5) * cubes / size).astype(np.intp)


def squared_distances(mask: Mask, cap: int) -> NDArray[np.uint16]:
    """Return the squared distance to the nearest voxel outside the mask, at most ``cap`` squared; 0 outside the mask.

    Nothing is known of what lies beyond the array: a nucleus that is cut by a face of the volume may be deepest there.

    Squares of distances are whole numbers, so one pass along each axis gives them exactly, as the lower envelope of
    parabolas (Felzenszwalb and Huttenlocher 2012, *Distance transforms of sampled functions*, Theory of Computing 8,
    415-428). Nuclei are small, hence few shifts along each axis tell the envelope: 0.016 s for a million voxels, where
    the general transform of SciPy takes 0.27 s and 50 bytes a voxel.

    Examples
    --------
    >>> squared_distances(np.array([[[False, True, True, True]]]), cap=9).tolist()
    [[[0, 1, 4, 9]]]
    """
    assert 2 * cap**2 <= np.iinfo(np.uint16).max, "the sum of two squares must fit into 16 bits"
    squares = np.where(mask, np.uint16(cap**2), np.uint16(0))
    for axis in range(mask.ndim):
        _lower_envelope(np.moveaxis(squares, axis, 0))
    return squares


def _lower_envelope(lines: NDArray[np.uint16]) -> None:
    """Replace each value along the first axis by the least sum of another one and the square of the way to it."""
    length = len(lines)
    width = max(PIECE * lines.shape[1] // max(lines.size, 1), 1)
    for start in range(0, lines.shape[1], width):
        piece = lines[:, start : start + width]
        least = np.ascontiguousarray(piece)
        given = least.copy()
        for way in range(1, length):
            square = np.uint16(way**2)
            # Longer ways cost more than what there is already.
            if square >= least.max(initial=0):
                break
            np.minimum(least[way:], given[:-way] + square, out=least[way:])
            np.minimum(least[:-way], given[way:] + square, out=least[:-way])
        piece[...] = least

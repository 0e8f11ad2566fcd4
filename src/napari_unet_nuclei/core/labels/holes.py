"""Holes of nuclei: background, and dropped nuclei, that one nucleus encloses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_unet_nuclei.core.labels.basins import Basins, Indices
from napari_unet_nuclei.core.labels.components import label_components
from napari_unet_nuclei.core.types import Labels, Mask


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
        # An image of basins is made only where there is anything to look up.
        numbers = basins.labelled(np.arange(1, len(outer) + 1)).ravel() if pixels.size else pixels
        return Holes.around(pixels, piece, enclosed.count, outer, basins.shape, lambda places: numbers[places])

    @staticmethod
    def around(
        pixels: Indices,
        piece: Indices,
        count: int,
        outer: NDArray[np.bool_],
        shape: tuple[int, ...],
        number_at: Callable[[Indices], Indices],
    ) -> Holes:
        """Find the basins that components touch; ``number_at`` returns them by flat index, from 1, and 0 for none."""
        strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        pairs = [np.zeros(0, np.int64)]
        for step in (*strides, *(-stride for stride in strides)):
            basin = number_at(pixels + step)  # within the plane: no hole reaches its edge
            # Reduced from pixels to pairs in every direction, before all directions are joined.
            pairs.append(np.unique(piece[basin > 0] * np.int64(len(outer)) + basin[basin > 0] - 1))
        keys = np.unique(np.concatenate(pairs))
        return Holes(pixels, piece, count, np.stack(np.divmod(keys, max(len(outer), 1)), axis=1), outer)

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
        groups, group = joined(within, ids.size)
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


def joined(edges: Indices, count: int) -> tuple[int, NDArray[np.int32]]:
    """Return the number of connected components of a graph, and the component of each of its ``count`` nodes."""
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(count, count))
    groups, group = connected_components(graph, directed=False)
    return int(groups), group


def _neighbours_of(mask: Mask) -> Mask:
    """Return the pixels that touch the mask, or the edge of the array, by a side."""
    beside = np.zeros_like(mask)
    for axis in range(mask.ndim):
        ahead, behind = (np.moveaxis(beside, axis, 0), np.moveaxis(mask, axis, 0))
        ahead[1:] |= behind[:-1]
        ahead[:-1] |= behind[1:]
        ahead[0] = ahead[-1] = True
    return beside


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

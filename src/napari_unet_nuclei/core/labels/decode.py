"""Turn the network's maps into labelled nuclei: threshold, seeds, seeded watershed.

This is what a slider repeats, so it is arranged to flood as little as possible: a component with one seed takes its
label from a table, only components with several seeds are flooded, and the insides of their seeds are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_unet_nuclei.core.types import Labels, Maps, Mask, QuantisedMaps

SMOOTHING = 0.6
"""Gaussian sigma of the distance map before seeds are taken, in pixels of the model's own scale."""

SEED_AREA = 3.0
"""A seed of fewer px² (model's own scale) does not split a component that has another one."""

STRIP_ROWS = 512
"""Clumps are flooded in groups that begin within the same strip of this many rows."""

THREADS = 2
"""Both libraries release Python's lock in the slow calls; more than two threads gain little."""


TUNED = ("foreground", "seed", "min_size", "certainty")
"""The thresholds that are fitted with a model and that a user may set; settings and model cards call them the same."""


@dataclass(frozen=True)
class DecodeThresholds:
    """What decoding needs beside the maps, in units of the image that the maps belong to.

    Attributes
    ----------
    foreground : float
        Probability above which a pixel is foreground, 0 to 1.
    seed : float
        Distance minus border above which a pixel is a seed, 0 to 1.
    min_size : int
        Smaller nuclei are dropped, px².
    scale : float
        Image pixels per pixel of the model's own scale.
    certainty : float
        Nuclei whose mean foreground probability is lower are dropped, 0 to 1.
    """

    foreground: float
    seed: float
    min_size: int
    scale: float = 1.0
    certainty: float = 0.0


def quantise(maps: Maps) -> QuantisedMaps:
    """Round maps, whose values lie in 0 to 1, to 8 bits a value.

    Examples
    --------
    >>> quantise(np.array([[[0.0, 0.5, 1.0]]], np.float32))
    array([[[  0, 128, 255]]], dtype=uint8)
    """
    scaled = maps * np.float32(255.0)
    scaled += np.float32(0.5)
    return scaled.astype(np.uint8)


def decode_maps(maps: QuantisedMaps, thresholds: DecodeThresholds) -> Labels:
    """Find the nuclei in the maps of one plane.

    Parameters
    ----------
    maps : ndarray, shape (3, Y, X), uint8
        Foreground, border and normalised distance, 255 standing for 1.
    thresholds : DecodeThresholds

    Returns
    -------
    ndarray, shape (Y, X), int32
        Ids 1..n without gaps, every nucleus in one piece and without holes.
    """
    foreground, border, distance = maps
    if foreground.size == 0:
        return np.zeros(foreground.shape, np.int32)
    mask = foreground > 255 * thresholds.foreground
    with ThreadPoolExecutor(THREADS) as pool:
        labelled = pool.submit(label_components, mask)
        elevation = _elevation(border, distance, SMOOTHING * thresholds.scale, pool)
        seeds, seed_count = label_components(mask & (elevation < -thresholds.seed))
        components, component_count = labelled.result()
        splitting, clumps = _splitting_seeds(seeds, seed_count, components, component_count, thresholds.scale)
        labels = np.where(clumps[components], np.int32(0), components)
        floods = pool.map(
            lambda group: _flood(group, elevation, seeds, splitting, components), _groups(components, clumps)
        )
        for rows, flooded in floods:
            labels[rows] = np.where(flooded > 0, flooded + component_count, labels[rows])
    return fill_holes(drop_doubtful(labels, foreground, thresholds))


def label_components(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """Number the edge-connected components of a mask from 1; returns (labels, count)."""
    labels = np.empty(mask.shape, np.int32)
    count = ndimage.label(mask, output=labels)
    return labels, int(count)


def _elevation(
    border: NDArray[np.uint8], distance: NDArray[np.uint8], sigma: float, pool: ThreadPoolExecutor
) -> NDArray[np.float32]:
    """Border minus smoothed distance (float32, -1 to 1): basins in the middle of nuclei, walls between them."""
    result = np.empty(distance.shape, np.float32)
    margin = int(4 * sigma + 1)

    def smooth(rows: slice) -> None:
        start = max(rows.start - margin, 0)
        part = distance[start : rows.stop + margin].astype(np.float32)
        smoothed = ndimage.gaussian_filter(part, sigma)[rows.start - start :][: rows.stop - rows.start]
        result[rows] = (border[rows] - smoothed) * np.float32(1 / 255)

    rows = distance.shape[0]
    list(pool.map(smooth, (slice(start, min(start + STRIP_ROWS, rows)) for start in range(0, rows, STRIP_ROWS))))
    return result


def _splitting_seeds(
    seeds: Labels, seed_count: int, components: Labels, component_count: int, scale: float
) -> tuple[Mask, Mask]:
    """Tell which seeds split a component, by seed id, and which components are split, by component id."""
    pixels = np.flatnonzero(seeds)
    seed_of_pixel = seeds.ravel()[pixels]
    component_of_seed = np.zeros(seed_count + 1, np.int64)
    component_of_seed[seed_of_pixel] = components.ravel()[pixels]
    large = np.bincount(seed_of_pixel, minlength=seed_count + 1) >= SEED_AREA * scale**2
    large[0] = False
    clumps = np.bincount(component_of_seed[large], minlength=component_count + 1) >= 2
    return large & clumps[component_of_seed], clumps


def _groups(components: Labels, clumps: Mask) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Yield groups of clumps as (rows they span, members by component id); clumps are independent of each other."""
    ids = np.flatnonzero(clumps)
    if not ids.size:
        return
    boxes = ndimage.find_objects(components)
    spans = np.array([(boxes[i - 1][0].start, boxes[i - 1][0].stop) for i in ids])
    strips = spans[:, 0] // STRIP_ROWS
    for strip in np.unique(strips):
        chosen = strips == strip
        members = np.zeros(clumps.shape, bool)
        members[ids[chosen]] = True
        yield slice(spans[chosen, 0].min(), spans[chosen, 1].max()), members


def _flood(
    group: tuple[slice, NDArray[np.bool_]],
    elevation: NDArray[np.float32],
    seeds: Labels,
    splitting: Mask,
    components: Labels,
) -> tuple[slice, Labels]:
    """Flood one group of clumps from their seeds; returns its rows and the seed ids there, 0 outside the group."""
    rows, members = group
    inside = members[components[rows]]
    markers = np.where(inside & splitting[seeds[rows]], seeds[rows], 0)
    core = ndimage.binary_erosion(markers > 0)  # surrounded by their own label: nothing can flow from there
    flooded = watershed(elevation[rows], np.where(core, 0, markers), mask=inside & ~core)
    return rows, np.where(core, markers, flooded)


def drop_doubtful(labels: Labels, foreground: NDArray[np.uint8], thresholds: DecodeThresholds) -> Labels:
    """Remove nuclei that are too small or too uncertain, and number the rest 1..n without gaps."""
    areas = np.bincount(labels.ravel())
    kept = areas >= max(thresholds.min_size, 1)
    if thresholds.certainty > 0:
        probability = np.bincount(labels.ravel(), foreground.ravel())
        kept &= probability >= 255 * thresholds.certainty * areas
    kept[0] = False
    new_ids = np.cumsum(kept, dtype=np.int32)
    new_ids[~kept] = 0
    return np.asarray(new_ids[labels])


def fill_holes(labels: Labels) -> Labels:
    """Fill background that one nucleus encloses; a gap among several nuclei stays a gap.

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
    for edge in (background[0], background[-1], background[:, 0], background[:, -1]):
        enclosed[edge] = False
    enclosed[0] = False
    pixels = np.flatnonzero(enclosed[background])
    if not pixels.size:
        return labels
    hole = background.ravel()[pixels]
    absent = np.iinfo(np.int32).max
    smallest = np.full(count + 1, absent, np.int32)
    largest = np.zeros(count + 1, np.int32)
    for step in (-labels.shape[1], -1, 1, labels.shape[1]):
        neighbour = labels.ravel()[pixels + step]
        np.maximum.at(largest, hole, neighbour)
        np.minimum.at(smallest, hole, np.where(neighbour > 0, neighbour, absent))
    filled = np.where(smallest == largest, largest, 0)
    result = labels.copy()
    result.ravel()[pixels] = filled[hole]
    return result

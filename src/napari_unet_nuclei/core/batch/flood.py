"""Find the nuclei of one block of a plane so that neighbouring blocks find the same ones.

What a block can see whole is decoded exactly as in the whole plane. Clumps that reach beyond what some block sees are
flooded from the seeds in sight; where a neighbour that went first has decided otherwise, they are flooded again from
what it decided, so that no nucleus is cut along the edge of a block. A nucleus is named after the first pixel of its
seed, which every block that sees the seed knows without asking.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_unet_nuclei.core.batch.blocks import Block, BlockGrid, Keys
from napari_unet_nuclei.core.image.tiling import Tile
from napari_unet_nuclei.core.labels.decode import (
    SEED_AREA,
    SMOOTHING,
    THREADS,
    DecodeThresholds,
    _elevation,
    _flood,
    _groups,
    label_components,
)
from napari_unet_nuclei.core.types import Labels, Mask, QuantisedMaps, Region

UNRESOLVED = -1
"""Key of foreground whose nucleus lies beyond what the block sees."""


def region_to_read(grid: BlockGrid, block: Block, thresholds: DecodeThresholds) -> Region:
    """Pixels whose maps a block needs: what it sees, and as much around it as smoothing mixes in."""
    return grid.grown(block.outer, int(4 * SMOOTHING * thresholds.scale + 1))


def flood_block(grid: BlockGrid, block: Block, maps: QuantisedMaps, thresholds: DecodeThresholds, given: Keys) -> Keys:
    """Find the nuclei of a block.

    Parameters
    ----------
    grid : BlockGrid
    block : Block
    maps : ndarray, shape (3, Y, X), uint8
        Of `region_to_read`.
    thresholds : DecodeThresholds
        Size and certainty are not judged: a block may hold only a part of a nucleus.
    given : ndarray, shape (Y, X), int64
        Keys of the block's outer region that neighbours have decided; 0 or `UNRESOLVED` where nobody has.

    Returns
    -------
    ndarray, shape (Y, X), int64
        Keys of the core: 0 for background, `UNRESOLVED` where it cannot be told yet.
    """
    view = _View.of(grid, block, maps, thresholds)
    crop = block.tile.crop
    keys = view.keys()
    disputed = view.disputed(keys, given, crop)
    if disputed.any():
        keys = np.where(disputed[view.components], view.keys_from(given, disputed), keys)
    return np.ascontiguousarray(keys[crop])


def flood_rest(grid: BlockGrid, block: Block, maps: QuantisedMaps, thresholds: DecodeThresholds, given: Keys) -> Keys:
    """Find the nuclei of what was left unresolved in a block, from what is known around it by now.

    Parameters, returns
        As for `flood_block`; ``given`` holds the block's own core too, and what is resolved there stays.
    """
    view = _View.of(grid, block, maps, thresholds)
    crop = block.tile.crop
    open_components = np.zeros(len(view.component_keys), bool)
    open_components[view.components[crop][given[crop] == UNRESOLVED]] = True
    keys = view.keys_from(given, open_components)
    return np.where(given[crop] == UNRESOLVED, keys[crop], given[crop])


def seeds_left(grid: BlockGrid, block: Block, maps: QuantisedMaps, thresholds: DecodeThresholds, given: Keys) -> Mask:
    """Find the seeds in what is still unresolved of a block's core: they are longer than any block's view.

    Parameters as for `flood_rest`.
    """
    view = _View.of(grid, block, maps, thresholds)
    crop = block.tile.crop
    return np.asarray((given[crop] == UNRESOLVED) & view.splitting[view.seeds[crop]])


def name_pieces(grid: BlockGrid, block: Block, mask: Mask) -> Keys:
    """Name every piece of a mask of the core after its first pixel; 0 where there is none."""
    pieces, count = label_components(mask)
    names = _names(grid, block.plane, block.core, _first_pixels(pieces, count))
    names[0] = 0
    return np.asarray(names[pieces])


@dataclass(frozen=True)
class _View:
    """What a block sees: arrays of the shape of its outer region, or with one value per component or seed.

    Attributes
    ----------
    elevation : ndarray, float32
    components, seeds : ndarray, int32
    component_keys : ndarray, int64
        By component, were it one nucleus; `UNRESOLVED` where that lies beyond the view.
    split : ndarray of bool
        By component: it reaches into the core and has several seeds.
    whole : ndarray of bool
        By component: all blocks that it may reach into see all of it, so that all decode it alike.
    seed_keys : ndarray, int64
        By seed; `UNRESOLVED` where the seed goes on beyond the view.
    splitting : ndarray of bool
        By seed: it is large enough to make a nucleus.
    """

    elevation: NDArray[np.float32]
    components: Labels
    seeds: Labels
    component_keys: Keys
    split: Mask
    whole: Mask
    seed_keys: Keys
    splitting: Mask

    @staticmethod
    def of(grid: BlockGrid, block: Block, maps: QuantisedMaps, thresholds: DecodeThresholds) -> _View:
        """Look at a block."""
        crop = Tile(block.outer, region_to_read(grid, block, thresholds)).crop
        with ThreadPoolExecutor(THREADS) as pool:
            elevation = _elevation(maps[1], maps[2], SMOOTHING * thresholds.scale, pool)[crop]
        components, count = label_components(maps[0][crop] > 255 * thresholds.foreground)
        seeds, seed_count = label_components((components > 0) & (elevation < -thresholds.seed))
        first_of_seed = _first_pixels(seeds, seed_count)
        splitting = np.bincount(seeds.ravel(), minlength=seed_count + 1) >= SEED_AREA * thresholds.scale**2
        splitting[0] = False
        home = components.ravel()[first_of_seed]
        sown = np.bincount(home[splitting], minlength=count + 1)

        cut = _touching_view_edge(grid, block, components, count)
        seed_cut = _touching_view_edge(grid, block, seeds, seed_count)
        seed_keys = np.where(seed_cut, UNRESOLVED, _names(grid, block.plane, block.outer, first_of_seed))
        first_of_component = _first_pixels(components, count)
        component_keys = np.where(cut, UNRESOLVED, _names(grid, block.plane, block.outer, first_of_component))
        component_keys[home[splitting]] = seed_keys[splitting]  # right where this is the only one
        component_keys[0] = 0
        here = np.bincount(components[block.tile.crop].ravel(), minlength=count + 1) > 0
        here[0] = False
        whole = ~cut & _seen_by_all(grid, block, components, count)
        return _View(elevation, components, seeds, component_keys, here & (sown >= 2), whole, seed_keys, splitting)

    def keys(self) -> Keys:
        """Decode the view as if there were nothing beyond it; components with several seeds only where they matter."""
        keys = self.component_keys[self.components]
        for group in _groups(self.components, self.split):
            rows, flooded = _flood(group, self.elevation, self.seeds, self.splitting, self.components)
            keys[rows] = np.where(flooded > 0, self.seed_keys[flooded], keys[rows])
        return keys

    def disputed(self, keys: Keys, given: Keys, core: tuple[slice, slice]) -> Mask:
        """Tell by component where neighbours have decided otherwise, or know what cannot be seen from here."""
        components = self.components
        known = np.zeros(len(self.whole), bool)
        known[components[given > 0]] = True
        disputed = np.zeros(len(self.whole), bool)
        disputed[components[core][keys[core] == UNRESOLVED]] = True
        beside = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in core)
        differs = (given[beside] > 0) & (given[beside] != keys[beside])
        disputed[components[beside][differs]] = True
        return disputed & known & ~self.whole

    def keys_from(self, given: Keys, chosen: Mask) -> Keys:
        """Flood some components from the keys that are given there, and from the seeds that have none yet."""
        inside = chosen[self.components]
        keys = np.zeros(inside.shape, np.int64)
        if not inside.any():
            return keys
        lines = np.flatnonzero(inside.any(axis=1))
        rows = slice(lines[0], lines[-1] + 1)
        inside, seeds, known = inside[rows], self.seeds[rows], np.where(inside[rows], given[rows], 0)
        names, place = np.unique(known[known > 0], return_inverse=True)
        markers = np.where(inside & self.splitting[seeds], seeds, 0)
        markers[known > 0] = len(self.seed_keys) + place
        core = ndimage.binary_erosion(markers > 0)  # nothing can flow from there
        flooded = watershed(self.elevation[rows], np.where(core, 0, markers), mask=inside & ~core)
        table = np.concatenate([self._seed_keys_with(known, seeds), names])
        table[0] = UNRESOLVED
        keys[rows] = np.where(inside, table[np.where(core, markers, flooded)], 0)
        return keys

    def _seed_keys_with(self, known: Keys, seeds: Labels) -> Keys:
        """Name the seeds that go on beyond the view as those who know some of their pixels do."""
        named = self.seed_keys.copy()
        told = (known > 0) & (seeds > 0) & (named[seeds] == UNRESOLVED)
        named[seeds[told]] = known[told]
        return named


def _first_pixels(labels: Labels, count: int) -> NDArray[np.intp]:
    """Flat index of every label's first pixel, in the order in which one reads; 0 for the background."""
    pixels = np.flatnonzero(labels)[::-1]
    first = np.zeros(count + 1, np.intp)
    first[labels.ravel()[pixels]] = pixels  # of repeated places the last one, here the first pixel, stays
    return first


def _names(grid: BlockGrid, plane: int, region: Region, pixels: NDArray[np.intp]) -> Keys:
    """Keys of pixels that are given by their flat index in a region."""
    y0, _, x0, x1 = region
    y, x = np.divmod(pixels, x1 - x0)
    return grid.keys_of(plane, y + y0, x + x0)


def _touching_view_edge(grid: BlockGrid, block: Block, labels: Labels, count: int) -> Mask:
    """Tell by label what touches an edge of the view beyond which the plane goes on."""
    (y0, y1, x0, x1), (height, width) = block.outer, grid.shape
    touching = np.zeros(count + 1, bool)
    for goes_on, line in (
        (y0 > 0, labels[0]),
        (y1 < height, labels[-1]),
        (x0 > 0, labels[:, 0]),
        (x1 < width, labels[:, -1]),
    ):
        if goes_on:
            touching[line] = True
    touching[0] = False
    return touching


def _seen_by_all(grid: BlockGrid, block: Block, labels: Labels, count: int) -> Mask:
    """Tell by label what lies, with a pixel to spare, within the view of every block that its box reaches into."""
    boxes = ndimage.find_objects(labels, count)
    seen = np.ones(count + 1, bool)
    for axis, size in enumerate(grid.shape):
        first, offset = block.outer[2 * axis], grid.offset[axis]
        start = np.array([box[axis].start for box in boxes], np.int64) + first
        stop = np.array([box[axis].stop for box in boxes], np.int64) + first
        view_start = (stop - 1 + offset) // grid.side * grid.side - offset - grid.halo  # of the last block
        view_stop = ((start + offset) // grid.side + 1) * grid.side - offset + grid.halo  # of the first one
        seen[1:] &= ((view_start <= 0) | (view_start < start)) & ((view_stop >= size) | (stop < view_stop))
    return seen

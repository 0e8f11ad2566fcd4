"""Volumes decoded block by block, as a run does on disk: equal to the undivided ones whatever crosses the faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_unet_nuclei.core.blocks import volume as volume_plan
from napari_unet_nuclei.core.blocks.decoding import VolumeDecoding
from napari_unet_nuclei.core.blocks.grid import BlockGrid
from napari_unet_nuclei.core.labels.decode_volume import VolumeDecoder, VolumeMaps, at_pixels, own_thresholds
from napari_unet_nuclei.core.labels.regions import slices
from tests.helpers.joining import decode_grid, same_up_to_numbers, whole_numbers

OWN = own_thresholds(18.0)


def decoded(maps: VolumeMaps, side: int, thresholds=OWN) -> tuple[np.ndarray, np.ndarray]:
    """Labels at the image's voxels: of the blocks, and of the volume in one piece."""
    cubes = maps.foreground.shape
    decoding = VolumeDecoding(thresholds, maps.unit, maps.scale, cubes, maps.shape)
    found = decode_grid(BlockGrid(1, cubes, (side,) * 3), np.stack([maps.foreground, maps.border]), decoding)
    whole = VolumeDecoder(maps).decode(thresholds)
    labels = at_pixels(found.labels, maps.shape)
    assert whole_numbers(labels)
    assert sorted(found.scores) == sorted(whole.scores)
    return labels, whole.labels


def balls(shape: tuple[int, int, int], middles: list[tuple[float, float, float]], radius: float = 9.0) -> np.ndarray:
    places = np.ogrid[tuple(slice(0, size) for size in shape)]
    mask = np.zeros(shape, bool)
    for middle in middles:
        mask |= sum((along - one) ** 2 for along, one in zip(places, middle, strict=True)) < radius**2
    return mask


def maps_of(mask: np.ndarray) -> VolumeMaps:
    return VolumeMaps(np.where(mask, np.uint8(240), np.uint8(10)), np.zeros(mask.shape, np.uint8), mask.shape)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_touching_balls_across_a_face_are_two_wherever_it_lies(axis):
    middles = np.full((2, 3), 12.0)
    middles[1, axis] = 28.0
    shape = tuple(40 if one == axis else 24 for one in range(3))
    for side in (12, 20, 27):
        labels, whole = decoded(maps_of(balls(shape, middles.tolist())), side)
        assert labels.max() == 2
        assert same_up_to_numbers(labels, whole)


def test_a_clump_through_eight_blocks_is_divided_as_in_one_piece():
    mask = balls((36, 36, 36), [(z, y, x) for z in (10, 26) for y in (10, 26) for x in (10, 26)])
    labels, whole = decoded(maps_of(mask), 20)
    assert labels.max() == 8
    assert same_up_to_numbers(labels, whole)


def rough(seed: int, shape: tuple[int, int, int], pixels: tuple[int, int, int]) -> VolumeMaps:
    """Maps of blobs of any shape, with holes and necks, on a grid other than the image's."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(2, *shape)), (0, 3, 3, 3))
    foreground, border = (255 * (one - one.min()) / np.ptp(one) for one in smooth)
    return VolumeMaps(foreground.astype(np.uint8), border.astype(np.uint8), pixels)


@pytest.mark.parametrize(("seed", "side"), [(0, 11), (1, 16)])
def test_any_maps_give_the_nuclei_of_the_undivided_volume(seed, side):
    # Fewer planes than cubes: a nucleus between two planes is none.
    maps = rough(seed, (20, 30, 26), (5, 24, 30))
    thresholds = replace(OWN, foreground=0.35, min_size=4, score=0.35)
    for split in (0.1, 0.5):
        labels, whole = decoded(maps, side, replace(thresholds, split=split))
        assert whole.max() > 2
        assert same_up_to_numbers(labels, whole)


def test_the_shape_of_nuclei_is_looked_at_where_none_is_cut(monkeypatch):
    monkeypatch.setattr(volume_plan, "SAMPLE", 10)
    labels = np.zeros((8, 30, 30), np.int32)
    labels[2:5, 14:16, 14:16], labels[:, 2:12, 15], labels[6:, 18, 18] = 700, 800, 900
    grid = BlockGrid(1, labels.shape, (64, 64, 64))
    seen = volume_plan.sample_of_labels(grid, 0, lambda box: labels[slices(box)])
    assert seen.shape == (8, 10, 10)
    assert np.bincount(seen.ravel())[1:].tolist() == [12, 0, 2]


def test_blocks_of_shallow_volumes_are_wider_and_of_whole_chunks():
    for cubes in ((40, 900, 900), (700, 900, 900)):
        for side in (24, 80, 320):
            sides = volume_plan.block_sides(cubes, side)
            chunk = min(side, volume_plan.CHUNK)
            assert not any(one % chunk for one in sides)
            assert np.prod(sides) <= side**3
            assert sides[0] >= min(cubes[0], chunk)

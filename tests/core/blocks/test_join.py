from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.blocks.decoding import PlaneDecoding
from napari_unet_nuclei.core.blocks.grid import BlockGrid
from napari_unet_nuclei.core.blocks.join import Aliases, Numbers, Tally, number_nuclei, numbered, tally
from napari_unet_nuclei.core.labels.decode import DecodeThresholds

GRID = BlockGrid(1, (4, 8), (4, 4))
SURE = np.full((3, 4, 4), 255, np.uint8)
NOTHING = Aliases(np.zeros(0, np.int64), np.zeros(0, np.int64))


def blocks_of(keys: list[list[int]]) -> list[np.ndarray]:
    return np.split(np.array(keys, np.int64), 2, axis=1)


TWO_BLOCKS = blocks_of(
    [
        [1, 1, 0, 4, 4, 4, 0, 8],
        [0, 0, 0, 4, 4, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [25, 0, 0, 0, 0, 0, 31, 31],
    ]
)


def labels_of(cores: list[np.ndarray], min_size: int, aliases=NOTHING) -> np.ndarray:
    decoding = PlaneDecoding(DecodeThresholds(0.5, 0.5, min_size))
    tallies = {block.number: tally(GRID, block, keys, SURE) for block, keys in zip(GRID, cores, strict=True)}
    numbers = number_nuclei(GRID, tallies, aliases, decoding)
    parts = [numbered(GRID, block, keys, SURE, numbers, decoding)[0] for block, keys in zip(GRID, cores, strict=True)]
    assert numbers.count == max(part.max() for part in parts)
    return np.hstack(parts)


def test_a_tally_tells_own_nuclei_from_those_of_neighbours():
    right = tally(GRID, GRID.block(1), TWO_BLOCKS[1], SURE)
    assert (right.own.tolist(), right.foreign.tolist()) == ([8, 31], [4])
    assert right.evidence.areas.tolist() == [1, 2, 3]
    assert (right.evidence.totals[1] // 255).tolist() == right.evidence.areas.tolist()
    last_row, last_column, first_row, first_column = right.evidence.peaks[2:]
    assert (last_column.tolist(), (-first_column).tolist()) == ([7, 7, 5], [7, 6, 4])
    assert (last_row.tolist(), (-first_row).tolist()) == ([0, 3, 1], [0, 3, 0])


def test_tallies_and_numbers_come_back_from_files():
    one = tally(GRID, GRID.block(1), TWO_BLOCKS[1], SURE)
    again = Tally.from_arrays(one.arrays())
    assert again.foreign.tolist() == one.foreign.tolist()
    assert np.array_equal(again.evidence.peaks, one.evidence.peaks)
    numbers = number_nuclei(GRID, {0: one, 1: one}, NOTHING, PlaneDecoding(DecodeThresholds(0.5, 0.5, 1)))
    assert Numbers.from_arrays(numbers.arrays()).count == numbers.count


def test_ids_have_no_gaps_and_a_shared_nucleus_has_one():
    labels = labels_of(TWO_BLOCKS, 1)
    assert labels.tolist() == [
        [1, 1, 0, 5, 5, 5, 0, 3],
        [0, 0, 0, 5, 5, 0, 0, 0],
        [0] * 8,
        [2, 0, 0, 0, 0, 0, 4, 4],
    ]


def test_a_nucleus_is_as_large_as_all_its_parts():
    assert labels_of(TWO_BLOCKS, 5)[0].tolist() == [0, 0, 0, 1, 1, 1, 0, 0]
    assert labels_of(TWO_BLOCKS, 6).max() == 0
    assert labels_of(TWO_BLOCKS, 2).max() == 3


def test_a_nucleus_is_as_certain_as_all_its_parts():
    maps = (SURE, np.full((3, 4, 4), 150, np.uint8))
    for score, kept in ((0.55, [1, 2, 3, 4, 5]), (0.65, [1, 2, 3]), (0.85, [1, 2])):
        decoding = PlaneDecoding(DecodeThresholds(0.5, 0.5, 1, score=score))
        cores = list(zip(GRID, TWO_BLOCKS, maps, strict=True))
        numbers = number_nuclei(GRID, {one[0].number: tally(GRID, *one) for one in cores}, NOTHING, decoding)
        parts = [numbered(GRID, *one, numbers, decoding) for one in cores]
        ids = np.hstack([part for part, _ in parts])
        assert np.unique(ids[ids > 0]).tolist() == kept
        assert sum(len(scores) for _, scores in parts) + len(numbers.scores) == len(kept)


def test_names_of_one_nucleus_become_one_id():
    cores = blocks_of([[1, 1, 1, 1, 5, 5, 5, 5]] + [[0] * 8] * 3)
    aliases = Aliases(np.array([1, 5]), np.array([5, 5]))
    assert labels_of(cores, 1)[0].tolist() == [1] * 4 + [2] * 4
    assert labels_of(cores, 8, aliases)[0].tolist() == [1] * 8
    assert labels_of(cores, 9, aliases).max() == 0


def test_holes_within_a_core_are_filled_after_small_nuclei_are_gone():
    keys = np.zeros((4, 8), np.int64)
    keys[:, :4] = 1
    keys[1, 1], keys[2, 2] = 0, 19
    left, right = np.split(keys, 2, axis=1)
    assert (labels_of([left, right], 2)[:, :4] == 1).all()
    assert labels_of([left, right], 1)[2, 2] == 2

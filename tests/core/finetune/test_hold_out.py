from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.errors import NoSamplesError
from napari_unet_nuclei.core.finetune.hold_out import HELD_OUT, count_nuclei, count_parts, hold_out
from napari_unet_nuclei.core.train.samples import Sample


def sample(count: int, reviewed: np.ndarray | None = None, name: str = "a") -> Sample:
    """A row of square nuclei, 4 px wide, 10 px apart."""
    labels = np.zeros((12, 10 * count + 4), np.int32)
    for number in range(count):
        labels[4:8, 10 * number + 4 : 10 * number + 8] = number + 1
    return Sample(name, np.zeros((1, *labels.shape), np.float32), labels, name, reviewed=reviewed)


def ids(samples) -> set[tuple[str, int]]:
    return {(one.name, int(number)) for one in samples for number in np.unique(one.labels[one.reviewed]) if number}


def test_whole_images_are_set_aside_where_there_are_several():
    division = hold_out([sample(4, name=name) for name in "abcd"])
    assert len(division.judging) == 1
    assert (division.training_nuclei, division.judging_nuclei) == (12, 4)
    assert not ids(division.training) & ids(division.judging)


def test_regions_of_one_image_are_shared_out():
    reviewed = np.zeros((12, 84), bool)
    for start in (0, 22, 44, 66):
        reviewed[:, start : start + 18] = True
    division = hold_out([sample(8, reviewed)])
    assert len(division.training) == len(division.judging) == 1
    assert not (division.training[0].reviewed & division.judging[0].reviewed).any()
    assert division.judging_nuclei >= 1


def test_a_single_region_is_cut_across_its_longer_side():
    division = hold_out([sample(8)])
    assert ids(division.training) == {("a", number) for number in range(1, 7)}
    assert ids(division.judging) == {("a", 7), ("a", 8)}


@pytest.mark.parametrize("count", range(2, 13))
def test_of_nuclei_that_every_line_cuts_some_of_a_quarter_judges_all_the_same(count):
    labels = np.zeros((12, 60), np.int32)
    for number in range(count):
        labels[4 * (number % 3) : 4 * (number % 3) + 3, 4 * number : 4 * number + 9] = number + 1
    crowd = Sample("crowd", np.zeros((1, 12, 60), np.float32), labels, "crowd")
    if count < 4:
        with pytest.raises(NoSamplesError, match="too close together"):
            hold_out([crowd])
        return
    division = hold_out([crowd])
    assert division.training_nuclei > 0
    assert HELD_OUT <= division.judging_nuclei / (division.training_nuclei + division.judging_nuclei) <= 0.5


def test_nuclei_cut_by_the_edge_of_the_region_are_in_neither_part():
    reviewed = np.zeros((12, 84), bool)
    reviewed[:, 6:57] = True
    division = hold_out([sample(8, reviewed)])
    assert ids([*division.training, *division.judging]) == {("a", number) for number in range(2, 6)}


def test_what_lies_above_each_other_in_a_stack_is_held_out_together():
    left, right = np.zeros((2, 12, 84), bool)
    left[:, :42], right[:, 44:] = True, True
    planes = [replace(sample(8, mask, name=f"{z}"), group="stack") for z, mask in enumerate((left, right, left))]
    division = hold_out(planes)
    names = [{one.name for one in part} for part in (division.training, division.judging)]
    assert sorted(names, key=len) == [{"1"}, {"0", "2"}]
    # One region through all planes is cut at one line.
    division = hold_out([replace(sample(8, name=f"{z}"), group="stack") for z in range(3)])
    assert ids(division.training) == {(f"{z}", number) for z in range(3) for number in range(1, 7)}
    assert ids(division.judging) == {(f"{z}", number) for z in range(3) for number in (7, 8)}


def test_a_region_without_nuclei_is_learnt_from():
    division = hold_out([sample(4), Sample("empty", np.zeros((1, 5, 5), np.float32), np.zeros((5, 5), np.int32), "e")])
    assert "empty" in {one.name for one in division.training}
    assert "empty" not in {one.name for one in division.judging}


@pytest.mark.parametrize("samples", [[], [sample(1)], [sample(3, np.zeros((12, 34), bool))]])
def test_too_few_nuclei_are_turned_away(samples):
    with pytest.raises(NoSamplesError, match="too few reviewed nuclei"):
        hold_out(samples)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 3))
def test_both_parts_have_nuclei_and_none_is_in_both(counts, seed):
    samples = [sample(count, name=str(number)) for number, count in enumerate(counts)]
    if sum(counts) < 2:
        return
    division = hold_out(samples, seed)
    assert division.training_nuclei > 0
    assert division.judging_nuclei > 0
    assert not ids(division.training) & ids(division.judging)
    assert count_parts(samples, seed) == (division.training_nuclei, division.judging_nuclei)
    if len(counts) == 1:
        assert division.judging_nuclei == math.ceil(HELD_OUT * counts[0])
    else:
        all_but_one = len(division.judging) == len(samples) - 1
        assert division.judging_nuclei >= HELD_OUT * sum(counts) or all_but_one


def test_only_whole_reviewed_nuclei_count():
    reviewed = np.zeros((12, 34), bool)
    reviewed[:, 6:] = True
    assert count_nuclei(sample(3, reviewed)) == 2


def test_the_parts_are_counted_without_pixels_or_pytorch():
    corrected = [SimpleNamespace(labels=one.labels, reviewed=None, group=one.group) for one in map(sample, (4, 4))]
    # The same nuclei in two planes of one stack.
    assert count_parts(corrected) == (6, 2)
    corrected[1].group = "another stack"
    assert count_parts(corrected) == (4, 4)
    program = "import sys, napari_unet_nuclei.core.finetune.hold_out; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_the_colours_of_stained_tissue_are_cut_with_it():
    """Training makes crops anew from the colours: the same pixels, at the same place, as image and labels."""
    labels = np.zeros((400, 500), np.int32)
    for number, (y, x) in enumerate([(y, x) for y in range(200, 300, 20) for x in range(300, 420, 20)]):
        labels[y : y + 9, x : x + 9] = number + 1
    reviewed = np.zeros(labels.shape, bool)
    reviewed[195:300, 295:420] = True
    picture = np.broadcast_to((labels * 3).astype(np.uint8), (3, *labels.shape))
    one = Sample("a", labels[None].astype(np.float32), labels, "a", reviewed, kind="brightfield", picture=picture)
    division = hold_out([one])
    for part in (*division.training, *division.judging):
        assert part.labels.shape < labels.shape
        assert np.array_equal(part.picture[0], part.labels * 3)
        assert part.kind == "brightfield"

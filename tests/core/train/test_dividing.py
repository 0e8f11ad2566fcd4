from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.errors import DatasetError, NoSamplesError
from napari_unet_nuclei.core.image.kind import NetworkInputs
from napari_unet_nuclei.core.progress import Cancelled, Silent
from napari_unet_nuclei.core.train.dataset import (
    read_dataset,
    read_divided,
    read_entries,
)
from napari_unet_nuclei.core.train.division import DataSet, divide, split_by_group
from napari_unet_nuclei.core.train.layouts import Condition, list_entries
from napari_unet_nuclei.core.train.reading import InputForm
from tests.helpers.datasets import write_folders, write_index


def groups(samples: tuple) -> set[str]:
    return {sample.group for sample in samples}


def test_a_data_set_is_read_with_progress(tmp_path, recording):
    progress = recording()
    samples = read_dataset(write_folders(tmp_path, "a", "b"), progress=progress)
    assert [(sample.name, sample.group) for sample in samples] == [("a", "a"), ("b", "b")]
    assert all(sample.image.shape == (1, 40, 56) and sample.labels.max() > 1 for sample in samples)
    assert progress.fractions[-1] == 1
    assert progress.notices == []


def test_one_notice_tells_of_all_masks_without_ids(tmp_path, recording):
    progress = recording()
    samples = read_dataset(write_folders(tmp_path, "a", "b", binary=True), progress=progress)
    assert all(sample.labels.max() > 1 for sample in samples)
    [notice] = progress.notices
    assert "2 files" in notice
    assert "a.png" in notice


def test_one_notice_tells_of_masks_that_share_pixels(tmp_path, recording):
    for kind in ("images", "masks"):
        (tmp_path / "x" / kind).mkdir(parents=True)
    iio.imwrite(tmp_path / "x" / "images" / "x.png", np.arange(400, dtype=np.uint8).reshape(20, 20))
    for name, rows in [("1", slice(2, 9)), ("2", slice(8, 15))]:
        mask = np.zeros((20, 20), np.uint8)
        mask[rows, 3:6] = 255
        iio.imwrite(tmp_path / "x" / "masks" / f"{name}.png", mask)
    progress = recording()
    [sample] = read_dataset(tmp_path, progress=progress)
    assert sample.labels.max() == 2
    assert "x.png share a few pixels" in progress.notices[0]


def test_reading_can_be_cancelled(tmp_path, recording):
    with pytest.raises(Cancelled):
        read_dataset(write_folders(tmp_path, "a", "b"), progress=recording(cancel_after=2))


def test_an_index_says_what_is_learned_from_and_what_judges(tmp_path, recording):
    index = write_index(tmp_path, "image,split,field,stain", "a,train,1,x", "b,train,1,y", "c,val,2,x", "d,test,3,x")
    progress = recording()
    divided = divide([DataSet(index)], [Condition("stain", "x")])
    training, validation = read_divided(divided, InputForm(), progress)
    assert ([s.name for s in training], [s.name for s in validation]) == (["a"], ["c"])
    assert progress.fractions[-1] == 1
    assert [sample.name for sample in read_dataset(index, split="test")] == ["d"]
    assert [
        sample.name for sample in read_dataset(index, split="train", where=[Condition("stain", "x", equal=False)])
    ] == ["b"]


def test_without_a_split_whole_groups_are_kept_to_judge_with(tmp_path):
    index = write_index(tmp_path, "image,field", "a,1", "b,1", "c,2", "d,2", "e,3")
    [divided] = divide([DataSet(index)], share=0.4, seed=1)
    training, validation = divided.training, divided.validation
    assert len(training) + len(validation) == 5
    assert groups(training).isdisjoint(groups(validation))


def test_a_split_that_divides_a_field_is_refused(tmp_path):
    index = write_index(tmp_path, "image,split,field", "a,train,1", "b,val,1")
    with pytest.raises(DatasetError, match="group '1' in both parts: a in training, b in validation"):
        divide([DataSet(index)])


def test_a_split_without_images_to_judge_with_is_refused(tmp_path):
    index = write_index(tmp_path, "image,split", "a,train", "b,test")
    with pytest.raises(NoSamplesError, match="'val'"):
        divide([DataSet(index)])


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2), st.floats(0, 1), st.integers(0, 99))
def test_no_group_is_on_both_sides(names, share, seed):
    tiles = [SimpleNamespace(group=name) for name in names]
    if len(set(names)) == 1:
        with pytest.raises(NoSamplesError):
            split_by_group(tiles, share, seed)
        return
    training, validation = split_by_group(tiles, share, seed)
    assert training
    assert validation
    assert groups(training).isdisjoint(groups(validation))
    assert len(training) + len(validation) == len(tiles)


def test_a_seed_decides_the_division_and_the_share_is_met():
    tiles = [SimpleNamespace(group=str(number // 3)) for number in range(300)]
    first, again, other = (split_by_group(tiles, 0.2, seed) for seed in (1, 1, 2))
    assert first == again
    assert groups(first[1]) != groups(other[1])
    assert 57 <= len(first[1]) <= 63


@pytest.mark.real
def test_every_real_image_is_listed_and_the_parts_share_no_field(nuclei_data):
    entries = list_entries(nuclei_data / "dsb2018")
    assert Counter(entry.split for entry in entries) == {"train": 533, "val": 82}
    sides = [{entry.group for entry in entries if entry.split == part} for part in ("train", "val")]
    assert sides[0].isdisjoint(sides[1])


@pytest.mark.real
def test_real_images_of_every_kind_are_read_with_nuclei_bright(nuclei_data):
    for modality in ("fluorescence", "stained_purple_on_purple", "stained_purple_on_white", "brightfield_gray"):
        entries = list_entries(nuclei_data / "dsb2018", [Condition("modality", modality)])
        for form in (InputForm(), InputForm(NetworkInputs((), 3))):
            for sample in read_entries(entries[::60], form, Silent()):
                inside = sample.labels > 0
                brighter = sample.image[:, inside].mean(axis=1) > sample.image[:, ~inside].mean(axis=1)
                assert brighter.all(), (modality, sample.name)

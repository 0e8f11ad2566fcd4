from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.errors import DatasetError, NoSamplesError, SettingsError
from napari_unet_nuclei.core.progress import Notice, Silent
from napari_unet_nuclei.core.train.dataset import read_divided
from napari_unet_nuclei.core.train.division import DataSet, Divided, divide, named, weighted
from napari_unet_nuclei.core.train.layouts import Condition, Entry
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import sampling_weights
from tests.helpers.datasets import write_folders, write_index

DAPI = Condition("stain", "dapi")


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """An index with two fields to learn from, one to judge with, and one image of another stain."""
    folder = tmp_path / "first"
    folder.mkdir()
    return write_index(
        folder, "image,split,field,stain", "a,train,1,dapi", "b,train,2,dapi", "c,val,3,dapi", "d,train,2,other"
    )


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """Folders with images of the same names, which nobody has divided."""
    folder = tmp_path / "second"
    folder.mkdir()
    return write_folders(folder, "a", "b", "c")


def names(divided: Divided) -> tuple[list[str], list[str]]:
    return [one.name for one in divided.training], [one.name for one in divided.validation]


def entries(*groups: str) -> tuple[Entry, ...]:
    return tuple(Entry(str(n), Path(), (), False, group) for n, group in enumerate(groups))


def test_every_set_is_divided_by_itself(first, second):
    indexed, free = divide([DataSet(first), DataSet(second)])
    assert names(indexed) == (["first/a", "first/b", "first/d"], ["first/c"])
    assert sorted([*names(free)[0], *names(free)[1]]) == ["second/a", "second/b", "second/c"]
    assert len(free.validation) == 1


def test_groups_of_two_sets_never_collide(first, second):
    groups = [
        {entry.group for entry in (*one.training, *one.validation)} for one in divide([DataSet(first), DataSet(second)])
    ]
    assert groups[0].isdisjoint(groups[1])
    [alone] = divide([DataSet(first)])
    assert {entry.group for entry in alone.training} == {"1", "2"}


def test_samples_know_their_set(first, second):
    training, validation = read_divided(divide([DataSet(first), DataSet(second)]), InputForm(), Silent())
    assert [sample.dataset for sample in training] == ["first"] * 3 + ["second"] * 2
    assert [sample.dataset for sample in validation] == ["first", "second"]


def test_what_each_set_adds_is_said(first, second, recording):
    progress = recording()
    read_divided(divide([DataSet(first, weight=3), DataSet(second)]), InputForm(), progress)
    variety = 1 + 2**0.5  # a field of one image and one of two
    share = 3 * variety**0.5 / (3 * variety**0.5 + 2**0.5)
    assert f"first: 3 images for training ({share:.0%} of the crops), 1 for validation." in progress.notices
    read_divided(divide([DataSet(first)]), InputForm(), alone := recording())
    assert alone.notices == []


@given(st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=8), min_size=2, max_size=4), st.data())
def test_a_set_is_drawn_by_the_root_of_its_variety_times_its_weight(fields, data):
    weights = [data.draw(st.floats(0.1, 10)) for _ in fields]
    sets = [
        Divided(
            DataSet(Path(str(n)), weight),
            entries(*(f"{n}/{g}" for g, count in enumerate(sizes) for _ in range(count))),
            (),
            (),
        )
        for n, (sizes, weight) in enumerate(zip(fields, weights, strict=True))
    ]
    drawn = sampling_weights(
        [SimpleNamespace(group=e.group, importance=one.importance) for one in sets for e in one.training]
    )
    expected = np.array([w * np.sqrt(np.sqrt(sizes).sum()) for sizes, w in zip(fields, weights, strict=True)])
    starts = np.cumsum([0, *(sum(sizes) for sizes in fields[:-1])])
    assert np.add.reduceat(drawn, starts) == pytest.approx(expected / expected.sum())


def test_conditions_hold_where_there_is_the_column_and_the_rest_is_named(first, second, recording):
    divided = divide([DataSet(first), DataSet(second)], [DAPI])
    assert names(divided[0])[0] == ["first/a", "first/b"]
    assert [one.unfiltered for one in divided] == [(), ("stain",)]
    progress = recording()
    read_divided(divided, InputForm(), progress)
    [warning] = [event for event in progress.events if isinstance(event, Notice) and event.warning]
    assert warning.message == "second has no column 'stain', so all of its images are used."


def test_a_column_that_no_set_has_is_refused(first, second):
    with pytest.raises(DatasetError, match=r"column colour: first has image, .*; second has no index\.csv"):
        divide([DataSet(first), DataSet(second)], [Condition("colour", "red")])


def test_a_set_of_which_nothing_is_left_is_refused(first, tmp_path):
    (tmp_path / "other").mkdir()
    other = write_index(tmp_path / "other", "image,stain", "a,red", "b,red")
    with pytest.raises(NoSamplesError, match="other"):
        divide([DataSet(first), DataSet(other)], [DAPI])


def test_a_set_may_be_there_to_judge_only(first, tmp_path):
    (tmp_path / "judge").mkdir()
    judge = DataSet(write_index(tmp_path / "judge", "image,split", "x,val"))
    assert names(divide([DataSet(first), judge])[1]) == ([], ["judge/x"])
    with pytest.raises(NoSamplesError, match="'train'"):
        divide([judge])


def test_a_set_that_cannot_be_divided_is_named(first, tmp_path):
    (tmp_path / "small").mkdir()
    with pytest.raises(NoSamplesError, match="small: All images belong to one group"):
        divide([DataSet(first), DataSet(write_folders(tmp_path / "small", "a"))])


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a/x", "a/y"], ["x", "y"]),
        (["a/x", "b/x", "b/y"], ["a/x", "b/x", "y"]),
        (["c/a/x/index.csv", "d/a/x"], ["c/a/x", "d/a/x"]),
        (["a/x/one.csv", "a/x/two.csv"], ["x/one", "x/two"]),
        (["a/x/index.csv", "a/x/two.csv"], ["a/x", "x/two"]),
        (["a/x/one.csv"], ["x"]),
    ],
)
def test_folders_of_the_same_name_are_told_apart(paths, expected):
    assert [dataset.name for dataset in named([DataSet(Path(path)) for path in paths])] == expected


@given(st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map("/".join), unique=True, min_size=1))
def test_names_are_always_different(paths):
    found = [dataset.name for dataset in named([DataSet(Path(path)) for path in paths])]
    assert len(set(found)) == len(paths)


@pytest.mark.parametrize("paths", [["x", "x"], ["x/index.csv", "x"], ["x", "y/../x"]])
def test_a_set_given_twice_is_refused(paths):
    with pytest.raises(DatasetError, match="given twice"):
        named([DataSet(Path(path)) for path in paths])


def test_weights_are_set_by_name():
    datasets = named([DataSet(Path("a/x")), DataSet(Path("b/x")), DataSet(Path("y"), 2.0)])
    assert [one.weight for one in weighted(datasets, ["b/x=0.5"])] == [1.0, 0.5, 2.0]


@pytest.mark.parametrize("text", ["x", "x=", "x=0", "x=-1", "x=nan", "x=inf", "z=1"])
def test_a_weight_that_cannot_be_is_refused(text):
    with pytest.raises(SettingsError, match=r"weigh|WEIGHT"):
        weighted(named([DataSet(Path("x"))]), [text])


def test_how_a_weight_is_written_is_shown():
    with pytest.raises(SettingsError, match=r"'x=0' is not NAME=WEIGHT .* for instance x=0\.5\."):
        weighted(named([DataSet(Path("x"))]), ["x=0"])


def test_two_weights_of_a_set_are_refused():
    with pytest.raises(SettingsError, match="two weights"):
        weighted(named([DataSet(Path("x"))]), ["x=1", "x=2"])


def test_parts_that_an_index_calls_otherwise_are_named(tmp_path):
    index = write_index(tmp_path, "image,split", "a,fold 1", "b,fold 2")
    with pytest.raises(NoSamplesError, match=r"no image of split 'train' .* of split 'fold 1', 'fold 2'"):
        divide([DataSet(index)])

"""Classes of nuclei: taught by a few examples, told of all others, checked, and said to be doubtful where they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.labels.classify.nucleus_classes import (
    DOUBTFUL,
    NucleusClasses,
    class_counts,
    counts_text,
    doubtful,
)


def drawn(seed: int = 0, count: int = 60) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a table of large dim and of small bright nuclei in turn, and which is which."""
    numbers = np.random.default_rng(seed)
    small = np.arange(count) % 2 == 1
    area = np.where(small, 60.0, 200.0) * np.exp(numbers.normal(0, 0.15, count))
    light = np.where(small, 900.0, 400.0) * np.exp(numbers.normal(0, 0.2, count))
    table = pd.DataFrame({"label": np.arange(1, count + 1), "area_px": area, "area_um2": np.nan, "GFP_mean": light})
    return table.assign(centroid_y=numbers.uniform(0, 99, count), score=0.5), small


def examples(truth: np.ndarray, each: int = 5) -> list[str]:
    given = [""] * len(truth)
    for name, rows in (("small", np.flatnonzero(truth)[:each]), ("large", np.flatnonzero(~truth)[:each])):
        for row in rows:
            given[row] = name
    return given


def test_a_few_examples_tell_all_others_with_their_probability():
    table, small = drawn()
    classes = NucleusClasses.taught(table, examples(small))
    told = classes.tell(table)
    assert classes.columns == ("area_px", "GFP_mean")
    assert (told["class"] == np.where(small, "small", "large")).all()
    assert told["class_probability"].between(0.5, 1).all()
    assert class_counts(told, classes.names) == {"large": 30, "small": 30}
    assert counts_text(class_counts(told, classes.names)) == "large 30 (50.0 %), small 30 (50.0 %)"


def test_a_class_in_the_middle_of_another_is_told():
    area = np.arange(10.0, 310.0)
    middle = (area > 110) & (area < 210)
    given = np.where(middle, "usual", "odd").astype(object)
    given[np.arange(len(area)) % 10 > 0] = ""
    classes = NucleusClasses.taught(pd.DataFrame({"area_px": area}), given)
    told = classes.tell(pd.DataFrame({"area_px": area}))
    assert ((told["class"] == "usual") == middle).mean() > 0.8


def test_few_examples_of_a_class_weigh_as_much_as_many_of_another():
    table = pd.DataFrame({"area_px": [1.0, 2.0] * 20 + [9.0, 10.0]})
    told = NucleusClasses.taught(table, ["small"] * 40 + ["large"] * 2).tell(pd.DataFrame({"area_px": [5.0, 6.5]}))
    assert told["class"].tolist() == ["small", "large"]


def test_unknown_values_count_as_usual_ones_and_a_nucleus_without_any_has_no_class():
    table, small = drawn()
    classes = NucleusClasses.taught(table, examples(small))
    table.loc[0, "GFP_mean"] = np.inf
    table.loc[1, ["area_px", "GFP_mean"]] = np.nan
    told = classes.tell(table)
    assert told["class"].tolist()[:3] == ["large", "", "large"]
    assert np.isnan(told["class_probability"].iloc[1])


def test_the_check_leaves_each_example_out_and_warns_of_few():
    table, small = drawn()
    check = NucleusClasses.taught(table, examples(small, each=8)).check()
    assert check.examples == 16
    assert check.right == 16
    assert "Few" not in check.text()
    assert "⚠ Few examples of" in NucleusClasses.taught(table, examples(small, each=3)).check().text()
    # Where classes say nothing, nor does the check: it does not know the answers.
    chance = np.where(np.random.default_rng(1).random(60) > 0.5, "a", "b")
    assert NucleusClasses.taught(table, chance).check().right < 45


def test_doubtful_ones_come_most_doubtful_first():
    table, small = drawn()
    between = table.iloc[:3].assign(area_px=[110.0, 108.0, 300.0], GFP_mean=[600.0, 620.0, 200.0])
    told = NucleusClasses.taught(table, examples(small)).tell(between)
    rows = doubtful(told)
    assert 2 not in rows
    assert 0 < len(rows) < 3
    assert (np.diff(told["class_probability"].iloc[rows]) >= 0).all()
    assert (told["class_probability"].iloc[rows] < DOUBTFUL).all()


def test_values_far_off_those_taught_and_missing_columns_are_said():
    table, small = drawn()
    classes = NucleusClasses.taught(table, examples(small))
    assert classes.remarks(table) == ()
    [said] = classes.remarks(table.assign(GFP_mean=table["GFP_mean"] + 20_000))
    assert said.startswith("100 % of the nuclei are unlike all examples in GFP_mean")
    [said] = classes.remarks(table.drop(columns="GFP_mean"))
    assert "taught by GFP_mean, too, which are not measured" in said
    with pytest.raises(SettingsError, match="none of the columns"):
        classes.tell(table[["label"]])


def test_examples_of_an_earlier_image_teach_as_well_and_a_new_answer_takes_the_place_of_the_old():
    first, small = drawn(0)
    earlier = NucleusClasses.taught(first, examples(small), colours={"small": "#112233"})
    second, small = drawn(1)
    both = NucleusClasses.taught(second, examples(small), also=earlier)
    assert both.counts == {"small": 10, "large": 10}
    assert both.colours[both.names.index("small")] == "#112233"
    changed = examples(drawn(0)[1])
    changed[1] = "large"
    assert NucleusClasses.taught(first, changed, also=earlier).counts == {"small": 4, "large": 6}


def test_one_class_or_ten_or_no_column_are_refused():
    table, small = drawn()
    with pytest.raises(SettingsError, match="there are of 1"):
        NucleusClasses.taught(table, np.where(small, "small", ""))
    with pytest.raises(SettingsError, match="there are of 10"):
        NucleusClasses.taught(table, [str(number % 10) for number in range(60)])
    with pytest.raises(SettingsError, match="no values"):
        NucleusClasses.taught(table, examples(small), columns=["area_um2"])

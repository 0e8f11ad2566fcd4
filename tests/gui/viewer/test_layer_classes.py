"""Classes that are kept with a labels layer: examples follow their nuclei, and the rest is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
from napari.layers import Image, Labels

from napari_unet_nuclei.core.labels.classify.nucleus_classes import NucleusClasses
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.gui.viewer.layer_classes import (
    Example,
    LayerClasses,
    classes_of,
    followed,
    keep_classes,
    rows_of,
    told,
)
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable, ask, measure_layers


def drawn() -> np.ndarray:
    """Four large and four small squares in turn, numbered from 1."""
    labels = np.zeros((40, 160), np.int32)
    for number in range(8):
        side = 14 if number % 2 == 0 else 6
        labels[5 : 5 + side, 20 * number + 2 : 20 * number + 2 + side] = number + 1
    return labels


def measured(labels: np.ndarray) -> MeasuredTable:
    layer = Labels(labels)
    image = Image(np.random.default_rng(0).integers(0, 200, labels.shape), name="DAPI")
    request = ask(layer, [image])
    return measure_layers(request, request.labels.copied(), pd.DataFrame(), Silent())


def example(table: MeasuredTable, row: int, name: str) -> Example:
    return Example(int(table.table["label"].iloc[row]), tuple(table.position(row).tolist()), name)


def given(table: MeasuredTable, **rows: str) -> LayerClasses:
    classes = LayerClasses({"large": "#ff0000", "small": "#0000ff"})
    for row, name in rows.items():
        classes = classes.with_example(example(table, int(row[1:]), name))
    return classes


def test_the_rest_is_told_and_examples_keep_the_class_that_they_were_given():
    table = measured(drawn())
    found = told(given(table, r0="large", r1="small", r3="small", r5="large"), table)
    assert found.table["class"].tolist()[:2] == ["large", "small"]
    assert found.table["class"].iloc[5] == "large"  # a small one, but the user says so
    assert found.table["class_probability"].iloc[[0, 1, 3, 5]].tolist() == [1, 1, 1, 1]
    assert found.table["class_probability"].iloc[2] < 1
    few = told(given(table, r0="large"), table)
    assert few.by is None
    assert few.table["class"].tolist() == ["large"] + 7 * [""]


def test_examples_follow_renumbered_nuclei_and_go_with_those_that_are_gone():
    before = measured(drawn())
    classes = given(before, r0="large", r1="small", r2="large", r3="small")
    labels = drawn()
    labels[labels > 0] += 100
    labels[labels == 102] = 0
    kept, gone = followed(classes, measured(labels))
    assert gone == 1
    assert [(one.label, one.name) for one in kept.examples] == [(101, "large"), (103, "large"), (104, "small")]
    # The same number in another place is another nucleus.
    swapped = drawn()
    swapped[drawn() == 1], swapped[drawn() == 8] = 8, 1
    kept, gone = followed(classes, measured(swapped))
    assert gone == 0
    assert [one.label for one in kept.examples] == [8, 2, 3, 4]
    merged = drawn()
    merged[5:11, :30] = 1
    merged[merged == 2] = 1
    assert followed(classes, measured(merged))[1] == 1


def test_a_new_answer_takes_the_place_of_the_old_and_an_empty_one_takes_it_away():
    table = measured(drawn())
    classes = given(table, r0="large").with_example(example(table, 0, "small"))
    assert rows_of(classes, table) == {0: "small"}
    assert classes.with_example(example(table, 0, "")).examples == ()


def test_examples_of_a_file_teach_and_are_known_again_in_their_own_image():
    table = measured(drawn())
    earlier = NucleusClasses.taught(table.table, ["small", "small", "large", "small", *([""] * 4)])
    found = told(LayerClasses(dict(zip(earlier.names, earlier.colours, strict=True)), earlier=earlier), table)
    assert found.table["class"].tolist()[:4] == ["small", "small", "large", "small"]
    assert found.table["class_probability"].tolist()[:4] == [1, 1, 1, 1]
    assert found.by is not None
    assert found.by.counts == {"small": 3, "large": 1}


def test_classes_are_kept_with_their_layer():
    layer = Labels(drawn())
    assert classes_of(layer).names == ("class 1", "class 2")
    changes: list[object] = []
    layer.events.metadata.connect(changes.append)
    classes = LayerClasses({"a": "#000000"})
    keep_classes(layer, classes)
    assert classes_of(layer) == classes
    assert len(changes) == 1


def test_examples_in_a_stack_are_of_their_plane():
    other = np.where(drawn() > 0, 9 - drawn(), 0)
    layer = Labels(np.stack([drawn(), other]))
    request = ask(layer, [])
    table = measure_layers(request, request.labels.copied(), pd.DataFrame(), Silent())
    assert len(table.table) == 16
    assert rows_of(given(table, r9="small", r1="large"), table) == {9: "small", 1: "large"}

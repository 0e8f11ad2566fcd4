"""Nuclei whose class is doubtful, walked through in *Correct*: keys give them the right one."""

from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.labels.classify.nucleus_classes import DOUBTFUL
from napari_unet_nuclei.gui.viewer.layer_classes import Example, LayerClasses, classes_of, keep_classes, told
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable


def told_bench(open_bench):
    """Open a bench whose nuclei have two classes, by the first and the last of them."""
    bench = open_bench()
    bench.settle()
    layer = bench.layer
    table = MeasuredTable(bench.session.corrected.labels, layer.features)
    classes = LayerClasses({"round": "#ff0000", "long": "#0000ff"})
    for row, name in ((0, "round"), (len(table.table) - 1, "long")):
        position = tuple(table.position(row).tolist())
        classes = classes.with_example(Example(int(table.table["label"].iloc[row]), position, name))
    keep_classes(layer, classes)
    told_now = told(classes, table).table
    # Doubtful ones, whatever the drawn nuclei look like.
    middle = told_now.index[1:-1]
    told_now.loc[middle, "class_probability"] = np.linspace(0.51, 0.9, len(middle))
    layer.features = told_now
    bench.settle()
    return bench


def examples(bench) -> dict[int, str]:
    return {one.label: one.name for one in classes_of(bench.layer).examples}


def test_doubtful_classes_are_walked_by_keys_and_the_right_one_is_given_and_undone(open_bench):
    bench = told_bench(open_bench)
    panel = bench.dock.class_panel
    bench.activate()
    first = bench.layer.features.sort_values("class_probability")["label"].tolist()
    doubtful = int((bench.layer.features["class_probability"] < DOUBTFUL).sum())
    assert panel.text.text().startswith(f"{doubtful} doubtful class")
    assert "1 round · 2 long" in panel.text.text()
    before = examples(bench)
    bench.press(panel.next.buttons["next"])
    assert bench.framed == first[:1]
    assert panel.framed.text().startswith(f"Nucleus {first[0]}: ")
    bench.key("2")
    assert examples(bench) == {**before, first[0]: "long"}
    features = bench.layer.features.set_index("label")
    assert (features["class"][first[0]], features["class_probability"][first[0]]) == ("long", 1.0)
    bench.undo()
    assert examples(bench) == before
    assert bench.framed == first[:1]
    bench.key("9")
    assert "no class 9" in bench.status
    assert examples(bench) == before


def test_an_edit_comes_before_classes_in_undo_and_leaves_no_class_behind(open_bench):
    bench = told_bench(open_bench)
    bench.activate()
    bench.press(bench.dock.class_panel.next.buttons["next"])
    [label] = bench.framed
    bench.key("1")
    assert examples(bench)[label] == "round"
    bench.dock.navigator.visit((), label)
    bench.key("D")
    assert label not in bench.plane
    assert label not in bench.layer.features["label"].tolist()
    bench.undo()
    assert label in bench.plane
    assert examples(bench)[label] == "round"


def test_without_classes_the_keys_stay_with_napari(open_bench):
    bench = open_bench()
    bench.settle()
    bench.activate()
    assert bench.dock.class_box.isHidden()
    mode = bench.layer.mode
    bench.key("2")
    assert bench.layer.mode != mode

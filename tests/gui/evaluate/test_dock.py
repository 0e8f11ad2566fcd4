"""The dock *Evaluate labels*: figures, colours on the picture, and a walk through the mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_unet_nuclei import compare_labels
from napari_unet_nuclei.gui.evaluate.dock import COLOURED, NO_TRUTH, EvaluateDock
from napari_unet_nuclei.gui.evaluate.job import KINDS
from napari_unet_nuclei.gui.viewer.frame import FRAME
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY
from tests.helpers.docks import job_done

TRUTH = np.zeros((60, 120), np.int32)
FOUND = np.zeros_like(TRUTH)
TRUTH[5:15, 5:15], FOUND[5:15, 5:14] = 1, 7  # found
TRUTH[5:15, 30:40], TRUTH[5:15, 40:50], FOUND[5:15, 30:50] = 2, 3, 8  # merged
TRUTH[30:40, 5:25], FOUND[30:40, 5:15], FOUND[30:40, 15:25] = 4, 9, 10  # split
TRUTH[30:40, 60:70] = 5  # missed
FOUND[50:56, 100:110] = 11  # invented


@pytest.fixture
def dock(qtbot) -> EvaluateDock:
    viewer = ViewerModel()
    viewer.add_labels(TRUTH, name="truth")
    viewer.add_labels(FOUND, name="found")
    dock = EvaluateDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    return dock


def compare(qtbot, dock: EvaluateDock) -> None:
    with job_done(qtbot, dock.panel):
        qtbot.mouseClick(dock.panel.run_button, Qt.MouseButton.LeftButton)


def rows(dock: EvaluateDock) -> list[tuple[str, str]]:
    items = [dock.mistakes.topLevelItem(row) for row in range(dock.mistakes.topLevelItemCount())]
    return [(item.text(0), item.text(1)) for item in items]


def test_figures_are_those_of_python_and_the_list_names_every_mistake(dock, qtbot):
    compare(qtbot, dock)
    assert dock.outcome.text() == "1 of 5 nuclei found; 1 missed, 2 merged, 1 split, 1 invented."
    scores = compare_labels(TRUTH, FOUND).scores
    assert f"AP at IoU 0.5: {scores.average_precision[0]:.3f}" in dock.figures.text()
    assert f"PQ {scores.panoptic_quality:.3f}" in dock.figures.text()
    assert rows(dock) == [("merged", "2"), ("merged", "3"), ("split", "4"), ("missed", "5"), ("invented", "11")]


def test_the_list_takes_the_room_that_there_is_with_letters_of_any_size(dock, qtbot):
    font = dock.mistakes.font()
    font.setPointSizeF(1.5 * font.pointSizeF())
    dock.mistakes.setFont(font)
    compare(qtbot, dock)
    dock.resize(400, 900)
    qtbot.waitUntil(lambda: dock.mistakes.height() > 450)


def test_an_axis_of_one_plane_makes_no_difference(dock, qtbot):
    deep = dock._viewer.add_labels(TRUTH[None], name="deep")
    dock.truth_box.choose(deep)
    dock.labels_box.choose(dock._viewer.layers["found"])
    compare(qtbot, dock)
    assert dock.outcome.text() == "1 of 5 nuclei found; 1 missed, 2 merged, 1 split, 1 invented."
    assert dock._viewer.layers[COLOURED].data.shape == (1, 60, 120)


def test_nuclei_are_coloured_by_what_became_of_them(dock, qtbot):
    compare(qtbot, dock)
    shown = dock._viewer.layers[COLOURED].data
    codes = {label: KINDS[int(shown[label == TRUTH][0])] for label in (1, 2, 3, 4, 5)}
    assert codes == {1: "found", 2: "merged", 3: "merged", 4: "split", 5: "missed"}
    assert KINDS[int(shown[52, 105])] == "invented"
    assert np.isnan(shown[25, 80])


def test_next_walks_from_mistake_to_mistake_with_a_frame(dock, qtbot):
    compare(qtbot, dock)
    seen = []
    for _ in range(6):
        qtbot.mouseClick(dock.forward, Qt.MouseButton.LeftButton)
        seen.append(tuple(np.round(dock._viewer.scene.camera.center[-2:])))
    assert seen[0] == seen[5] == (10, 34)
    assert seen[4] == (52, 104)
    qtbot.mouseClick(dock.back, Qt.MouseButton.LeftButton)
    frame = dock._viewer.layers[FRAME].data[:, 0]
    assert frame.min(axis=0).tolist() == [50 - 3.5, 100 - 3.5]
    assert frame.max(axis=0).tolist() == [55 + 3.5, 109 + 3.5]


def test_stacks_are_compared_plane_by_plane_and_what_is_removed_is_gone(qtbot):
    viewer = ViewerModel()
    viewer.add_labels(np.stack([TRUTH, TRUTH]), name="truth")
    layer = viewer.add_labels(np.stack([TRUTH, FOUND]), name="found")
    dock = EvaluateDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    compare(qtbot, dock)
    assert dock.outcome.text().startswith("6 of 10 nuclei found")
    assert dock.mistakes.topLevelItem(0).text(2) == "1"
    qtbot.mouseClick(dock.forward, Qt.MouseButton.LeftButton)
    assert viewer.dims.point[0] == 1
    viewer.layers.remove(layer)
    assert not dock.outcome.isVisible()
    assert [one.name for one in viewer.layers] == ["truth"]


def test_why_nothing_can_be_compared_is_said(qtbot):
    viewer = ViewerModel()
    dock = EvaluateDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    assert "Open two labels layers" in dock.panel.status_label.text()
    viewer.add_labels(TRUTH, name="truth")
    viewer.add_labels(FOUND[:50], name="small")
    assert "differ in size" in dock.panel.status_label.text()
    assert not dock.panel.run_button.isEnabled()


def test_what_was_segmented_here_is_judged_by_what_was_not_and_no_layer_by_itself(qtbot):
    viewer = ViewerModel()
    ours = viewer.add_labels(FOUND, name="cells labels", metadata={METADATA_KEY: {}})
    dock = EvaluateDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    assert (dock.labels_box.layer, dock.truth_box.layer) == (ours, None)
    assert dock.truth_box.currentText() == NO_TRUTH
    truth = viewer.add_labels(TRUTH, name="truth")
    assert (dock.labels_box.layer, dock.truth_box.layer) == (ours, truth)
    dock.labels_box.choose(truth)
    assert (dock.labels_box.layer, dock.truth_box.layer) == (truth, ours)
    viewer.layers.remove(ours)
    assert (dock.labels_box.layer, dock.truth_box.layer) == (truth, None)


def test_the_colours_lie_above_both_layers_which_are_outlines_meanwhile(dock, qtbot):
    viewer = dock._viewer
    compare(qtbot, dock)
    assert [layer.name for layer in viewer.layers] == ["truth", "found", COLOURED]
    assert [viewer.layers[name].contour for name in ("truth", "found")] == [1, 1]

from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np
import pytest
from napari.layers import Labels

from napari_unet_nuclei import segment
from napari_unet_nuclei.gui.segment.dock import SegmentDock
from napari_unet_nuclei.gui.viewer.display import colours_apart

pytestmark = pytest.mark.usefixtures("tiny_model")

LONG = 60_000
"""Milliseconds that a run may take on a busy machine; the first one imports PyTorch."""


@pytest.fixture
def large_image(qtbot, make_napari_viewer_proxy, pixels, monkeypatch) -> tuple[napari.Viewer, SegmentDock]:
    """A viewer with an image that counts as large, and its dock."""
    monkeypatch.setattr("napari_unet_nuclei.gui.segment.view_first.LARGE", 1)
    monkeypatch.setattr("napari_unet_nuclei.gui.segment.view_first.IN_VIEW", 8000)
    monkeypatch.setattr("napari_unet_nuclei.gui.segment.written_labels.LARGE", 1)
    viewer = make_napari_viewer_proxy(show=True)
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment nuclei")
    dock.form.model_picker.setValue("tiny")
    dock.form.size_form.control("diameter_auto").value = False
    layer = viewer.add_image(pixels, name="DAPI")
    qtbot.waitUntil(lambda: layer.corner_pixels[1, 0] > 0)
    return viewer, dock


def run_and(qtbot, dock: SegmentDock, act: Callable[[], object]) -> None:
    """Run, and do something as soon as what is in view is shown."""

    def act_now(_answer: object) -> None:
        act()

    dock.session.came_first.connect(act_now)
    dock.job_panel.run_button.click()
    qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)
    rest(qtbot, dock)


def rest(qtbot, dock: SegmentDock) -> None:
    qtbot.waitUntil(lambda: dock.session.shown is None or not dock.session.shown.is_busy, timeout=LONG)


def labels_of(viewer) -> list[Labels]:
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def test_what_is_in_view_of_a_large_image_comes_before_the_whole_in_the_same_layer(qtbot, large_image, pixels) -> None:
    viewer, dock = large_image
    shown, came, went = [], [], []

    def note() -> None:
        [layer] = labels_of(viewer)
        first = dock.session.preview.result
        shown.append((dock.foot.count_label.text(), dock.foot.busy_label.text(), layer.name))
        assert layer.data.shape == pixels.shape
        assert (layer.data > 0).sum() == (first.labels > 0).sum() > 0
        assert (first.labels.any(axis=0).sum(), first.count) < (layer.data.shape[1], 12)
        assert sorted(layer.features["label"]) == list(range(1, first.count + 1))
        shown.append(first.count)

    viewer.layers.events.inserted.connect(lambda event: came.append(event.value))
    viewer.layers.events.removed.connect(lambda event: went.append(event.value))
    run_and(qtbot, dock, note)
    (count, busy, name), found = shown
    assert count == f"{found} in the middle of the view"
    assert (busy, name) == ("the rest follows…", "DAPI (current view) labels")
    [labels] = labels_of(viewer)
    assert (came, went) == ([labels], [])
    assert labels.name == "DAPI labels"
    assert np.array_equal(labels.data, segment(pixels, "tiny", diameter=22).labels)
    assert sorted(labels.features["label"]) == list(range(1, labels.data.max() + 1))
    assert labels.metadata["nuclei"]["maps"].shape[2:] == pixels.shape
    assert labels.metadata["nuclei"]["image"]["name"] == "DAPI"
    assert dock.foot.count_label.text() == f"{labels.data.max()} nuclei"
    assert dock.foot.busy_label.isHidden()
    # Neighbours differ in the picture, too: the colours are those of the whole.
    whole = colours_apart(labels.data, "fluorescence")
    assert np.array_equal(labels.colormap.map(labels.data), whole.map(labels.data))
    dock.result_panel.thresholds.sliders["foreground"].slider.setValue(80)
    rest(qtbot, dock)
    assert labels_of(viewer) == [labels]


def test_a_run_that_is_stopped_leaves_nothing_of_what_came_first(qtbot, large_image) -> None:
    viewer, dock = large_image
    run_and(qtbot, dock, dock.job_panel.cancel)
    assert labels_of(viewer) == []
    assert not dock.foot.isVisible()


def test_what_came_first_and_was_painted_on_stays_beside_the_whole(qtbot, large_image, pixels) -> None:
    viewer, dock = large_image
    run_and(qtbot, dock, lambda: labels_of(viewer)[0].data_setitem((np.array([0]), np.array([0])), 77))
    painted, whole = labels_of(viewer)
    assert (painted.name, painted.data[0, 0], painted.visible) == ("DAPI (current view) labels", 77, False)
    assert (whole.name, whole.visible) == ("DAPI labels", True)
    assert np.array_equal(whole.data, segment(pixels, "tiny", diameter=22).labels)


def test_what_came_first_and_was_removed_comes_again_with_the_whole(qtbot, large_image, pixels) -> None:
    viewer, dock = large_image
    run_and(qtbot, dock, lambda: viewer.layers.remove(labels_of(viewer)[0]))
    [whole] = labels_of(viewer)
    assert np.array_equal(whole.data, segment(pixels, "tiny", diameter=22).labels)


def test_sliders_act_on_what_came_first_and_then_on_the_whole_whose_layer_keeps_its_name(
    qtbot, large_image, pixels
) -> None:
    viewer, dock = large_image

    def act() -> None:
        labels_of(viewer)[0].name = "mine"
        dock.result_panel.thresholds.sliders["foreground"].slider.setValue(80)

    run_and(qtbot, dock, act)
    [whole] = labels_of(viewer)
    assert whole.name == "mine"
    assert np.array_equal(whole.data > 0, segment(pixels, "tiny", diameter=22, foreground=0.8).labels > 0)

"""One object knows what is being corrected: no part of the dock can go on acting on a former layer."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_unet_nuclei.core.corrections.store import corrections_folder, list_corrections
from napari_unet_nuclei.core.errors import EditError, ImageShapeError
from napari_unet_nuclei.gui.correct.canvas_input import Gesture
from napari_unet_nuclei.gui.correct.current import CurrentCorrection
from napari_unet_nuclei.gui.correct.overlay import OVERLAY
from napari_unet_nuclei.gui.correct.session import CorrectSession
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer
from napari_unet_nuclei.gui.viewer.reviewed_layer import reviewed_mask
from tests.helpers.correcting import Bench, segmented


@pytest.fixture
def bench(modest_bench) -> Bench:
    """Two labels layers on one image; the second one is being corrected."""
    viewer = ViewerModel()
    image, labels, metadata = segmented()
    viewer.add_image(image)
    viewer.add_labels(labels.copy(), name="first", metadata=metadata, scale=(2, 3))
    viewer.add_labels(labels.copy(), name="second", metadata=metadata)
    return modest_bench(viewer)


def layers(bench: Bench) -> tuple[Labels, Labels]:
    return bench.viewer.layers["first"], bench.viewer.layers["second"]


def use_every_part(bench: Bench) -> None:
    """Frame a nucleus, segment a box again, mark the plane, save, and leave a tool waiting for the mouse."""
    dock = bench.dock
    dock.navigator.frame_nuclei((), [1])
    dock.do("delete")
    dock.do("box")
    dock.canvas_input.take(Gesture((), np.array([(75.0, 85.0), (105.0, 115.0)]), ((), ())))
    dock.reviewed_panel.whole_box.click()
    dock.do("next")
    dock.save()
    bench.settle()
    dock.do("cut")


def parts(bench: Bench) -> list[object]:
    dock = bench.dock
    return [
        dock,
        dock.overlay,
        dock.canvas_input,
        dock.navigator,
        dock.tools,
        dock.saver,
        dock.restorer,
        dock.picker,
        dock.queue_panel,
        dock.tools_panel,
        dock.reviewed_panel,
    ]


def test_no_part_holds_what_is_corrected(bench):
    use_every_part(bench)
    bench.dock.picker.choose(layers(bench)[0])
    for part in parts(bench):
        held = {
            name for name, value in vars(part).items() if isinstance(value, CorrectSession | CorrectedLayer | Labels)
        }
        assert held == set(), type(part).__name__


def test_whoever_asks_gets_the_layer_that_was_chosen_last(qtbot):
    viewer = ViewerModel()
    first, second = (viewer.add_labels(segmented()[1], name=name) for name in ("first", "second"))
    current = CurrentCorrection()
    with pytest.raises(EditError, match="Choose labels"):
        current.require()
    heard = []
    current.changed.connect(lambda: heard.append(current.session and current.session.layer))
    current.choose(first, None)
    session = current.session
    current.choose(first, None)
    current.choose(second, None)
    current.choose(first, None)
    assert current.session is session, "a layer keeps its history while others are corrected"
    current.choose(None, None)
    assert heard == [first, second, first, None]
    current.close(session)
    assert [one.layer for one in current.sessions] == [second]
    qtbot.waitUntil(lambda: not any(one.is_busy for one in current.sessions), timeout=20_000)


def test_labels_that_cannot_be_corrected_leave_nothing_to_act_on(qtbot):
    viewer = ViewerModel()
    image, labels, _ = segmented()
    layer, small = viewer.add_labels(labels), viewer.add_image(image[:50])
    current = CurrentCorrection()
    current.choose(layer, None)
    session = current.session
    for chosen in (lambda: current.choose(layer, small), lambda: current.choose(read_only(layer), None)):
        with pytest.raises(ImageShapeError):
            chosen()
        assert current.session is None
    assert current.sessions == (session,), "its history is kept until the layer goes"
    session.close()


def read_only(layer: Labels) -> Labels:
    layer.data.flags.writeable = False
    return layer


def test_the_current_correction_goes_with_its_layer(bench):
    first, second = layers(bench)
    heard = []
    bench.dock.current.changed.connect(lambda: heard.append(bench.session))
    bench.viewer.layers.remove(second)
    assert bench.session.layer == first
    bench.viewer.layers.remove(first)
    bench.settle()
    assert bench.session is None
    assert heard[-1] is None
    assert bench.dock.current.sessions == ()


def test_every_tool_acts_on_the_layer_that_was_chosen_last(bench):
    use_every_part(bench)
    first, second = layers(bench)
    kept, saved = second.data.copy(), len(list_corrections(corrections_folder()))
    bench.dock.picker.choose(first)
    assert second.mouse_pan, "the tool waits no longer, and napari has its mouse back"
    assert not bench.dock.canvas_input.is_waiting
    assert bench.dock.navigator.framed is None
    bench.dock.tools_panel.thresholds.sliders["foreground"].box.setValue(0.3)
    np.testing.assert_array_equal(first.data, segmented()[1], err_msg="the box was drawn on the other layer")
    bench.settle()
    bench.dock.navigator.frame_nuclei((), [1])
    for verb in ("split", "undo", "redo"):
        bench.dock.do(verb)
    bench.dock.reviewed_panel.whole_box.click()
    bench.dock.queue_panel.outlines_box.click()
    bench.settle()
    np.testing.assert_array_equal(second.data, kept)
    assert not np.array_equal(first.data, kept)
    assert reviewed_mask(bench.viewer, first).all()
    assert (first.contour, second.contour) == (1, 0)
    bench.dock.save()
    bench.settle()
    assert len(list_corrections(corrections_folder())) == saved + 1


def test_what_is_marked_at_once_after_a_change_is_marked_in_the_new_layer(bench):
    first, second = layers(bench)
    bench.dock.picker.choose(first)
    bench.dock.reviewed_panel.whole_box.click()
    assert reviewed_mask(bench.viewer, first).all()
    assert reviewed_mask(bench.viewer, second) is None


def test_the_overlay_moves_to_where_the_new_layer_lies(bench):
    bench.dock.do("next")
    np.testing.assert_array_equal(bench.viewer.layers[OVERLAY].scale, (1, 1))
    bench.dock.picker.choose(layers(bench)[0])
    assert len(bench.viewer.layers[OVERLAY].data) == 0, "the frame goes at once"
    bench.settle()
    bench.dock.do("next")
    overlay = bench.viewer.layers[OVERLAY]
    np.testing.assert_array_equal(overlay.scale, (2, 3))
    assert len(overlay.data) > 0


def test_saved_corrections_are_restored_into_the_layer_that_they_were_offered_for(bench):
    bench.dock.navigator.frame_nuclei((), [1])
    bench.dock.do("delete")
    bench.dock.save()
    bench.settle()
    first, second = layers(bench)
    corrected = second.data.copy()
    bench.dock.picker.choose(first)
    bench.settle()
    assert bench.dock.picker.restore_banner.isVisible()
    offered = bench.dock.restorer
    bench.dock.picker.choose(second)
    offered.restore()
    np.testing.assert_array_equal(first.data, segmented()[1])
    np.testing.assert_array_equal(second.data, corrected)
    bench.dock.picker.choose(first)
    bench.settle()
    bench.press(bench.dock.picker.restore_banner.button)
    np.testing.assert_array_equal(first.data, corrected)

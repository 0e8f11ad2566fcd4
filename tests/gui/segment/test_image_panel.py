"""The panel that chooses what to segment."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image
from napari.layers._source import layer_source

from napari_unet_nuclei.gui.segment.image_panel import ImagePanel


@pytest.fixture
def panel(qtbot):
    panel = ImagePanel(ViewerModel())
    qtbot.addWidget(panel)
    return panel


def opened(tmp_path, panel, qtbot, **place: object) -> Image:
    """A stack as napari opens it, which drops the spacing of the file."""
    stack, path = np.zeros((4, 8, 9), np.uint16), tmp_path / "stack.tif"
    tifffile.imwrite(
        path, stack, imagej=True, resolution=(2, 2), metadata={"axes": "ZYX", "spacing": 1.5, "unit": "um"}
    )
    with layer_source(path=str(path)):
        layer = Image(stack, **place)
    panel._viewer.layers.append(layer)
    qtbot.waitUntil(lambda: panel.file.readable)
    return layer


def test_planes_that_are_shown_too_close_are_said_to_be_and_put_where_they_lie(tmp_path, panel, qtbot):
    labels = panel._viewer.add_labels(np.zeros((4, 8, 9), int))
    flat, own = panel._viewer.add_points([[3, 3]]), panel._viewer.add_labels(np.zeros((4, 8, 9), int), scale=(5, 1, 1))
    layer = opened(tmp_path, panel, qtbot)
    assert "instead of 3" in panel.stretch_line.sentence.text()
    panel.stretch_line.button.click()
    assert [one.scale.tolist() for one in (layer, labels, own, flat)] == [[3, 1, 1], [3, 1, 1], [5, 1, 1], [1, 1]]
    assert panel.stretch_line.isHidden()
    assert panel.image().pixel_size.z == 1.5


def test_layers_with_a_scale_of_their_own_are_left_alone(tmp_path, panel, qtbot):
    opened(tmp_path, panel, qtbot, scale=(2, 1, 1))
    assert panel.stretch_line.isHidden()

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_unet_nuclei.gui.viewer.staging import Stage


@pytest.mark.parametrize(
    ("image", "shape"), [((40, 30), (40, 30)), ((6, 40, 30), (6, 40, 30)), ((6, 40, 30), (40, 30))]
)
def test_a_layer_made_ready_in_another_thread_is_not_sliced_again_when_it_is_added(image, shape, monkeypatch) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros(image))
    viewer.dims.set_point(0, 3)
    labels = np.zeros(shape, np.int32)
    labels[..., 10:30, 5:25] = 7
    stage, layer = Stage(viewer, "Outlines"), Labels(labels, visible=False)
    sliced: list[int] = []
    find_outlines = Labels._calculate_contour

    def noted(self, *arguments):
        sliced.append(self.contour)
        return find_outlines(self, *arguments)

    monkeypatch.setattr(Labels, "_calculate_contour", noted)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(stage.make_ready, layer, 20.0).result()
    assert len(sliced) == 1
    assert layer.contour == sliced[0] > 0
    viewer.add_layer(layer)
    assert len(sliced) == 1
    assert layer.visible
    viewer.dims.set_point(viewer.dims.ndim - layer.ndim, 4)
    assert len(sliced) == 2, "it follows the viewer as any other layer"

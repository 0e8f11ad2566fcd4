"""A file of a run as napari shows it, whatever its axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.gui.batch.layers import image_arguments, image_array


@pytest.mark.parametrize(
    ("shape", "axes", "given", "layers", "rgb"),
    [
        ((40, 50), "YX", "", 1, False),
        ((40, 50, 3), "YXS", "", 1, True),
        ((40, 50, 4), "YXS", "", 1, True),
        ((40, 50, 2), "YXS", "", 1, False),
        ((40, 50, 4), "YXC", "", 4, False),
        ((3, 40, 50), "QYX", "SYX", 1, True),
        ((3, 40, 50), "QYX", "CYX", 3, False),
        ((2, 40, 50, 3), "CYXS", "", 2, True),
        ((5, 40, 50, 3), "TYXS", "", 1, True),
    ],
)
def test_colours_channels_and_opacity_are_shown(shape, axes, given, layers, rgb) -> None:
    file = ImageFile(Path("a.tif"), np.zeros(shape, np.uint8), axes, PixelSize())
    template = RequestTemplate(axes=given)
    viewer = ViewerModel()
    added = viewer.add_image(image_array(file, template), **image_arguments(file, template))
    shown = added if isinstance(added, list) else [added]
    assert [layer.rgb for layer in shown] == [rgb] * layers
    leading = [length for letter, length in zip(given or axes, shape, strict=True) if letter not in "CSYX"]
    assert all(layer.data.shape[: layer.ndim] == (*leading, 40, 50) for layer in shown)

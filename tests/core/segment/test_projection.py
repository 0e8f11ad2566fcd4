from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.segment.projection import project

PIXELS = np.random.default_rng(0).integers(0, 60_000, (2, 5, 3, 8, 9), np.uint16)


@pytest.mark.parametrize(("projection", "along"), [("maximum", np.max), ("mean", np.mean)])
@pytest.mark.parametrize(("axes", "axis"), [("TZCYX", 1), ("ZTCYX", 0), ("TCZYX", 2)])
def test_a_stack_becomes_its_maximum_or_mean_along_z_alone(projection, along, axes, axis) -> None:
    projected = project(ImageSource(PIXELS, axes), projection)
    assert projected.axes == axes.replace("Z", "")
    np.testing.assert_allclose(projected.array, along(PIXELS, axis=axis), rtol=1e-6)


def test_whole_stacks_stay_as_they_are_and_a_single_plane_is_refused() -> None:
    stack = ImageSource(PIXELS[0], "ZCYX")
    assert project(stack, "each") is stack
    for single in (ImageSource(PIXELS[0, 0], "CYX"), ImageSource(PIXELS[0, :1], "ZCYX")):
        with pytest.raises(ImageShapeError, match="one plane only, and planes is 'maximum'"):
            project(single, "maximum")


def test_the_only_axis_of_a_plain_stack_is_taken_for_depth() -> None:
    assert project(ImageSource(PIXELS[0, :, 0], "QYX"), "mean").axes == "YX"


@pytest.mark.parametrize("axes", ["TYX", "TQYX", "QQYX"])
def test_without_depth_nothing_is_projected(axes) -> None:
    with pytest.raises(ImageShapeError, match="none of which is depth"):
        project(ImageSource(np.zeros((2,) * (len(axes) - 2) + (4, 4)), axes), "maximum")

import numpy as np
import pytest

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.segment.table import SegmentedChannel, column_names


def test_a_channel_shows_the_part_that_was_segmented():
    image = np.arange(4 * 2 * 6 * 8).reshape(4, 2, 6, 8)
    channel = SegmentedChannel(ImageSource(image, "ZCYX"), 1, origin=(2, 1, 3), shape=(1, 4, 5))
    np.testing.assert_array_equal(channel[(0,)], image[2, 1, 1:5, 3:8])


@pytest.mark.parametrize(
    ("axes", "shape", "names", "columns"),
    [
        ("YX", (8, 8), (), ("intensity",)),
        ("YX", (8, 8), ("DAPI",), ("DAPI",)),
        ("CYX", (2, 8, 8), ("DAPI", "GFP"), ("DAPI", "GFP")),
        ("CYX", (2, 8, 8), (), ("channel_0", "channel_1")),
        ("CYX", (3, 8, 8), ("same", "same", "other"), ("same_0", "same_1", "other")),
        ("CYX", (3, 8, 8), ("same", "same", "same_1"), ("channel_0", "channel_1", "channel_2")),
        ("YXS", (8, 8, 4), (), ("red", "green", "blue")),
    ],
)
def test_columns_are_named_by_channel_each_differently(axes, shape, names, columns):
    assert column_names(ImageSource(np.zeros(shape, np.uint8), axes, names)) == columns

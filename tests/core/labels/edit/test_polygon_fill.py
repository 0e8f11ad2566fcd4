from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from skimage.draw import polygon2mask

from napari_unet_nuclei.core.labels.edit.polygon_fill import filled

SHAPE = (24, 28)


def polygons(grid: float) -> Iterator[np.ndarray]:
    """Draw polygons of all kinds, that overlap themselves or lie outside included, with corners on a grid."""
    draws = np.random.default_rng(0)
    for corners in range(3, 12):
        for _ in range(20):
            yield np.round(draws.uniform(-6, 34, (corners, 2)) / grid) * grid


def test_polygons_are_filled_as_scikit_image_fills_them():
    for polygon in polygons(1e-6):
        np.testing.assert_array_equal(filled(SHAPE, polygon), polygon2mask(SHAPE, polygon), str(polygon))


def test_pixels_on_an_edge_belong_to_it():
    for polygon in polygons(1.0):  # of which scikit-image loses some by rounding
        assert not (polygon2mask(SHAPE, polygon) & ~filled(SHAPE, polygon)).any(), str(polygon)
    assert filled((4, 4), np.array([(0, 0), (0, 3), (3, 3), (3, 0)])).all()

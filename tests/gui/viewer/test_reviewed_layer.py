from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_unet_nuclei.gui.viewer.reviewed_layer import (
    REVIEWED,
    add_reviewed_layer,
    is_plane_reviewed,
    mark_plane,
    reviewed_layers,
    reviewed_mask,
    show_reviewed,
)

SHAPE = (30, 40)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def rectangle(y0: float, y1: float, x0: float, x1: float) -> np.ndarray:
    return np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]])


def box(y0: int, y1: int, x0: int, x1: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_nothing_is_reviewed_at_first(viewer):
    layer = viewer.add_labels(np.zeros(SHAPE, np.int32))
    assert reviewed_mask(viewer, layer) is None
    assert not is_plane_reviewed(layer)


def test_a_marked_plane_is_reviewed_as_a_whole_and_tells(viewer):
    layer = viewer.add_labels(np.zeros((3, *SHAPE), np.int32))
    told = []
    layer.events.metadata.connect(lambda event: told.append(event))
    mark_plane(layer, (1,))
    assert reviewed_mask(viewer, layer, (1,)).all()
    assert reviewed_mask(viewer, layer, (0,)) is None
    mark_plane(layer, (1,), reviewed=False)
    assert reviewed_mask(viewer, layer, (1,)) is None
    assert len(told) == 2


def test_areas_count_and_lines_do_not(viewer):
    layer = viewer.add_labels(np.zeros(SHAPE, np.int32))
    shapes = viewer.add_shapes(name=REVIEWED)
    shapes.add([[0, 0], [20, 20]], shape_type="line")
    assert reviewed_mask(viewer, layer) is None
    shapes.add(rectangle(4.5, 9.5, -20, 7.5), shape_type="rectangle")
    np.testing.assert_array_equal(reviewed_mask(viewer, layer), box(5, 10, 0, 8))
    shapes.add(rectangle(10, 20, 20, 30), shape_type="ellipse")
    assert reviewed_mask(viewer, layer)[5:].sum() - 40 == pytest.approx(np.pi * 25, rel=0.1)


def test_shapes_are_matched_in_the_world_whatever_the_units(viewer):
    labels = np.zeros((4, *SHAPE), np.int32)
    layer = viewer.add_labels(
        labels, scale=(2, 0.5, 0.5), translate=(10, 3, 4), rotate=30, units=("µm", "µm", "µm"), name="turned"
    )
    shapes = viewer.add_shapes(ndim=3, name=REVIEWED, units=("nm", "nm", "nm"))
    corners = [(2, 4.5, 9.5), (2, 4.5, 19.5), (2, 14.5, 19.5), (2, 14.5, 9.5)]
    shapes.add(np.array([layer.data_to_world(corner) for corner in corners]) * 1000, shape_type="polygon")
    assert str(viewer.dims.units[-1]) == "nanometer"
    np.testing.assert_array_equal(reviewed_mask(viewer, layer, (2,)), box(5, 15, 10, 20))
    assert reviewed_mask(viewer, layer, (1,)) is None


def test_flat_shapes_lie_on_every_plane_as_they_are_seen(viewer):
    layer = viewer.add_labels(np.zeros((3, *SHAPE), np.int32))
    viewer.add_shapes(rectangle(-1, 9.5, -1, 9.5), shape_type="rectangle", name=REVIEWED)
    assert all(reviewed_mask(viewer, layer, (plane,)).sum() == 100 for plane in range(3))
    show_reviewed(viewer, layer, (1,), box(20, 30, 0, 40))
    assert [reviewed_mask(viewer, layer, (plane,)).sum() for plane in range(3)] == [100, 500, 100]


def test_labels_have_shapes_of_their_own(viewer):
    first, second = (viewer.add_labels(np.zeros(SHAPE, np.int32), scale=(2, 3)) for _ in range(2))
    shapes = add_reviewed_layer(viewer, first)
    assert (shapes.name, list(shapes.scale)) == (REVIEWED, [2, 3])
    assert add_reviewed_layer(viewer, first) is shapes
    assert reviewed_layers(viewer, second) == []
    assert add_reviewed_layer(viewer, second) is not shapes


def test_shapes_of_removed_labels_serve_no_others(viewer):
    gone = viewer.add_labels(np.zeros(SHAPE, np.int32))
    add_reviewed_layer(viewer, gone).add(rectangle(0, 10, 0, 10))
    viewer.layers.remove(gone)
    assert reviewed_mask(viewer, viewer.add_labels(np.zeros(SHAPE, np.int32))) is None


@pytest.mark.parametrize("drawn", [False, True])
def test_what_was_reviewed_is_shown_again(viewer, drawn):
    layer = viewer.add_labels(np.zeros((3, *SHAPE), np.int32), scale=(1, 0.5, 0.5), rotate=20, units=("µm",) * 3)
    if drawn:
        viewer.add_shapes(ndim=3, name=REVIEWED, translate=(0, 5, 5), units=("nm",) * 3)
    mask = box(3, 20, 4, 30) & ~box(8, 12, 10, 20) & ~box(14, 16, 8, 9) | box(25, 30, 35, 40)
    show_reviewed(viewer, layer, (2,), mask)
    np.testing.assert_array_equal(reviewed_mask(viewer, layer, (2,)), mask)
    show_reviewed(viewer, layer, (0,), np.ones(SHAPE, bool))
    assert is_plane_reviewed(layer, (0,))
    assert reviewed_mask(viewer, layer, (1,)) is None


def test_labels_with_swapped_axes(viewer):
    layer = viewer.add_labels(np.zeros(SHAPE, np.int32), axis_labels=("x", "y"))
    shapes = add_reviewed_layer(viewer, layer)
    shapes.add(rectangle(-0.5, 4.5, -0.5, 9.5), shape_type="rectangle")
    np.testing.assert_array_equal(reviewed_mask(viewer, layer), box(0, 10, 0, 5, SHAPE[::-1]))

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_unet_nuclei.core.errors import ImageShapeError, NoSamplesError
from napari_unet_nuclei.gui.finetune.rows import (
    Pixels,
    Row,
    copied,
    correction_of_plane,
    find_plane,
    row_title,
    suggest_rows,
)
from napari_unet_nuclei.gui.viewer.reviewed_layer import REVIEWED, mark_plane

SHAPE = (30, 40)
PLACE = {"scale": (0.5, 0.25), "translate": (3, 4), "rotate": 20, "units": ("um", "um")}


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def pixels(*leading: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (*leading, *SHAPE)).astype(np.uint16)


def nuclei(*leading: int) -> np.ndarray:
    labels = np.zeros((*leading, *SHAPE), np.int32)
    labels[..., 5:10, 5:10], labels[..., 15:20, 25:30] = 7, 3
    return labels


def corrected(viewer: ViewerModel, row: Row):
    return correction_of_plane(find_plane(row, viewer), viewer, copied)


def test_labels_that_lie_on_an_image_are_suggested(viewer):
    image = viewer.add_image(pixels(), name="DAPI", **PLACE)
    viewer.add_image(pixels(), name="far away", translate=(100, 0))
    labels = viewer.add_labels(nuclei(), name="DAPI labels", **PLACE)
    viewer.add_labels(np.zeros((9, 9), np.int32), name="of another size")
    assert suggest_rows(viewer) == [Row(labels, image)]
    assert row_title(Row(labels, image), viewer) == "DAPI labels"


def test_of_several_images_the_one_that_labels_are_named_after_is_theirs_or_the_user_is_asked(viewer):
    images = {name: viewer.add_image(pixels(), name=name) for name in ("GFP", "DAPI", "DAPI deep")}
    labels = viewer.add_labels(nuclei(), name="DAPI deep labels")
    assert suggest_rows(viewer) == [Row(labels, images["DAPI deep"])]
    labels.name = "mine"
    assert suggest_rows(viewer) == [Row(labels, None)]
    with pytest.raises(ImageShapeError, match="Choose the image that 'mine' belongs to"):
        find_plane(Row(labels, None), viewer)


def test_labels_of_classes_are_no_nuclei(viewer):
    viewer.add_image(pixels())
    viewer.add_labels(nuclei(), metadata={"nuclei": {"provenance": {"classes": ["sky", "road"]}}})
    assert suggest_rows(viewer) == []


def test_a_region_drawn_in_the_world_is_taken_down_in_pixels_of_scaled_and_rotated_layers(viewer):
    image = viewer.add_image(pixels(), name="DAPI", **PLACE)
    labels = viewer.add_labels(nuclei(), **PLACE)
    drawn = np.array([labels.data_to_world(corner) for corner in ((1.5, 2.5), (1.5, 20.5), (12.5, 20.5), (12.5, 2.5))])
    viewer.add_shapes([drawn], shape_type="polygon", name=REVIEWED, units=("um", "um"))
    correction = corrected(viewer, Row(labels, image))
    expected = np.zeros(SHAPE, bool)
    expected[2:13, 3:21] = True
    assert np.array_equal(correction.reviewed, expected)
    assert (correction.name, correction.axes) == ("DAPI", "YX")
    assert np.array_equal(correction.labels, labels.data)
    assert (correction.pixel_size.y, correction.pixel_size.x) == pytest.approx((0.5, 0.25))


def test_what_was_taken_down_stays_when_the_layers_change(viewer):
    image, labels = viewer.add_image(pixels(), name="DAPI"), viewer.add_labels(nuclei())
    mark_plane(labels)
    correction = corrected(viewer, Row(labels, image))
    before = correction.image.copy()
    labels.data[:] = 1
    image.data[:] = 0
    viewer.layers.clear()
    assert np.array_equal(correction.image, before)
    assert np.array_equal(correction.labels, nuclei())
    assert correction.reviewed.all()


def test_of_a_stack_the_shown_plane_is_suggested_until_some_are_reviewed(viewer):
    image, labels = viewer.add_image(pixels(4), name="stack"), viewer.add_labels(nuclei(4), name="labels")
    row = Row(labels, image)
    assert suggest_rows(viewer) == [row]
    viewer.dims.set_point(0, 2)
    assert find_plane(row, viewer).index == (2,)
    assert row_title(row, viewer) == "labels · z=2"
    mark_plane(labels, (1,))
    shapes = viewer.add_shapes(ndim=3, name=REVIEWED)
    shapes.add(np.array([[3, 0, 0], [3, 0, 12], [3, 12, 12], [3, 12, 0]]), shape_type="polygon")
    assert suggest_rows(viewer) == [Row(labels, image, (1,)), Row(labels, image, (3,))]
    assert corrected(viewer, Row(labels, image, (1,))).reviewed.all()
    third = corrected(viewer, Row(labels, image, (3,)))
    assert third.name == "stack [z=3]"
    assert np.array_equal(third.image, image.data[3])
    assert 0 < third.reviewed.sum() < third.reviewed.size
    # Their nuclei may be the same ones, which must not teach and judge; those of a single plane are others.
    assert third.stack == corrected(viewer, Row(labels, image, (1,))).stack != ""


def test_labels_of_a_part_of_an_image_come_with_that_part(viewer):
    image = viewer.add_image(pixels(4), name="stack")
    stored = {"origin": (2, 10, 5), "axes": "ZYX", "provenance": {"region": [10, 25, 5, 35], "axes": "ZYX"}}
    part = np.ones((1, 15, 30), np.int32)
    labels = viewer.add_labels(part, metadata={"nuclei": stored}, translate=(2, 10, 5))
    mark_plane(labels, (0,))
    correction = corrected(viewer, Row(labels, image))
    assert np.array_equal(correction.image, image.data[2, 10:25, 5:35])
    assert (correction.name, correction.origin) == ("stack [z=2]", (10, 5))
    assert correction.provenance["plane"] == [2]


def test_colours_and_channels_are_kept(viewer):
    colours = viewer.add_image(np.zeros((*SHAPE, 3), np.uint8), name="HE", rgb=True)
    channels = viewer.add_image(pixels(2), name="both", axis_labels=("c", "y", "x"))
    labels = viewer.add_labels(nuclei())
    mark_plane(labels)
    assert corrected(viewer, Row(labels, colours)).axes == "YXS"
    assert corrected(viewer, Row(labels, channels)).axes == "CYX"


def test_what_the_user_has_accepted_goes_along(viewer):
    image, labels = viewer.add_image(pixels(), name="DAPI"), viewer.add_labels(nuclei())
    mark_plane(labels)
    labels.features = {
        "index": [3, 7], "label": [3, 7], "area_px": [25, 25],
        "centroid_y": [17.0, 7.0], "centroid_x": [27.0, 7.0], "accepted": [True, False],
    }  # fmt: skip
    assert corrected(viewer, Row(labels, image)).accepted == (3,)


def test_planes_that_share_pixels_of_one_image_are_known(viewer):
    image = viewer.add_image(pixels(4), name="stack")
    first, second = viewer.add_labels(nuclei(4)), viewer.add_labels(nuclei(4))
    planes = [find_plane(Row(labels, image, (z,)), viewer) for labels, z in ((first, 1), (second, 1), (second, 2))]
    assert planes[0].overlaps(planes[1])
    assert not planes[0].overlaps(planes[2])


def test_a_lazy_image_is_read_once_and_its_labels_every_time(viewer):
    import dask.array

    reads = []

    def read(block: np.ndarray) -> np.ndarray:
        reads.append(block.shape)
        return block

    lazy = dask.array.from_array(pixels(3), chunks=(1, *SHAPE)).map_blocks(read, meta=np.empty((0, 0, 0), np.uint16))
    image, labels = viewer.add_image(lazy, name="lazy", contrast_limits=(0, 4000)), viewer.add_labels(nuclei(3))
    mark_plane(labels, (0,))
    plane, remembered = find_plane(Row(labels, image, (0,)), viewer), Pixels()
    correction_of_plane(plane, viewer, remembered)
    reads.clear()
    labels.data[0, 0, 0] = 9
    again = correction_of_plane(plane, viewer, remembered)
    assert reads == []
    assert again.labels[0, 0] == 9
    assert np.array_equal(again.image, pixels(3)[0])


def test_what_cannot_be_used_says_why(viewer):
    image, other = viewer.add_image(pixels(), name="DAPI"), viewer.add_image(np.zeros((9, 9)), name="small")
    labels = viewer.add_labels(nuclei(), name="mine")
    with pytest.raises(ImageShapeError, match="Choose a labels layer"):
        find_plane(Row(None, image), viewer)
    with pytest.raises(ImageShapeError, match="Choose the image that 'mine' belongs to"):
        find_plane(Row(labels, None), viewer)
    with pytest.raises(ImageShapeError, match="differ in size"):
        find_plane(Row(labels, other), viewer)
    with pytest.raises(NoSamplesError, match="Nothing of 'DAPI' is marked as reviewed"):
        corrected(viewer, Row(labels, image))
    stack = viewer.add_labels(nuclei(3), name="stack")
    volume = viewer.add_image(pixels(3))
    with pytest.raises(ImageShapeError, match="no longer has the plane"):
        find_plane(Row(stack, volume, (5,)), viewer)
    viewer.dims.ndisplay = 3
    with pytest.raises(ImageShapeError, match="No plane of 'stack' is shown"):
        find_plane(Row(stack, volume), viewer)
    assert find_plane(Row(labels, image), viewer).index == ()

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.gui.viewer.layers import (
    LayerImage,
    describe_layer,
    guess_layer_axes,
    labels_arguments,
)
from napari_unet_nuclei.gui.viewer.view import current_plane, shows_planes

THRESHOLDS = DecodeThresholds(0.5, 0.5, 20)


def described(layer: Image, axes: str = "", level: int = 0) -> LayerImage:
    return describe_layer(layer, axes or guess_layer_axes(layer), level)


def result_of(image: LayerImage, origin: tuple[int, ...], shape: tuple[int, ...]) -> SegmentResult:
    labels = np.arange(1, 1 + np.prod(shape), dtype=np.int32).reshape(shape)
    return SegmentResult(
        labels,
        np.ones(labels.size),
        image.source.channel_axes,
        origin,
        None,
        thresholds=THRESHOLDS,
        model_thresholds=THRESHOLDS,
        provenance={"model": "tiny"},
    )


def add_result(viewer: ViewerModel, image: LayerImage, result: SegmentResult):
    table = pd.DataFrame({"label": [1, 2], "area_px": [10, 20]})
    return viewer.add_labels(image.arrange(result.labels), **labels_arguments(result, image, table))


TRANSFORMS = [
    {"scale": (0.5, 0.25)},
    {"scale": (0.5, 0.25), "translate": (3, -7), "rotate": 30},
    {"scale": (2, 3), "shear": [0.4], "affine": np.array([[0.9, 0.2, 5], [-0.1, 1.1, 6], [0, 0, 1]])},
]


@pytest.mark.parametrize("arguments", TRANSFORMS)
def test_labels_of_a_region_lie_where_their_pixels_do(arguments) -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((40, 50)), units=("um", "um"), axis_labels=("y", "x"), **arguments)
    image = described(layer)
    labels = add_result(viewer, image, result_of(image, (5, 8), (20, 30)))
    assert np.allclose(labels.data_to_world((2, 3)), layer.data_to_world((7, 11)))
    assert labels.units == layer.units
    assert labels.axis_labels == ("y", "x")


def test_one_plane_of_a_stack_lies_at_its_depth() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((3, 9, 40, 50)), scale=(1, 2, 0.3, 0.3), translate=(0, 5, 0, 0))
    image = described(layer)
    assert image.source.leading_axes == "TZ"
    labels = add_result(viewer, image, result_of(image, (1, 4, 0, 0), (1, 1, 40, 50)))
    assert np.allclose(labels.data_to_world((0, 0, 2, 3)), layer.data_to_world((1, 4, 2, 3)))


def test_a_leading_channel_axis_is_dropped_and_every_attribute_sliced() -> None:
    viewer = ViewerModel()
    affine = np.diag([1.0, 1.0, 1.5, 2.5, 1.0])
    affine[2:4, 4] = 7, 8
    layer = viewer.add_image(
        np.zeros((2, 4, 40, 50)), scale=(1, 2, 0.3, 0.3), rotate=np.eye(4), affine=affine,
        axis_labels=("c", "z", "y", "x"), units=("pixel", "um", "um", "um"),
    )  # fmt: skip
    image = described(layer)
    labels = add_result(viewer, image, result_of(image, (0, 0, 0), (4, 40, 50)))
    assert np.allclose(labels.data_to_world((1, 2, 3)), layer.data_to_world((0, 1, 2, 3))[1:])
    assert labels.axis_labels == ("z", "y", "x")
    assert [str(unit) for unit in labels.units] == ["micrometer"] * 3


def test_labels_are_seen_beside_every_channel_between_other_axes() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((3, 2, 40, 50)), axis_labels=("t", "c", "y", "x"))
    image = described(layer)
    labels = add_result(viewer, image, result_of(image, (0, 0, 0), (3, 40, 50)))
    assert labels.data.shape == (3, 1, 40, 50)
    assert image.restore(labels.data).shape == (3, 40, 50)
    for time in range(3):
        for channel in range(2):
            viewer.dims.set_point((0, 1), (time, channel))
            assert labels.get_value((time, channel, 2, 3), world=True) == labels.data[time, 0, 2, 3]


@pytest.mark.parametrize("planes", [(1, 1), (2, 3)])
def test_labels_of_an_image_from_omero_have_the_four_axes_that_napari_omero_uploads(planes) -> None:
    """It uploads a mask for each id and plane of labels (T, Z, Y, X), axes of a single plane included."""
    viewer = ViewerModel()
    channels = viewer.add_image(
        da.zeros((planes[0], 2, planes[1], 40, 50)), channel_axis=1, name=["7: GFP", "7: DAPI"],
        scale=(1, 2, 0.5, 0.5), axis_labels=("t", "z", "y", "x"), metadata={"omero": {"@id": 7}},
    )  # fmt: skip
    image = described(channels[1])
    labels = add_result(viewer, image, result_of(image, (0, 0, 0, 0), (*planes, 40, 50)))
    assert labels.data.shape == (*planes, 40, 50)
    assert labels.axis_labels == ("t", "z", "y", "x")
    assert np.array_equal(labels.scale, channels[1].scale)


def test_planes_that_are_not_last_come_back_in_the_layers_order() -> None:
    layer = Image(np.zeros((50, 40, 6)), axis_labels=("x", "y", "z"))
    image = described(layer)
    assert image.source.leading_axes == "Z"
    labels = np.arange(6 * 40 * 50, dtype=np.int32).reshape(6, 40, 50)
    assert np.array_equal(image.arrange(labels), labels.transpose(2, 1, 0))
    assert np.array_equal(image.restore(image.arrange(labels)), labels)


def test_a_coarse_level_lies_over_the_finest() -> None:
    viewer = ViewerModel()
    levels = [np.zeros((64, 96)), np.zeros((16, 24))]
    layer = viewer.add_image(levels, multiscale=True, scale=(0.5, 0.5), units=("um", "um"))
    image = described(layer, level=1)
    assert image.source.array.shape == (16, 24)
    assert image.pixel_size.y == pytest.approx(2.0)
    labels = add_result(viewer, image, result_of(image, (0, 0), (16, 24)))
    margin = np.array([[0.75, 0.75], [-0.75, -0.75]])
    assert np.allclose(labels.extent.world, layer.extent.world + margin)


def test_pixel_sizes_are_micrometres_whatever_the_unit() -> None:
    nanometres = Image(np.zeros((3, 8, 8)), scale=(2, 650, 325), units=("um", "nm", "nm"))
    size = described(nanometres).pixel_size
    assert (size.z, size.y, size.x) == pytest.approx((2.0, 0.65, 0.325))
    assert not described(Image(np.zeros((8, 8)), scale=(0.5, 0.5))).pixel_size.known


def test_lazy_arrays_are_not_read() -> None:
    def fail(block):
        raise AssertionError("read")

    layer = Image(da.zeros((3, 64, 64), chunks=32).map_blocks(fail, dtype=float), contrast_limits=(0, 1), visible=False)
    assert described(layer).source.array is layer.data


@pytest.mark.parametrize(
    ("shape", "arguments", "file_axes", "axes"),
    [
        ((8, 8), {}, "", "YX"),
        ((3, 8, 8), {}, "", "ZYX"),
        ((3, 8, 8), {}, "CYX", "CYX"),
        ((3, 8, 8), {"axis_labels": ("time", "y", "x")}, "CYX", "TYX"),
        ((3, 8, 8), {"axis_labels": ("angle", "y", "x")}, "", "QYX"),
        ((8, 8, 3), {"rgb": True}, "", "YXS"),
        ((2, 8, 8, 4), {"rgb": True}, "", "ZYXS"),
        ((8, 8, 4), {"rgb": True}, "YXC", "YXC"),
    ],
)
def test_axes_are_named_by_labels_then_file_then_custom(shape, arguments, file_axes, axes) -> None:
    layer = Image(np.full(shape, 255, np.uint8), **arguments)
    assert guess_layer_axes(layer, file_axes) == axes


@pytest.mark.parametrize("frames", [1, 2])
def test_stains_of_a_lazy_array_are_told_by_what_is_on_the_screen(frames) -> None:
    stains = np.random.default_rng(0).integers(0, 200, (frames, 40, 50, 4)).astype(np.uint8)
    colours = stains.copy()
    colours[..., 3] = 255
    viewer, usual = ViewerModel(), "ZYX" if frames > 1 else "YX"
    for pixels, samples in ((stains, "C"), (colours, "S"), (colours * np.uint8([1, 1, 1, 0]), "S")):
        layer = viewer.add_image(
            da.from_array(pixels if frames > 1 else pixels[0], chunks=(1, 20, 20, 4)[-len(usual) - 1 :])
        )
        assert layer.rgb
        assert guess_layer_axes(layer) == usual + samples
    levels = [da.from_array(stains[0][:: 2**level, :: 2**level]) for level in (0, 1)]
    assert guess_layer_axes(viewer.add_image(levels, rgb=True)) == "YXC"


def test_axes_that_do_not_fit_are_refused_in_words() -> None:
    with pytest.raises(ImageShapeError, match="do not describe"):
        describe_layer(Image(np.zeros((3, 8, 8))), "YX")
    with pytest.raises(ImageShapeError, match="has colour samples"):
        describe_layer(Image(np.zeros((8, 8, 3), np.uint8), rgb=True), "YX")


def test_a_labels_layer_never_takes_the_place_of_another() -> None:
    viewer = ViewerModel()
    image = described(viewer.add_image(np.zeros((8, 8)), name="DAPI"))
    first = add_result(viewer, image, result_of(image, (0, 0), (8, 8)))
    second = add_result(viewer, image, result_of(image, (0, 0), (8, 8)))
    assert first.name != second.name
    assert len(viewer.layers) == 3
    assert first.features["index"].tolist() == [1, 2]
    kept = first.metadata["nuclei"]
    assert (kept["provenance"], kept["origin"], kept["axes"]) == ({"model": "tiny"}, (0, 0), "YX")
    assert {"maps", "thresholds"} <= set(kept)


def test_the_current_plane_is_found_beside_a_layer_with_a_finer_unit() -> None:
    viewer = ViewerModel()
    coarse = viewer.add_image(np.zeros((9, 8, 8)), scale=(2, 1, 1), units=("um",) * 3)
    viewer.dims.set_point(0, 8)
    assert current_plane(viewer.dims, coarse, described(coarse)) == (4,)
    viewer.add_image(np.zeros((9, 8, 8)), scale=(2000, 1000, 1000), units=("nm",) * 3)
    viewer.dims.set_point(0, 8000)
    assert current_plane(viewer.dims, coarse, described(coarse)) == (4,)


def test_planes_are_not_in_view_in_3d_or_from_the_side() -> None:
    viewer = ViewerModel()
    image = described(viewer.add_image(np.zeros((9, 8, 8))))
    assert shows_planes(viewer.dims, image)
    viewer.dims.order = (1, 0, 2)
    assert not shows_planes(viewer.dims, image)
    viewer.dims.order = (0, 1, 2)
    viewer.dims.ndisplay = 3
    assert not shows_planes(viewer.dims, image)

from __future__ import annotations

from typing import Any

import dask.array
import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.layers import Image, Labels

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.gui.viewer.labels_and_image import describe_labels, image_under
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY, describe_layer, segmented_from
from napari_unet_nuclei.gui.viewer.measure_request import ask, measure_layers, with_network_columns
from napari_unet_nuclei.gui.viewer.pairing import is_exchanged

PLANE = np.zeros((20, 30), np.int32)
PLANE[2:8, 3:9] = 1
PLANE[10:18, 12:28] = 5
STACK = np.stack([PLANE, np.where(PLANE > 0, PLANE + 10, 0), PLANE * 0])


def measured(labels: Labels, *images: Image) -> pd.DataFrame:
    """The whole way from layers to a table."""
    request = ask(labels, images)
    return measure_layers(request, request.labels.copied(), labels.features.copy(), Silent()).table


def ours(labels: np.ndarray, axes: str, origin: tuple[int, ...], region: Any = None, **arguments: Any) -> Labels:
    """A labels layer as the Segment dock makes it."""
    stored = {"provenance": {"region": region}, "origin": origin, "axes": axes}
    return Labels(labels, metadata={"nuclei": stored}, **arguments)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1000, shape).astype(np.uint16)


def test_every_ticked_layer_is_measured_under_its_name():
    dapi, gfp = noise(20, 30), noise(20, 30) + 1000
    table = measured(Labels(PLANE), Image(dapi, name="DAPI"), Image(gfp, name="GFP"))
    for name, image in (("DAPI", dapi), ("GFP", gfp)):
        np.testing.assert_allclose(table[f"{name}_mean"], [image[label == PLANE].mean() for label in (1, 5)])


def test_colours_are_measured_one_by_one():
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 4)).astype(np.uint8)
    picture[..., 3] = 255
    table = measured(Labels(PLANE), Image(picture, rgb=True, name="H&E"))
    assert [name for name in table.columns if name.endswith("_mean")] == [
        "H&E_red_mean",
        "H&E_green_mean",
        "H&E_blue_mean",
        "H&E_haematoxylin_od_mean",
        "H&E_dab_od_mean",
    ]
    np.testing.assert_allclose(table["H&E_blue_max"], [picture[..., 2][label == PLANE].max() for label in (1, 5)])


@pytest.mark.parametrize(("lead", "image_lead"), [(1, 0), (0, 1), (1, 2)])
@pytest.mark.parametrize("rgb", [False, True])
def test_axes_of_a_single_plane_do_not_keep_labels_from_their_image(lead, image_lead, rgb):
    image = noise(20, 30)
    shown = np.stack([image // 4] * 3, -1).astype(np.uint8) if rgb else image
    layer = Image(shown[(None,) * image_lead], rgb=rgb, name="DAPI")
    table = measured(Labels(PLANE[(None,) * lead]), layer)
    of = shown[..., 0] if rgb else image
    np.testing.assert_allclose(
        table.filter(regex="(DAPI|red)_mean").iloc[:, 0], [of[label == PLANE].mean() for label in (1, 5)]
    )
    with pytest.raises(ImageShapeError, match="differ in size"):
        measured(Labels(STACK), layer)


@pytest.mark.parametrize("times", [1, 3])
def test_four_stains_that_napari_shows_as_a_colour_and_its_opacity_are_channels(times):
    stains = np.random.default_rng(0).integers(0, 255, (times, 20, 30, 4)).astype(np.uint8)
    layer = Image(stains if times > 1 else stains[0], rgb=True, name="stained")
    table = measured(Labels(STACK[:times] if times > 1 else PLANE), layer)
    names = [f"stained_channel_{number}_mean" for number in range(4)]
    assert [name for name in table.columns if name.endswith("_mean")] == names
    np.testing.assert_allclose(table[names].iloc[0], stains[0][PLANE == 1].mean(axis=0))


def test_a_palette_is_measured_by_its_colours_though_napari_shows_its_indices(modest_viewer, tmp_path):
    indices = np.random.default_rng(0).integers(0, 4, (20, 30)).astype(np.uint8)
    table = np.zeros((3, 256), np.uint16)
    table[:, :4] = np.array([[200, 10, 90], [20, 180, 40], [7, 8, 150], [99, 98, 3]]).T * 257
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=table)
    [layer] = modest_viewer.open(tmp_path / "a.tif", plugin="napari")
    assert layer.data.shape == (20, 30)
    means = measured(Labels(PLANE), layer)[["a_red_mean", "a_green_mean", "a_blue_mean"]].iloc[0]
    np.testing.assert_allclose(means, (table[:, :4].T // 257)[indices[PLANE == 1]].mean(axis=0))
    labels = Labels(PLANE, metadata={"nuclei": {"image": segmented_from(describe_layer(layer, "YX"))}})
    assert not is_exchanged(labels, layer)


def test_a_colour_picture_of_fluorescence_has_no_stains():
    picture = np.random.default_rng(0).integers(1, 5, (20, 30, 3)).astype(np.uint8)
    picture[PLANE > 0] = (0, 30, 200)
    table = measured(Labels(PLANE), Image(picture, rgb=True, name="DAPI"))
    assert not [name for name in table.columns if "_od_" in name]


@pytest.mark.parametrize("axis", [0, 1])
def test_an_axis_that_the_labels_lack_is_channels(axis):
    image = noise(3, 20, 30)[:, None] + np.array([0, 5000], np.uint16)[None, :, None, None]
    layer = Image(np.moveaxis(image, 1, axis), name="cells")
    table = measured(Labels(STACK), layer)
    assert set(table["cells_channel_1_mean"] - table["cells_channel_0_mean"]) == {5000}
    assert table["z"].tolist() == [0, 0, 1, 1]


def test_of_a_multiscale_image_the_level_of_the_labels_is_measured():
    fine = noise(40, 60)
    layer = Image([fine, fine[::2, ::2]], multiscale=True, name="slide")
    coarse = measured(Labels(PLANE), layer)
    np.testing.assert_allclose(coarse["slide_sum"], [fine[::2, ::2][label == PLANE].sum() for label in (1, 5)])
    finest = measured(Labels(np.kron(PLANE, np.ones((2, 2), np.int32))), layer)
    assert (finest["area_px"] == 4 * coarse["area_px"]).all()


def test_lazy_images_and_labels_are_read_when_measured():
    lazy = Labels(dask.array.from_array(STACK, chunks=(1, 10, 30)))
    image = Image(dask.array.from_array(noise(3, 20, 30), chunks=(1, 20, 30)), name="i")
    expected = measured(Labels(STACK), Image(noise(3, 20, 30), name="i"))
    assert measured(lazy, image).equals(expected)


def test_labels_of_a_region_are_measured_where_they_were_segmented():
    image = noise(50, 60)
    layer = ours(PLANE, "YX", (7, 11), region=[7, 27, 11, 41], translate=(7, 11))
    table = measured(layer, Image(image, name="i"))
    inside = image[7:27, 11:41]
    np.testing.assert_allclose(table["i_sum"], [inside[label == PLANE].sum() for label in (1, 5)])
    assert table[["centroid_y", "centroid_x"]].iloc[0].to_list() == [11.5, 16.5]
    assert table[["world_y", "world_x"]].iloc[0].to_list() == [11.5, 16.5]


def test_labels_of_one_plane_are_measured_on_that_plane():
    image = noise(5, 4, 20, 30)
    layer = ours(PLANE[None, None], "TZYX", (3, 2, 0, 0), translate=(3, 2, 0, 0))
    table = measured(layer, Image(image, name="i"))
    assert table["i_sum"].tolist() == [image[3, 2][label == PLANE].sum() for label in (1, 5)]
    assert table[["t", "z"]].to_numpy().tolist() == [[3, 2], [3, 2]]


def test_labels_seen_beside_all_channels_have_no_channel_axis_in_the_table():
    image = noise(3, 2, 20, 30)
    layer = Labels(STACK[:, None], axis_labels=("t", "c", "y", "x"), scale=(1, 2, 1, 1))
    table = measured(layer, Image(image, axis_labels=("t", "c", "y", "x"), name="i"))
    assert list(table.columns[:3]) == ["label", "t", "area_px"]
    assert table["i_channel_1_sum"].tolist()[:2] == [image[0, 1][label == PLANE].sum() for label in (1, 5)]


def test_transposed_labels_are_measured_right():
    names = ("x", "y")
    table = measured(Labels(PLANE.T, axis_labels=names), Image(noise(20, 30).T, axis_labels=names, name="i"))
    plain = measured(Labels(PLANE), Image(noise(20, 30), name="i"))
    pd.testing.assert_frame_equal(table, plain)


@pytest.mark.parametrize(
    ("labels", "image"),
    [
        (Labels(PLANE), Image(noise(40, 60))),
        (Labels(STACK), Image(noise(20, 30))),
        (Labels(PLANE), Image(noise(4, 3, 20, 30))),
        (ours(PLANE, "YX", (0, 0)), Image(noise(40, 60))),
        (ours(PLANE, "YX", (30, 40), region=[30, 50, 40, 70]), Image(noise(40, 60))),
        (ours(STACK, "ZYX", (0, 0, 0)), Image(noise(9, 20, 30))),
    ],
)
def test_an_image_of_another_size_is_refused_by_name(labels, image):
    image.name = "GFP"
    with pytest.raises(ImageShapeError, match=r"'GFP' \(.* × .*\) and the labels \(.*20 × 30\) differ in size"):
        ask(labels, [image])


def test_the_pixel_size_is_the_layers_length_of_a_step_in_micrometres():
    turned = Labels(PLANE, scale=(500, 250), rotate=30, units=("nm", "nm"))
    assert ask(turned, []).pixel_size.y == pytest.approx(0.5)
    assert ask(turned, []).pixel_size.x == pytest.approx(0.25)


def test_labels_without_pixel_size_take_that_of_the_image():
    image = Image(noise(20, 30), scale=(0.5, 0.5), units=("µm", "µm"))
    assert measured(Labels(PLANE), image)["area_um2"].tolist() == [9.0, 32.0]


def test_images_that_lie_elsewhere_are_named():
    images = [
        Image(noise(20, 30), name="exact"),
        Image(noise(20, 30), name="shifted", translate=(0, 3)),
        Image(noise(20, 30), name="sized", scale=(0.5, 0.5), units=("µm", "µm")),
    ]
    assert ask(Labels(PLANE), images).displaced == ("shifted", "sized")
    region = ours(PLANE, "YX", (7, 11), region=[7, 27, 11, 41], translate=(7, 11))
    assert ask(region, [Image(noise(50, 60))]).displaced == ()


def test_world_coordinates_follow_the_layer():
    layer = Labels(STACK, scale=(2, 0.5, 0.5), translate=(10, 1, 2), rotate=20)
    table = measured(layer)
    first = [0, table["centroid_y"][0], table["centroid_x"][0]]
    assert table[["world_z", "world_y", "world_x"]].iloc[0].to_list() == pytest.approx(list(layer.data_to_world(first)))


def test_a_position_in_the_table_leads_to_the_world_and_back():
    place = describe_labels(ours(PLANE, "YX", (7, 11), scale=(2, 3), rotate=40, translate=(5, 6))).place
    np.testing.assert_allclose(place.position(place.world(np.array([12.0, 20.0]))), [12.0, 20.0])


def test_labels_that_are_painted_on_meanwhile_are_measured_as_they_were():
    layer = Labels(PLANE.copy())
    request = ask(layer, [])
    ids = request.labels.copied()
    layer.data[:] = 0
    assert len(measure_layers(request, ids, pd.DataFrame(), Silent()).table) == 2


def test_of_a_label_in_several_frames_the_row_of_the_nearest_frame_is_found():
    request = ask(Labels(np.stack([PLANE] * 4), axis_labels=("t", "y", "x")), [])
    measurement = measure_layers(request, request.labels.copied(), pd.DataFrame(), Silent())
    row = measurement.row_at(5, np.array([2.2, 0.0, 0.0]))
    assert measurement.table.loc[row, ["label", "t"]].to_list() == [5, 2]
    assert measurement.position(row).tolist() == [2, 13.5, 19.5]
    assert measurement.row_at(77, np.zeros(3)) == -1


def test_confidence_stays_with_nuclei_that_were_not_changed():
    table = measured(Labels(PLANE))
    before = table.assign(confidence=[0.9, 0.4], index=table["label"])
    changed = PLANE.copy()
    changed[10, 12] = 0
    after = measured(Labels(changed, features=before))
    assert after["confidence"].fillna(-1).tolist() == [0.9, -1]
    assert "confidence" not in with_network_columns(table, pd.DataFrame({"index": [1]}))


def test_a_layer_is_described_without_reading_pixels():
    reads = []

    def read(block: np.ndarray) -> np.ndarray:
        reads.append(block.shape)
        return block

    lazy = dask.array.zeros((3, 20, 30), chunks=(1, 20, 30), dtype=np.uint16).map_blocks(read, dtype=np.uint16)
    image = Image(lazy, contrast_limits=(0, 1), name="i")
    reads.clear()
    assert list(image_under(image, describe_labels(Labels(STACK))).channels) == ["i"]
    assert reads == []


@pytest.mark.parametrize("um", [1.0, 0.0])
def test_stacks_that_the_layer_shows_without_a_scale_are_measured_as_they_were_segmented(um):
    z, y, x = np.ogrid[-5:6, -12:13, -12:13]
    ball = ((2 * z) ** 2 + y**2 + x**2 < 100).astype(np.int32)
    made = {"planes": "volume", "pixel_size_um": [0.5, 0.5], "z_spacing": {"pixels": 2.0, "um": um}}
    layer = Labels(ball, metadata={METADATA_KEY: {"provenance": made, "axes": "ZYX", "origin": (0, 0, 0)}})
    request = ask(layer, [])
    row = measure_layers(request, request.labels.copied(), layer.features, Silent()).table.iloc[0]
    assert row["sphericity"] == pytest.approx(1, abs=0.02)
    assert row["volume_um3"] == pytest.approx(ball.sum() * 0.25, nan_ok=True) if um else np.isnan(row["volume_um3"])

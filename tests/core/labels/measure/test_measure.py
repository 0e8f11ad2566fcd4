from __future__ import annotations

import dask.array
import numpy as np
import pytest
import xarray
import zarr
from skimage.measure import regionprops_table

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.measure import shapes
from napari_unet_nuclei.core.labels.measure.measure import measure
from napari_unet_nuclei.core.progress import Cancelled
from tests.helpers import samples

TWO_NUCLEI = np.array(
    [
        [3, 3, 0, 0, 0],
        [3, 3, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 9, 9, 0],
        [0, 0, 0, 0, 0],
    ],
    np.int32,
)
INTENSITY = np.arange(25, dtype=np.uint8).reshape(5, 5)


def random_labels(seed: int, shape: tuple[int, int] = (60, 80), count: int = 12) -> np.ndarray:
    """Discs over each other: touching, cut, at the edge, and in several pieces."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for number in range(1, count + 1):
        centre_y, centre_x, radius = rng.integers(0, shape[0]), rng.integers(0, shape[1]), rng.integers(1, 9)
        labels[(y - centre_y) ** 2 + (x - centre_x) ** 2 * rng.uniform(0.4, 1) <= radius**2] = number * 7
    return labels


def test_written_out_example():
    table = measure(TWO_NUCLEI, {"GFP": INTENSITY}, pixel_size_y=0.5, pixel_size_x=0.25)
    assert list(table.columns) == [
        "label",
        "area_px",
        "area_um2",
        "diameter_px",
        "diameter_um",
        "centroid_y",
        "centroid_x",
        "GFP_mean",
        "GFP_min",
        "GFP_max",
        "GFP_sum",
        "eccentricity",
        "solidity",
        "touches_edge",
    ]
    assert table["label"].tolist() == [3, 9]
    assert table["area_px"].tolist() == [4, 2]
    assert table["area_um2"].tolist() == [0.5, 0.25]
    assert table["diameter_px"].tolist() == pytest.approx([2.2568, 1.5958], abs=1e-4)
    assert table["diameter_um"].tolist() == pytest.approx([0.7979, 0.5642], abs=1e-4)
    assert table[["centroid_y", "centroid_x"]].to_numpy().tolist() == [[0.5, 0.5], [3.0, 2.5]]
    assert table.filter(like="GFP").to_numpy().tolist() == [[3.0, 0.0, 6.0, 12.0], [17.5, 17.0, 18.0, 35.0]]
    assert table["eccentricity"].tolist() == [0.0, 1.0]
    assert table["touches_edge"].tolist() == [True, False]


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_image(seed, monkeypatch):
    monkeypatch.setattr(shapes, "GROUP", 5)
    labels = random_labels(seed)
    image = np.random.default_rng(seed).normal(size=labels.shape).astype(np.float32)
    ours = measure(labels, {"i": image})
    names = {
        "label": "label",
        "area_px": "area",
        "diameter_px": "equivalent_diameter_area",
        "centroid_y": "centroid-0",
        "centroid_x": "centroid-1",
        "i_mean": "intensity_mean",
        "i_min": "intensity_min",
        "i_max": "intensity_max",
        "eccentricity": "eccentricity",
        "solidity": "solidity",
    }
    properties = sorted({name.partition("-")[0] for name in names.values()})
    reference = regionprops_table(labels, image, properties=properties)
    for column, name in names.items():
        np.testing.assert_allclose(ours[column], reference[name], rtol=1e-5, atol=1e-6, err_msg=column)


def test_every_image_has_columns_of_its_own():
    table = measure(TWO_NUCLEI, {"DAPI": INTENSITY, "GFP": 2 * INTENSITY})
    assert (table["GFP_sum"] == 2 * table["DAPI_sum"]).all()


def test_a_single_image_needs_no_name():
    labels, image = np.array([[0, 7, 7]]), np.array([[9, 1, 2]])
    assert measure(labels, image)["intensity_mean"].tolist() == [1.5]
    assert measure(labels, image.tolist()).equals(measure(labels, {"intensity": image}))
    with pytest.raises(ImageShapeError, match="the labels have"):
        measure(labels, np.stack([image, image]))


def test_without_pixel_size_lengths_in_micrometres_are_empty():
    table = measure(TWO_NUCLEI, pixel_size_y=0.5)
    assert table[["area_um2", "diameter_um"]].isna().all(axis=None)


def test_a_stack_has_one_row_per_nucleus_and_plane():
    labels = np.zeros((2, 3, 5, 5), np.int32)
    labels[0, 2] = TWO_NUCLEI
    labels[1, 0, 2, 2] = labels[1, 1, 2, 2] = 40
    table = measure(labels, {"i": np.broadcast_to(INTENSITY, labels.shape)}, axes="TZYX")
    assert table[["label", "t", "z"]].to_numpy().tolist() == [[3, 0, 2], [9, 0, 2], [40, 1, 0], [40, 1, 1]]
    assert table["i_sum"].tolist() == [12, 35, 12, 12]


def test_unknown_axes_are_named_by_their_position():
    assert list(measure(np.ones((2, 2, 3, 3), np.uint8)).columns[:3]) == ["label", "axis_0", "axis_1"]


def test_positions_count_from_the_origin_of_the_whole_image():
    table = measure(TWO_NUCLEI[None], axes="TYX", origin=(4, 100, 200))
    assert table[["t", "centroid_y", "centroid_x"]].to_numpy().tolist() == [[4, 100.5, 200.5], [4, 103.0, 202.5]]


def test_world_coordinates_follow_the_matrix():
    turned = np.array([[60.0, 0, 0, 5], [0, 0, -0.5, 1], [0, 0.5, 0, 2], [0, 0, 0, 1]])
    table = measure(TWO_NUCLEI[None], axes="TYX", origin=(4, 0, 0), world=turned)
    assert table[["world_t", "world_y", "world_x"]].to_numpy().tolist() == [[245, 0.75, 2.25], [245, -0.25, 3.5]]


@pytest.mark.parametrize("shape", [(5, 5), (0, 0), (3, 5, 5), (0, 5, 5)])
def test_without_nuclei_all_columns_are_there(shape):
    axes = "ZYX"[-len(shape) :]
    maps = np.zeros((int(np.prod(shape[:-2])), 3, *shape[-2:]), np.uint8)
    arguments = {"axes": axes, "world": np.eye(len(shape) + 1), "maps": maps}
    empty = measure(np.zeros(shape, np.int32), {"i": np.zeros(shape)}, **arguments)
    assert len(empty) == 0
    full = measure(TWO_NUCLEI, {"i": INTENSITY}, world=np.eye(3), maps=np.zeros((1, 3, 5, 5), np.uint8))
    assert [name for name in empty.columns if name not in ("z", "world_z")] == list(full.columns)
    assert empty[full.columns].dtypes.equals(full.dtypes)


@pytest.mark.parametrize("dtype", [bool, np.uint8, ">i2", np.uint32, np.uint64, np.float32])
def test_any_dtype_of_labels(dtype):
    labels = (TWO_NUCLEI == 9).astype(dtype)
    assert measure(labels)["area_px"].tolist() == [np.count_nonzero(labels)]


def test_huge_ids_and_gaps_cost_nothing():
    labels = TWO_NUCLEI.astype(np.int64) * 10**12
    assert measure(labels)["label"].tolist() == [3 * 10**12, 9 * 10**12]


def test_negative_ids_are_background():
    assert measure(np.where(TWO_NUCLEI == 3, -1, TWO_NUCLEI))["label"].tolist() == [9]


@pytest.mark.parametrize("wrap", [dask.array.from_array, zarr.array, xarray.DataArray, np.asfortranarray])
def test_lazy_and_foreign_arrays(wrap):
    labels, image = np.stack([TWO_NUCLEI] * 3), np.stack([INTENSITY] * 3)
    assert measure(wrap(labels), {"i": wrap(image)}, axes="ZYX").equals(measure(labels, {"i": image}, axes="ZYX"))


def test_pixels_that_are_not_finite_are_left_out():
    image = INTENSITY.astype(np.float32)
    image[0, 0], image[0, 1], image[3, 2:4] = np.nan, np.inf, -np.inf
    table = measure(TWO_NUCLEI, {"i": image})
    assert table.filter(like="i_").iloc[0].tolist() == [5.5, 5.0, 6.0, 11.0]
    assert table.filter(like="i_").iloc[1].isna().all()


@pytest.mark.parametrize("labels", [np.ones((1, 1)), np.ones((1, 9)), np.ones((9, 1)), np.eye(4)])
def test_lines_and_single_pixels_have_shapes(labels):
    maps = np.zeros((1, 3, *labels.shape), np.uint8)
    maps[:, 0] = 255
    table = measure(labels.astype(np.int32), maps=maps)
    assert np.isfinite(table[["eccentricity", "solidity", "confidence"]]).all(axis=None)
    assert table["confidence"].tolist() == [1.0]


def test_a_border_across_the_middle_lowers_confidence_and_one_at_the_outline_hardly():
    labels = np.zeros((24, 44), np.int32)
    labels[2:22, 2:42] = 1
    foreground = np.where(labels > 0, 240, 10)
    across, beside = np.zeros(labels.shape), np.zeros(labels.shape)
    across[:, 20:24] = beside[:, 38:42] = 255
    without, outline, middle = (
        measure(labels, maps=np.stack([foreground, border, foreground])[None].astype(np.uint8)).confidence[0]
        for border in (0 * across, beside, across)
    )
    assert without == pytest.approx(240 / 255)
    assert middle < outline - 0.1
    assert outline > without - 0.05


@pytest.mark.parametrize(
    ("labels", "images", "arguments", "told"),
    [
        (TWO_NUCLEI, {"GFP": np.zeros((5, 6))}, {}, r"'GFP' has the shape \(5, 6\)"),
        (TWO_NUCLEI, {"RGB": np.zeros((*TWO_NUCLEI.shape, 3))}, {}, "colours or channels one by one"),
        (TWO_NUCLEI, {"GFP": np.zeros((5, 5), complex)}, {}, "real numbers"),
        (TWO_NUCLEI, {}, {"axes": "ZYX"}, "axes 'ZYX'"),
        (TWO_NUCLEI, {}, {"axes": "XY"}, "Y and X last"),
        (TWO_NUCLEI[0], {}, {}, "Labels of shape"),
        (TWO_NUCLEI, {}, {"origin": (1, 2, 3)}, "origin"),
        (TWO_NUCLEI, {}, {"world": np.eye(4)}, "3 rows"),
        (TWO_NUCLEI, {}, {"maps": np.zeros((1, 3, 4, 4), np.uint8)}, "Maps of shape"),
        (TWO_NUCLEI + 0.5, {}, {}, "fractions"),
        (TWO_NUCLEI + 0j, {}, {}, "no real numbers"),
    ],
)
def test_what_does_not_fit_is_named(labels, images, arguments, told):
    with pytest.raises(ImageShapeError, match=told):
        measure(labels, images, **arguments)


def test_progress_rises_to_one_and_cancelling_stops_at_the_next_report(recording, monkeypatch):
    monkeypatch.setattr(shapes, "GROUP", 4)
    labels = np.stack([random_labels(1), random_labels(2)])
    progress = recording()
    measure(labels, axes="ZYX", progress=progress)
    assert progress.fractions[0] == 0
    assert progress.fractions[-1] == 1
    assert len(progress.fractions) >= 6
    cancelling = recording(cancel_after=4)
    with pytest.raises(Cancelled):
        measure(labels, axes="ZYX", progress=cancelling)
    assert len(cancelling.events) == 4


def test_true_nuclei_of_a_sample_are_measured_in_both_channels():
    sample = samples.two_channels()
    table = measure(sample.labels, dict(zip(sample.channel_names, sample.image, strict=True)))
    assert len(table) == len(np.unique(sample.labels)) - 1
    assert table["area_px"].sum() == (sample.labels > 0).sum()
    assert table["DAPI_mean"].mean() > sample.image[0][sample.labels == 0].mean()

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import scipy.sparse
import torch
import xarray
import zarr

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.arrays import find_axes, take_array

PLANE = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
COLOURS = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda plane: plane,
        lambda plane: plane.tolist(),
        lambda plane: tuple(map(tuple, plane.tolist())),
        lambda plane: torch.from_numpy(plane.astype(np.int32)),
        lambda plane: torch.from_numpy(plane.astype(np.float32)).requires_grad_(),
        lambda plane: scipy.sparse.csr_matrix(plane),
        lambda plane: np.ma.masked_array(plane),
        lambda plane: [plane, plane[::2, ::2]],
        lambda plane: [plane],
    ],
)
def test_what_holds_pixels_is_an_array(wrap) -> None:
    assert np.array_equal(take_array(wrap(PLANE)).array, PLANE)


@pytest.mark.parametrize("wrap", [dask.array.from_array, zarr.array, xarray.DataArray])
def test_lazy_arrays_stay_lazy(wrap) -> None:
    given = wrap(PLANE)
    assert take_array(given).array is given


def test_bfloat16_is_read() -> None:
    assert take_array(torch.ones(3, 4, dtype=torch.bfloat16)).array.tolist() == [[1.0] * 4] * 3


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float16", "float64"])
def test_masked_pixels_are_no_picture(dtype: str) -> None:
    masked = np.ma.masked_where(PLANE % 7 == 0, PLANE.astype(dtype))
    array = take_array(masked).array
    assert np.array_equal(np.isnan(array), PLANE % 7 == 0)
    assert np.array_equal(array[PLANE % 7 > 0], PLANE.astype(dtype)[PLANE % 7 > 0])


def test_equal_planes_are_a_stack_and_smaller_ones_a_pyramid() -> None:
    assert take_array([PLANE, PLANE, PLANE]).array.shape == (3, 40, 50)
    assert take_array([PLANE, PLANE[::2, ::2]], level=1).array.shape == (20, 25)
    with pytest.raises(ImageShapeError, match="neither a stack nor a pyramid"):
        take_array([PLANE[::2, ::2], PLANE])
    with pytest.raises(ImageShapeError, match="no level 1"):
        take_array(PLANE, level=1)
    with pytest.raises(ImageShapeError, match="2 levels"):
        take_array([PLANE, PLANE[::2, ::2]], level=5)


@pytest.mark.parametrize("image", [[[1, 2], [3]], "text", None, object(), {"a": 1}, [["a"]], PLANE * 1j, [None, PLANE]])
def test_anything_else_is_refused_in_words(image) -> None:
    with pytest.raises(ImageShapeError):
        take_array(image)


@pytest.mark.parametrize(
    ("dims", "axes"),
    [
        (("t", "z", "y", "x"), "TZYX"),
        (("Time", "Channel", "row", "column"), "TCYX"),
        (("scan", "c", "y", "x"), "QCYX"),
        (("dim_0", "dim_1", "dim_2", "dim_3"), ""),
        (("y", "y2", "a", "b"), ""),
    ],
)
def test_an_xarray_names_its_axes(dims, axes) -> None:
    assert take_array(xarray.DataArray(np.zeros((2, 3, 4, 5)), dims=dims)).axes == axes


def test_an_xarray_names_its_channels() -> None:
    image = xarray.DataArray(np.zeros((2, 4, 5)), dims=("c", "y", "x"), coords={"c": ["DAPI", "GFP"]})
    assert take_array(image).channel_names == ("DAPI", "GFP")


@pytest.mark.parametrize(
    ("array", "axes"),
    [
        (COLOURS, "YXS"),
        (COLOURS.astype(np.uint16) * 257, "YXS"),
        (COLOURS / 255, "YXS"),
        (COLOURS.astype(np.float32), "YXS"),
        (COLOURS.astype(np.int64), "YXS"),
        (COLOURS / np.pi, "YXC"),
        (COLOURS.astype(np.int16) - 100, "YXC"),
        (np.dstack([COLOURS, np.full((40, 50), 255, np.uint8)]), "YXS"),
        (np.dstack([COLOURS, COLOURS[..., 0]]), "YXC"),
        (np.stack([COLOURS] * 5), "ZYXS"),
        (np.moveaxis(COLOURS, -1, 0), "ZYX"),
        (COLOURS[..., :2], "YXC"),
        (COLOURS[..., :1], "YXC"),
        (np.full((40, 50, 3), np.nan), "YXC"),
    ],
)
def test_colours_are_told_by_shape_and_values(array, axes) -> None:
    assert find_axes(array) == axes


def test_colours_are_not_looked_for_where_there_are_no_values() -> None:
    assert find_axes(np.zeros((0, 17, 17, 3), bool))[-1] == "C"


@pytest.mark.parametrize("shape", [(50, 40), (38, 38), (40, 20)])
def test_images_of_other_sizes_are_no_levels(shape) -> None:
    with pytest.raises(ImageShapeError, match="neither a stack nor a pyramid"):
        take_array([np.zeros((40, 50)), np.zeros(shape)])


@pytest.mark.parametrize(
    "shapes",
    [[(101, 75), (51, 38), (26, 19), (13, 10)], [(40, 400), (40, 200)], [(3, 9), (2, 5), (1, 3), (1, 1)]],
)
def test_levels_may_be_rounded_or_reduced_along_one_side(shapes) -> None:
    assert take_array([np.zeros(shape) for shape in shapes], level=1).array.shape == shapes[1]

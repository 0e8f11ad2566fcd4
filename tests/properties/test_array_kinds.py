"""The nuclei are those of the picture, in whatever array the picture comes."""

from __future__ import annotations

from functools import cache

import dask.array
import numpy as np
import xarray
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.labels.metrics.overlaps import match
from napari_unet_nuclei.core.samples.drawing import camera, draw_nuclei
from napari_unet_nuclei.core.segment.run import segment
from tests.helpers.effort import some_examples


@cache
def picture() -> np.ndarray:
    """Nuclei in grey values that every number format can hold."""
    rng = np.random.default_rng(4)
    light, _ = draw_nuclei((90, 100), 22, 9, rng, clumped=0.3)
    return camera(light, rng, gain=0.3, offset=10).clip(0, 127).astype(np.uint8)


@cache
def wanted(kind: str) -> np.ndarray:
    return segment(picture().astype(kind), axes="YX", device="cpu").labels


def strided(array: np.ndarray) -> np.ndarray:
    larger = np.zeros([2 * size for size in array.shape], array.dtype)
    larger[::2, ::2] = array
    return larger[::2, ::2]


LAYOUTS = {
    "plain": np.ascontiguousarray,
    "columns first": np.asfortranarray,
    "every second": strided,
    "backwards": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "read only": lambda array: np.broadcast_to(array, array.shape),
}
CONTAINERS = {
    "numpy": lambda array: array,
    "dask": lambda array: dask.array.from_array(array, chunks=(37, 41)),
    "zarr": lambda array: zarr.array(np.ascontiguousarray(array), chunks=(37, 41)),
    "xarray": xarray.DataArray,
    "xarray of dask": lambda array: xarray.DataArray(dask.array.from_array(array, chunks=50), dims=("y", "x")),
}
KINDS = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


@some_examples(0.8)
@given(
    st.sampled_from(KINDS), st.sampled_from("<>"), st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(CONTAINERS))
)
def test_number_format_byte_order_layout_and_container_do_not_matter(kind, order, layout, container):
    array = LAYOUTS[layout](picture().astype(order + kind))
    labels = segment(CONTAINERS[container](array), axes="YX", device="cpu").labels
    assert labels.max() > 4
    assert np.array_equal(labels, wanted(kind))
    assert match(labels, wanted("u1"), (0.9,)).average_precision[0] == 1


@some_examples(0.3)
@given(st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(CONTAINERS)))
def test_masks_are_pictures_too(layout, container):
    mask = picture() > 40
    labels = segment(CONTAINERS[container](LAYOUTS[layout](mask)), axes="YX", device="cpu").labels
    assert np.array_equal(labels, segment(mask.astype(np.uint8), axes="YX", device="cpu").labels)


@some_examples(0.3)
@given(st.sampled_from(["YX", "XY"]), st.sampled_from(sorted(CONTAINERS)), st.booleans())
def test_where_the_axes_stand_does_not_matter(axes, container, channel_last):
    array = picture() if axes == "YX" else picture().T
    array = np.stack([np.zeros_like(array), array], axis=-1 if channel_last else 0)
    with_channel = axes + "C" if channel_last else "C" + axes
    chunked = {"dask": lambda a: dask.array.from_array(a, chunks=-1), "zarr": zarr.array}
    put = chunked.get(container, lambda a: a)
    labels = segment(put(np.ascontiguousarray(array)), axes=with_channel, channel=1, device="cpu").labels
    assert np.array_equal(labels, wanted("u1"))

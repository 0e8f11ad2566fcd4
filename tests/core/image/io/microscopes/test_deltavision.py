"""DeltaVision files: sequences of planes, byte orders, sizes, times; damaged headers."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.formats import content_format
from napari_unet_nuclei.core.image.io.read import read_header, read_image
from tests.helpers.microscope_files import write_dv

PIXELS = np.random.default_rng(0).integers(0, 30_000, (2, 3, 4, 20, 30), np.uint16)
"""Two time points, three channels, four planes."""


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("sequence", "axes"), [(0, "CTZYX"), (1, "TZCYX"), (2, "TCZYX")])
def test_every_sequence_in_either_byte_order(tmp_path: Path, sequence: int, axes: str, order: str) -> None:
    path = tmp_path / "a_R3D.dv"
    write_dv(path, PIXELS, sequence, (0.1, 0.1, 0.2), [457, 528, 617], [0, 12.5], order)
    image = read_image(path)
    assert (image.axes, image.channel_names) == (axes, ("457 nm", "528 nm", "617 nm"))
    np.testing.assert_array_equal(image.array, np.einsum(f"TCZYX->{axes}", PIXELS))
    assert (image.pixel_size.y, image.pixel_size.x, image.pixel_size.z) == pytest.approx((0.1, 0.1, 0.2))
    assert image.frame_times == (0, 12.5)
    assert read_header(path) == image.header


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_one_plane_of_any_type(tmp_path: Path, dtype: type) -> None:
    path = tmp_path / "plane.data"
    write_dv(path, PIXELS[:1, :1, :1].astype(dtype), 0, (0.1, 0.1, 0))
    assert content_format(path) == "dv"
    image = read_image(path)
    assert (image.axes, image.array.dtype, image.channel_names, image.frame_times) == ("YX", dtype, (), ())
    np.testing.assert_array_equal(image.array, PIXELS[0, 0, 0].astype(dtype))


@pytest.mark.parametrize(
    ("place", "values", "reason"),
    [
        (12, (4,), "cannot be read here"),
        (8, (23,), "damaged header"),
        (0, (2**19,), "truncated"),
        (92, (-5,), "damaged"),
    ],
)
def test_damaged_headers_are_refused(tmp_path: Path, place: int, values: tuple[int], reason: str) -> None:
    path = tmp_path / "a.dv"
    write_dv(path, PIXELS, 0, (0.1, 0.1, 0.2))
    content = bytearray(path.read_bytes())
    struct.pack_into("<i", content, place, *values)
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match=reason):
        read_image(path)


def test_files_that_end_early_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dv"
    write_dv(path, PIXELS, 0, (0.1, 0.1, 0.2))
    content = path.read_bytes()
    for length, reason in ((60, "no DeltaVision file"), (len(content) - 1, "truncated")):
        path.write_bytes(content[:length])
        with pytest.raises(ImageFileError, match=reason):
            read_image(path)

"""Files that are damaged, hostile, or no files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.pixel_size import micrometres
from tests.helpers.block_images import write_image
from tests.helpers.program import run, small_image


def array_file(store: Path) -> Path:
    """Metadata of the finest level."""
    return next(path for path in sorted(store.rglob("zarr.json")) if '"array"' in path.read_text())


def test_pixels_that_cannot_be_decoded_are_told_in_words(tmp_path):
    write_image(tmp_path / "image.ome.zarr", 3, small_image())
    for chunk in (path for path in tmp_path.rglob("*") if path.is_file() and path.name != "zarr.json"):
        chunk.write_bytes(b"nothing")
    with pytest.raises(ImageFileError, match="damaged or incomplete"):
        segment(tmp_path / "image.ome.zarr")


@pytest.mark.parametrize("side", [10**6, 10**9])
def test_an_absurd_extent_is_refused_at_once(side, tmp_path):
    write_image(tmp_path / "image.ome.zarr", 3, small_image())
    described = json.loads(array_file(tmp_path).read_text())
    described["shape"] = [*described["shape"][:-2], side, side]
    array_file(tmp_path).write_text(json.dumps(described))
    with pytest.raises(ImageFileError, match="which no microscope makes"):
        read_image(tmp_path / "image.ome.zarr")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes in folders")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "image.tif")
    with pytest.raises(ImageFileError, match="a pipe or a device"):
        read_image(tmp_path / "image.tif")
    done = run("segment", tmp_path / "image.tif", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "a pipe or a device" in done.output


def test_absurd_pixel_sizes_are_unknown():
    assert [micrometres(size) for size in (1e-300, 1e-9, 1e9, np.inf, -1)] == [0.0] * 5

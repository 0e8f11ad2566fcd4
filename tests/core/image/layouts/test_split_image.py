"""Images that lie in several files, read as one."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.layouts import split_image
from napari_unet_nuclei.core.image.layouts.grouping import group_files
from napari_unet_nuclei.core.image.layouts.split_image import JoinedFiles, SplitImage, read_split, split_header

PATTERN = "{name}_t{time}_z{plane}_w{channel}.tif"
PIXELS = np.arange(2 * 3 * 2 * 8 * 6, dtype=np.uint16).reshape(2, 3, 2, 8, 6)  # T, Z, C, Y, X


def images_in(folder: Path, pattern: str = PATTERN) -> tuple[SplitImage, ...]:
    return group_files(dict.fromkeys(sorted(folder.iterdir()), folder), pattern).images


@pytest.fixture
def image(tmp_path: Path) -> SplitImage:
    for t, z, c in np.ndindex(PIXELS.shape[:3]):
        tifffile.imwrite(
            tmp_path / f"a_t{t}_z{z}_w{c}.tif", PIXELS[t, z, c], metadata={"pixel_size_um": {"y": 0.5, "x": 0.25}}
        )
    (found,) = images_in(tmp_path)
    return found


def test_times_planes_and_channels_become_axes(image):
    header, file = split_header(image), read_split(image)
    assert (header.axes, header.shape, header.dtype) == ("TZCYX", PIXELS.shape, PIXELS.dtype)
    assert (file.axes, file.channel_names, file.pixel_size.x) == ("TZCYX", ("w0", "w1"), 0.25)
    assert file.header == header
    assert np.array_equal(file.array, PIXELS)


def test_a_large_image_stays_on_the_disk_and_is_read_in_parts(image, monkeypatch):
    monkeypatch.setattr(split_image, "LAZY_ABOVE", 100)
    array = read_split(image).array
    assert isinstance(array, JoinedFiles)
    assert (array.shape, array.ndim, array.size) == (PIXELS.shape, 5, PIXELS.size)
    for key in (
        (1, 2, 0),
        (0, slice(1, 3), 1, slice(2, 5), slice(None, None, 2)),
        (..., 3),
        (slice(None), 0, ..., 4),
        1,
        (slice(0, 0), 0, 0, 3),
        ...,
    ):
        assert np.array_equal(array[key], PIXELS[key]), key
    assert np.array_equal(np.asarray(array), PIXELS)


def test_an_image_travels_to_another_process(image):
    assert pickle.loads(pickle.dumps(image)) == image


def test_one_channel_has_its_name_and_no_axis(tmp_path):
    tifffile.imwrite(tmp_path / "a_w1.tif", PIXELS[0, 0, 0])
    (image,) = images_in(tmp_path, "{name}_w{channel}.tif")
    assert (read_split(image).axes, read_split(image).channel_names) == ("YX", ("w1",))


def test_stacks_of_each_channel_become_one_stack(tmp_path):
    for channel in range(2):
        tifffile.imwrite(tmp_path / f"a_w{channel}.tif", PIXELS[0, :, channel], metadata={"axes": "ZYX"}, imagej=True)
    (image,) = images_in(tmp_path, "{name}_w{channel}.tif")
    file = read_split(image)
    assert file.axes == "CZYX"
    assert np.array_equal(file.array, PIXELS[0].swapaxes(0, 1))


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (np.zeros((8, 7), np.uint16), r"w1.tif has 8 × 7 pixels of type uint16, but other files.*8 × 6"),
        (np.zeros((8, 6), np.uint8), "of type uint8"),
        (np.zeros((8, 6, 3), np.uint8), r"colour picture.*--channels none"),
        (None, "cannot be read"),
    ],
)
def test_files_that_do_not_fit_together_are_named(tmp_path, second, why):
    tifffile.imwrite(tmp_path / "a_w0.tif", PIXELS[0, 0, 0])
    if second is None:
        (tmp_path / "a_w1.tif").write_text("no image")
    else:
        tifffile.imwrite(tmp_path / "a_w1.tif", second)
    (image,) = images_in(tmp_path, "{name}_w{channel}.tif")
    with pytest.raises(ImageFileError, match=why):
        read_split(image)


def test_channels_within_channels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a_w0.tif", PIXELS[0, 0], imagej=True, metadata={"axes": "CYX"})
    (image,) = images_in(tmp_path, "{name}_w{channel}.tif")
    with pytest.raises(ImageFileError, match="holds several channels"):
        split_header(image)


def test_planes_within_planes_are_refused(tmp_path):
    for plane in range(2):
        tifffile.imwrite(tmp_path / f"a_z{plane}.tif", PIXELS[0, :, 0], imagej=True, metadata={"axes": "ZYX"})
    (image,) = images_in(tmp_path, "{name}_z{plane}.tif")
    with pytest.raises(ImageFileError, match="itself a series along Z"):
        split_header(image)

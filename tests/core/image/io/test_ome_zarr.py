from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.ome_zarr import is_ome_zarr, read_ome_zarr

PIXELS = np.arange(2 * 3 * 8 * 6, dtype=np.uint16).reshape(2, 3, 8, 6)
AXES = [
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "micrometer"},
    {"name": "y", "type": "space", "unit": "nanometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


def described(axes: list = AXES, **more: object) -> dict:
    levels = [
        {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": [1, 2.0, 250 * f, 0.5 * f]}]}
        for level, f in enumerate((1, 2))
    ]
    omero = {"channels": [{"label": "DAPI"}, {"label": "GFP"}]}
    return {"multiscales": [{"axes": axes, "datasets": levels, **more}], "omero": omero}


def write(folder: Path, description: dict, zarr_format: int) -> Path:
    group = zarr.create_group(folder, zarr_format=zarr_format)
    for level, step in (("0", 1), ("1", 2)):
        group.create_array(level, data=np.ascontiguousarray(PIXELS[..., ::step, ::step]))
    group.attrs.update({"ome": {"version": "0.5", **description}} if zarr_format == 3 else description)
    return folder


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_images_of_either_format_are_opened(zarr_format, tmp_path):
    image = read_ome_zarr(write(tmp_path / "image.ome.zarr", described(), zarr_format))
    assert image.letters == "CZYX"
    assert image.pixel_size.x == pytest.approx(0.5)
    assert image.pixel_size.y == pytest.approx(0.25)
    assert image.pixel_size.z == pytest.approx(2.0)
    assert image.channel_names == ("DAPI", "GFP")
    assert image.zarr_format == zarr_format
    assert np.array_equal(image.levels[0][:], PIXELS)
    assert image.levels[1].shape == (2, 3, 4, 3)


def test_scales_and_places_of_a_level_come_before_those_of_all(tmp_path):
    description = described(coordinateTransformations=[{"type": "scale", "scale": [1, 1, 2, 2]}])
    first = description["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    first.append({"type": "translation", "translation": [0, 0, 100, 10]})
    image = read_ome_zarr(write(tmp_path / "image.zarr", description, 3))
    assert [axis.scale for axis in image.axes] == [1, 2, 500, 1]
    assert [axis.origin for axis in image.axes] == [0, 0, 200, 20]


def test_a_scale_without_a_unit_is_no_pixel_size(tmp_path):
    bare = [{"name": axis["name"], "type": axis["type"]} for axis in AXES]
    image = read_ome_zarr(write(tmp_path / "image.zarr", described(bare), 3))
    assert not image.pixel_size.known
    assert image.axes[2].scale == 250


@pytest.mark.parametrize(
    ("axes", "letters"),
    [
        (["c", "z", "y", "x"], "CZYX"),
        ([{"name": "stain", "type": "channel"}, {"name": "angle"}, *AXES[2:]], "CQYX"),
        ([{"name": "frame", "type": "time"}, *AXES[1:]], "TZYX"),
    ],
)
def test_axes_are_told_by_name_or_type(axes, letters, tmp_path):
    assert read_ome_zarr(write(tmp_path / "image.zarr", described(axes), 3)).letters == letters


def test_names_that_do_not_fit_the_channels_are_left_out(tmp_path):
    description = described()
    description["omero"]["channels"].append({"label": "one too many"})
    assert read_ome_zarr(write(tmp_path / "image.zarr", description, 2)).channel_names == ()


def test_the_first_image_of_a_converted_store_is_opened(tmp_path):
    store = zarr.create_group(tmp_path / "store.zarr")
    store.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    write(tmp_path / "store.zarr" / "0", described(), 3)
    image = read_ome_zarr(tmp_path / "store.zarr")
    assert (image.letters, image.path) == ("CZYX", tmp_path / "store.zarr" / "0")


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({}, "no OME-Zarr image"),
        ({"plate": {}}, "plate"),
        ({"labels": ["nuclei"]}, "label images"),
        ({"multiscales": [{}]}, "damaged"),
        (described([*AXES, {"name": "t"}]), "other arrays"),
    ],
)
def test_what_is_no_image_is_refused_in_words(description, message, tmp_path):
    with pytest.raises(ImageFileError, match=message):
        read_ome_zarr(write(tmp_path / "image.zarr", description, 3))


def test_missing_levels_and_folders_without_metadata_are_refused(tmp_path):
    folder = write(tmp_path / "image.zarr", described(), 3)
    (folder / "1" / "zarr.json").unlink()
    with pytest.raises(ImageFileError, match="damaged"):
        read_ome_zarr(folder)
    (folder / "zarr.json").unlink()
    with pytest.raises(ImageFileError, match="did not end"):
        read_ome_zarr(folder)
    with pytest.raises(ImageFileError, match="folder above"):
        read_ome_zarr(folder / "0")


def test_stores_are_known_by_what_is_in_them(tmp_path):
    assert is_ome_zarr(write(tmp_path / "image", described(), 3))
    assert is_ome_zarr(write(tmp_path / "old.zarr", described(), 2))
    (tmp_path / "empty.zarr").mkdir()
    assert not is_ome_zarr(tmp_path / "empty.zarr")
    assert not is_ome_zarr(tmp_path / "absent.zarr")

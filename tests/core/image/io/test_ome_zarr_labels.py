from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaozarrs
import zarr

from napari_unet_nuclei.core.errors import ImageShapeError, OutputFileError
from napari_unet_nuclei.core.image.io.ome_zarr import Axis, read_ome_zarr
from napari_unet_nuclei.core.image.io.ome_zarr_labels import (
    Level,
    create_array,
    label_axes,
    labels_place,
    list_labels,
    pyramid,
    read_provenance,
    write_label_metadata,
)
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from tests.helpers.ome_zarr_files import described, write_store

AXES = (Axis("Z", 2.0, "micrometer", 4.0), Axis("Y", 0.25, "micrometer"), Axis("X", 0.25, "micrometer"))


def write_labels(folder: Path, levels: int = 2, source: str = "") -> Path:
    described = [Level((2, 8 // step, 8 // step), (1, step, step)) for step in (2**level for level in range(levels))]
    for number, level in enumerate(described):
        create_array(folder / str(number), level.shape, np.int32, (1, 4, 4), "zyx")[:] = number + 1
    write_label_metadata(folder, AXES, described, name="nuclei", source=source, provenance={"model": "m"})
    return folder


def test_labels_are_valid_ngff_and_are_read_back(tmp_path):
    folder = write_labels(tmp_path / "labels.ome.zarr")
    image = read_ome_zarr(folder)
    assert (image.axes, image.zarr_format) == (AXES, 3)
    assert image.levels[0].dtype == np.int32
    assert [level.shape for level in image.levels] == [(2, 8, 8), (2, 4, 4)]
    written = json.loads((folder / "zarr.json").read_text())["attributes"]
    yaozarrs.validate_ome_object(written["ome"], yaozarrs.v05.LabelImage)
    yaozarrs.validate_zarr_store(folder)
    assert written["ome"]["multiscales"][0]["type"] == "nearest"
    assert "source" not in written["ome"]["image-label"]
    assert read_provenance(folder) == {"model": "m"}


def test_labels_name_the_image_that_they_belong_to(tmp_path):
    folder = write_labels(tmp_path / "labels.ome.zarr", source="../image.ome.zarr")
    assert zarr.open_group(folder).attrs["ome"]["image-label"]["source"] == {"image": "../image.ome.zarr"}


def test_napari_shows_them_as_labels_of_the_right_size(tmp_path):
    from napari_ome_zarr._reader import napari_get_reader

    (data, metadata, kind), *more = napari_get_reader(str(write_labels(tmp_path / "labels.ome.zarr")))("")
    assert (kind, more) == ("labels", [])
    assert metadata["scale"] == [2.0, 0.25, 0.25]
    assert metadata["axis_labels"] == ("z", "y", "x")
    assert data[0].shape == (2, 8, 8)


def test_a_store_without_its_metadata_is_nobodys_labels(tmp_path):
    folder = tmp_path / "labels.ome.zarr"
    create_array(folder / "0", (8, 8), np.int32, (4, 4))
    assert read_provenance(folder) is None
    assert read_provenance(tmp_path / "absent") is None


def test_an_array_of_an_earlier_run_is_gone_on_with(tmp_path):
    create_array(tmp_path / "a", (8, 8), np.int32, (4, 4))[:4] = 3
    assert create_array(tmp_path / "a", (8, 8), np.int32, (4, 4))[0, 0] == 3


def test_chunks_that_a_killed_program_was_writing_do_not_stay(tmp_path):
    remains = tmp_path / "l.ome.zarr" / "0" / "c" / "0" / "0" / f"1.{'0f' * 16}.partial"  # as zarr names them
    remains.parent.mkdir(parents=True)
    remains.touch()
    write_labels(tmp_path / "l.ome.zarr")
    assert not remains.exists()


def test_a_pyramid_ends_where_a_screen_shows_all_of_it():
    assert [level.shape for level in pyramid((20, 30))] == [(20, 30)]
    assert [level.shape for level in pyramid((3, 1024, 1025))] == [(3, 1024, 1025), (3, 512, 513)]


def test_the_coarsest_level_of_a_volume_is_one_that_is_shown_in_three_dimensions():
    *_, coarsest = levels = pyramid((2, 40, 3001, 600), volume=True)
    assert coarsest == Level((2, 40, 188, 150), (1, 1, 16, 4))
    assert len(levels) == 5


def test_axes_of_labels_are_those_of_the_image(tmp_path):
    image = read_ome_zarr(write_store(tmp_path / "image.zarr", described(), 2))
    assert label_axes("YX", image, PixelSize(9, 9)) == (Axis("Y", 250, "nanometer"), Axis("X", 0.5, "micrometer"))
    assert label_axes("TZYX", None, PixelSize(0.25, 0.5)) == (
        Axis("T"),
        Axis("Z"),
        Axis("Y", 0.25, "micrometer"),
        Axis("X", 0.5, "micrometer"),
    )
    with pytest.raises(ImageShapeError, match="QQYX"):
        label_axes("QQYX", None, PixelSize())


def test_labels_go_into_images_of_the_same_version_only(tmp_path):
    new = read_ome_zarr(write_store(tmp_path / "new.zarr", described(), 3))
    assert labels_place(new, "nuclei") == tmp_path / "new.zarr" / "labels" / "nuclei"
    with pytest.raises(OutputFileError, match=r"0\.4"):
        labels_place(read_ome_zarr(write_store(tmp_path / "old.zarr", described(), 2)), "nuclei")


def test_labels_in_an_image_are_listed_beside_those_that_are_there(tmp_path):
    image = read_ome_zarr(write_store(tmp_path / "image.zarr", described(), 3))
    list_labels(image, "cells")
    list_labels(image, "nuclei")
    list_labels(image, "nuclei")
    group = zarr.open_group(tmp_path / "image.zarr" / "labels", mode="r")
    assert group.attrs["ome"]["labels"] == ["cells", "nuclei"]

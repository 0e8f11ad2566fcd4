"""OME-Zarr plates: every field once, with its place."""

from __future__ import annotations

import json
import shutil

import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.find import find_images
from napari_unet_nuclei.core.image.io.plate_store import places_in_plates, plate_images
from tests.helpers.channel_files import write_plate

FIELDS = ["A/1/0", "A/1/1", "B/2/0"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plate_stands_for_its_fields(tmp_path, zarr_format):
    plate = write_plate(tmp_path / "screen 1.ome.zarr", zarr_format)
    for given in (tmp_path, plate, tmp_path / "*.zarr", plate / "*" / "*"):
        found = find_images([given])
        assert [image.relative_to(plate).as_posix() for image in found.roots] == FIELDS
        assert not found.refused
    for part in (plate / "A" / "1", plate / "A"):
        assert [image.name for image in find_images([part]).roots] == ["0", "1"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_field_tells_its_well(tmp_path, zarr_format):
    plate = write_plate(tmp_path / "screen 1.ome.zarr", zarr_format)
    images = find_images([plate]).roots
    places = places_in_plates([*images, tmp_path / "a" / "b" / "c" / "d.tif"])
    assert [tuple(place.values.values()) for place in places.values()] == [
        ("screen 1", "A01", "A", "1", "0"),
        ("screen 1", "A01", "A", "1", "1"),
        ("screen 1", "B02", "B", "2", "0"),
    ]


def test_an_image_is_no_plate(tmp_path):
    plate = write_plate(tmp_path / "p.zarr")
    assert plate_images(plate / "A/1/0") is None
    assert plate_images(tmp_path) is None


def test_a_field_that_is_listed_but_not_there_is_named(tmp_path):
    plate = write_plate(tmp_path / "p.zarr")
    well = plate / "B" / "2" / ".zattrs"
    well.write_text(json.dumps({"well": {"images": [{"path": "0"}, {"path": "7"}]}}))
    ((path, reason),) = find_images([plate]).refused
    assert path.endswith("7")
    assert "listed in its plate but not there" in reason


def test_a_well_that_is_lost_does_not_keep_others_from_being_found(tmp_path):
    plate = write_plate(tmp_path / "p.zarr")
    shutil.rmtree(plate / "A" / "1")
    found = find_images([plate])
    assert [image.relative_to(plate).as_posix() for image in found.roots] == ["B/2/0"]
    assert [path for path, _ in found.refused] == [str(plate / "A" / "1")]


@pytest.mark.parametrize("wells", [[{"path": "../../secret"}], [{"path": "/etc"}], [{}], None, 3])
def test_a_plate_that_names_no_wells_of_its_own_is_refused(tmp_path, wells):
    plate = write_plate(tmp_path / "p.zarr")
    (plate / ".zattrs").write_text(json.dumps({"plate": {"wells": wells}}))
    with pytest.raises(ImageFileError, match="Export it again"):
        plate_images(plate)
    assert len(find_images([plate]).refused) == 1

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import DatasetError, NoSamplesError
from napari_unet_nuclei.core.train.layouts import Condition, list_entries


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def write_index(folder: Path, text: str) -> Path:
    touch(folder, "images/a.png", "images/b.tif", "images/deep/c.png")
    touch(folder, "labels/a.tif", "labels/b_labels.tif", "labels/deep/c.png")
    path = folder / "index.csv"
    path.write_text(text, encoding="utf-8")
    return path


INDEX = "image,split,field,stain\na,train,1,dapi\nb.tif,val,2,dapi\ndeep/c,train,,other\n"


def test_an_index_gives_files_of_any_ending_with_split_and_group(tmp_path):
    a, b, c = list_entries(write_index(tmp_path, INDEX))
    assert (a.name, a.image.name, a.labels[0].name, a.split, a.group) == ("a", "a.png", "a.tif", "train", "1")
    assert (b.name, b.image.name, b.labels[0].name, b.split, b.group) == ("b", "b.tif", "b_labels.tif", "val", "2")
    assert (c.image, c.group) == (tmp_path / "images" / "deep" / "c.png", "deep/c")


def test_the_folder_of_an_index_stands_for_it(tmp_path):
    assert list_entries(write_index(tmp_path, INDEX).parent) == list_entries(tmp_path / "index.csv")


def test_an_index_may_begin_with_a_byte_order_mark_and_call_fields_groups(tmp_path):
    assert [e.group for e in list_entries(write_index(tmp_path, "\ufeffimage,group\na,7\nb,8\n"))] == ["7", "8"]


def test_an_index_of_a_german_spreadsheet_is_read(tmp_path):
    index = write_index(tmp_path, "")
    for name in ("images/é.png", "labels/é.tif"):
        (tmp_path / unicodedata.normalize("NFD" if "labels" in name else "NFC", name)).touch()
    index.write_bytes(
        "Image;Split;FIELD;Stain\r\na;train;1;DAPI\r\ndeep\\c.png;val;2;x\r\né;val;3;x\r\n".encode("utf-16")
    )
    entries = list_entries(index, [Condition("stain", "x")])
    assert [(entry.name, entry.split, entry.group) for entry in entries] == [("deep/c", "val", "2"), ("é", "val", "3")]


def test_an_index_calls_parts_and_files_as_people_do(tmp_path):
    index = write_index(
        tmp_path, "image,split\nimages/a.png,Training\nimages\\b.tif,VALIDATION\nImages/deep/c, Test \n"
    )
    found = list_entries(index)
    assert [(entry.name, entry.split) for entry in found] == [("a", "train"), ("b", "val"), ("deep/c", "Test")]


@pytest.mark.parametrize("indexed", [False, True])
def test_folders_may_be_written_in_capitals(tmp_path, indexed):
    touch(tmp_path, "Images/a.png", "LABELS/a.tif")
    if indexed:
        (tmp_path / "index.csv").write_text("image\na\n")
    [entry] = list_entries(tmp_path)
    assert (entry.image, entry.labels) == (tmp_path / "Images" / "a.png", (tmp_path / "LABELS" / "a.tif",))


@pytest.mark.parametrize("text", ["", "image,split\n"])
def test_an_index_without_images_says_so(tmp_path, text):
    with pytest.raises(NoSamplesError, match="lists no image"):
        list_entries(write_index(tmp_path, text))


def test_columns_choose_rows(tmp_path):
    index = write_index(tmp_path, INDEX)
    assert [entry.name for entry in list_entries(index, [Condition("stain", "dapi"), Condition("split", "train")])] == [
        "a"
    ]
    with pytest.raises(NoSamplesError, match=r"index\.csv"):
        list_entries(index, [Condition("stain", "none")])
    with pytest.raises(DatasetError, match=r"no column colour.*image, split, field, stain"):
        list_entries(index, [Condition("colour", "red")])


@pytest.mark.parametrize("lost", ["images/b.tif", "labels/b_labels.tif"])
def test_a_file_that_an_index_lists_and_that_is_missing_is_named(tmp_path, lost):
    index = write_index(tmp_path, INDEX)
    (tmp_path / lost).unlink()
    with pytest.raises(DatasetError, match=r"index\.csv lists.*b\.png"):
        list_entries(index)


@pytest.mark.parametrize("kind", ["labels", "masks"])
def test_two_folders_are_paired_by_name(tmp_path, kind):
    touch(tmp_path, "images/a.png", "images/deep/b.ome.tif", f"{kind}/a.tif", f"{kind}/deep/b_labels.tif")
    a, b = list_entries(tmp_path)
    assert (a.name, a.labels, a.one_mask_per_nucleus) == ("a", (tmp_path / kind / "a.tif",), False)
    assert (b.name, b.image.name, b.group) == ("deep/b", "b.ome.tif", "deep/b")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["images/a.png", "images/b.png", "labels/a.png"], r"labels has no labels.*b\.png"),
        (["images/a.png", "labels/a.png", "labels/b.png"], r"images has no image.*b\.png"),
        (["images/notes.txt", "labels/a.png"], "No image found in .*images"),
        (["images/a.png", "labels/notes.txt"], "No image found in .*labels"),
        (["images/a.png", "images/a.tif", "labels/a.png"], r"a\.png and .*a\.tif"),
        (["ID/images/a.png"], r"a\.png has no mask in .*masks"),
        (["ID/images/a.png", "ID/masks/notes.txt"], r"a\.png has no mask in .*masks"),
        (["ID/images/a.png", "ID/images/b.png", "ID/masks/1.png"], r"one image.*a\.png, .*b\.png"),
        (["ID/images/notes.txt", "ID/masks/1.png"], "No image found in .*ID"),
        (["a.png"], "is not a data set"),
    ],
)
def test_what_is_missing_is_named(tmp_path, files, told):
    with pytest.raises(DatasetError, match=told):
        list_entries(touch(tmp_path, *files))


def test_the_layout_of_the_data_science_bowl_has_a_mask_for_each_nucleus(tmp_path):
    touch(tmp_path, "x/images/x.png", "x/masks/2.png", "x/masks/1.png", "y/images/y.png", "y/masks/3.png", "notes.txt")
    x, y = list_entries(tmp_path)
    assert (x.name, x.group, [mask.name for mask in x.labels]) == ("x", "x", ["1.png", "2.png"])
    assert x.one_mask_per_nucleus
    assert y.one_mask_per_nucleus


def test_a_data_set_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(DatasetError, match="absent"):
        list_entries(tmp_path / "absent")


def test_only_an_index_has_columns_to_choose_by(tmp_path):
    touch(tmp_path, "images/a.png", "labels/a.png")
    with pytest.raises(DatasetError, match="selected by stain"):
        list_entries(tmp_path, [Condition("stain", "dapi")])


def test_labels_may_lie_beside_their_images(tmp_path):
    touch(tmp_path, "a.tif", "a_masks.png", "b.png", "b.geojson", "a_flows.tif")
    a, b = list_entries(tmp_path)
    assert (a.name, a.image.name, a.labels[0].name) == ("a", "a.tif", "a_masks.png")
    assert (b.name, b.image.name, b.labels[0].name) == ("b", "b.png", "b.geojson")


def test_an_image_without_labels_among_others_is_named(tmp_path):
    touch(tmp_path, "a.tif", "a_masks.png", "b.png")
    with pytest.raises(DatasetError, match=r"has no labels of the same name for: .*b\.png"):
        list_entries(tmp_path)

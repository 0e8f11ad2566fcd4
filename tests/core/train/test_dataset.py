from __future__ import annotations

import csv
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.errors import DatasetError, NoSamplesError, SettingsError
from napari_unet_nuclei.core.train.dataset import check_choice_of_channel, read_dataset, read_divided, read_entries
from napari_unet_nuclei.core.train.division import DataSet, divide
from napari_unet_nuclei.core.train.layouts import Condition, list_entries
from napari_unet_nuclei.core.train.reading import InputForm
from tests.helpers.recording import RecordingProgress


def make(folder: Path, rows: list[dict[str, str]]) -> Path:
    """A data set of 6 x 8 pixels an image."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(exist_ok=True)
    for number, row in enumerate(rows):
        image = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
        labels = np.zeros((6, 8), np.uint16)
        labels[1:3, 1:3], labels[4:6, 4:7] = 7, 300 + number
        iio.imwrite(folder / "images" / f"{row['image']}.png", image)
        iio.imwrite(folder / "labels" / f"{row['image']}.png", labels)
    path = folder / "index.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


ROWS = [
    {"image": "a", "split": "train", "field": "1", "modality": "fluorescence"},
    {"image": "b", "split": "train", "field": "1", "modality": "brightfield"},
    {"image": "c", "split": "val", "field": "2", "modality": "fluorescence"},
]


def test_one_split_is_read_with_its_fields(tmp_path):
    samples = read_dataset(make(tmp_path, ROWS), split="train")
    assert [(sample.name, sample.group) for sample in samples] == [("a", "1"), ("b", "1")]
    assert samples[0].image.shape == (1, 6, 8)
    assert samples[0].image.dtype == np.float32
    assert samples[0].labels.dtype == np.int32
    assert np.unique(samples[0].labels).tolist() == [0, 1, 2]
    assert 0 <= np.median(samples[0].image) <= 1


def test_rows_can_be_chosen_further(tmp_path):
    samples = read_dataset(make(tmp_path, ROWS), split="train", where=[Condition("modality", "brightfield")])
    assert [sample.name for sample in samples] == ["b"]


def test_without_splits_and_fields_every_image_is_its_own(tmp_path):
    samples = read_dataset(make(tmp_path, [{"image": "a"}, {"image": "b"}]))
    assert [sample.group for sample in samples] == ["a", "b"]


def test_nothing_left_is_said(tmp_path):
    with pytest.raises(NoSamplesError, match="'test'"):
        read_dataset(make(tmp_path, ROWS), split="test")


@pytest.mark.parametrize("missing", ["images/b.png", "labels/b.png"])
def test_a_missing_file_is_named(tmp_path, missing):
    path = make(tmp_path, ROWS)
    (tmp_path / missing).unlink()
    with pytest.raises(DatasetError, match=r"b\.png"):
        read_dataset(path, split="train")


def test_a_damaged_file_is_named(tmp_path):
    path = make(tmp_path, ROWS)
    (tmp_path / "images/b.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"b\.png"):
        read_dataset(path, split="train")


@pytest.mark.parametrize("shape", [(6, 7), (7, 8, 3)])
def test_images_and_labels_that_do_not_fit_are_named(tmp_path, shape):
    path = make(tmp_path, ROWS)
    iio.imwrite(tmp_path / "images/b.png", np.zeros(shape, np.uint8))
    with pytest.raises(DatasetError, match=r"b\.png"):
        read_dataset(path, split="train")


@pytest.mark.parametrize("content", [b"picture,split\na,train\n", b"\xff\xfe\xfa,split\n"])
def test_an_index_that_cannot_be_used_is_named(tmp_path, content):
    path = tmp_path / "index.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"index\.csv"):
        read_dataset(path, split="train")


def test_a_missing_index_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"absent\.csv"):
        read_dataset(tmp_path / "absent.csv", split="train")


def test_of_several_images_in_a_file_it_is_said_which_one_is_learnt_from(tmp_path):
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    labels = np.zeros((20, 30), np.uint8)
    labels[4:12, 5:15] = 1
    with tifffile.TiffWriter(tmp_path / "images" / "a.tif") as writer:
        for rows in (20, 19):
            writer.write(labels[:rows] * 200 + 10)
    tifffile.imwrite(tmp_path / "labels" / "a.tif", labels)
    progress = RecordingProgress()
    read_entries(list_entries(tmp_path), InputForm(), progress)
    assert any("a.tif: The file holds 2 images: number 0 was read." in notice for notice in progress.notices)


def test_a_channel_is_chosen_where_there_are_several_and_other_images_are_read_as_they_are(tmp_path):
    make(tmp_path, [{"image": "a"}, {"image": "b"}])
    dark, bright = np.zeros((6, 8), np.uint8), np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    (tmp_path / "images" / "b.png").unlink()
    names = {"axes": "CYX", "Channel": {"Name": ["GFP", "RFP"]}}
    tifffile.imwrite(tmp_path / "images" / "b.ome.tif", np.stack([dark, bright]), metadata=names)
    for channel in ("RFP", 1):
        a, b = read_dataset(tmp_path, InputForm(channel=channel))
        assert np.array_equal(a.image, b.image)


def test_choosing_a_channel_of_images_with_one_is_refused(tmp_path):
    make(tmp_path, [{"image": "a"}])
    with pytest.raises(SettingsError, match="choosing DAPI has no effect"):
        check_choice_of_channel([tmp_path / "images" / "a.png"], "DAPI")


def test_images_that_do_not_seem_to_belong_to_their_labels_are_named(tmp_path):
    make(
        tmp_path,
        [{"image": name, "split": split} for name, split in zip("abc", ("train", "train", "val"), strict=True)],
    )
    for name in "ac":
        shown = np.zeros((6, 8), np.uint8)
        shown[1:3, 5:7] = 200  # where no label is
        iio.imwrite(tmp_path / "images" / f"{name}.png", shown + np.arange(8, dtype=np.uint8))
    progress = RecordingProgress()
    read_divided(divide([DataSet(tmp_path)]), InputForm(), progress)
    [said] = [notice for notice in progress.notices if "all the same" in notice]
    assert "a, c: its labelled nuclei are no brighter than their surroundings" in said

import json

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from tests.helpers.program import run

TRUTH = np.array([[1, 1, 1, 1, 0, 2, 2, 0, 3]], np.uint16)
FOUND = np.array([[5, 5, 5, 0, 0, 7, 7, 9, 0]], np.uint16)


@pytest.fixture
def folders(tmp_path):
    found, true = tmp_path / "found", tmp_path / "true"
    for folder in (found, true):
        folder.mkdir()
    tifffile.imwrite(found / "a_labels.tif", FOUND)
    tifffile.imwrite(found / "b_labels.tif", TRUTH)
    for name in ("a", "b"):
        iio.imwrite(true / f"{name}.png", TRUTH)
    return found, true


def table_row(output: str, *start: str) -> list[float]:
    [row] = [line for line in output.splitlines() if line.split()[: len(start)] == list(start)]
    return [float(value) for value in row.split()[len(start) :]]


def test_the_table_shows_all_scores_pooled_and_per_image(folders):
    shown = run("evaluate", *folders)
    assert shown.exit_code == 0, shown.output
    assert "2 images, 6 true and 6 predicted nuclei" in shown.stdout
    assert table_row(shown.stdout, "AP", "pooled")[0] == 0.714
    assert table_row(shown.stdout, "AP", "per", "image")[0] == 0.75
    assert len(table_row(shown.stdout, "F1", "pooled")) == 10
    assert table_row(shown.stdout, "foreground", "IoU") == pytest.approx([12 / 15, (5 / 8 + 1) / 2], abs=1e-3)
    assert table_row(shown.stdout, "panoptic", "quality")[1] == pytest.approx((7 / 8 * 2 / 3 + 1) / 2, abs=1e-3)


def test_json_has_the_scores_of_every_image(folders):
    told = json.loads(run("evaluate", *folders, "--json").stdout)
    counts = [(image["name"], image["true"], image["predicted"]) for image in told["images"]]
    assert counts == [("a", 3, 3), ("b", 3, 3)]
    assert told["images"][1]["average_precision"] == [1.0] * 10
    assert told["pooled"]["f1"][0] == pytest.approx(5 / 6)
    assert told["problems"] == []


def test_a_missing_prediction_is_a_failure_that_is_named(folders):
    iio.imwrite(folders[1] / "lost.png", TRUTH)
    shown = run("evaluate", *folders)
    assert shown.exit_code == 1
    assert "2 images" in shown.stdout
    assert "lost.png" in shown.stderr


def test_files_of_different_shapes_are_named(folders):
    iio.imwrite(folders[1] / "c.png", TRUTH[:, :5])
    shown = run("evaluate", folders[0] / "a_labels.tif", folders[1] / "c.png")
    assert shown.exit_code == 1
    assert "a_labels.tif" in shown.stderr
    assert "c.png" in shown.stderr


def test_both_labels_are_required(folders):
    assert run("evaluate", folders[0]).exit_code == 2


@pytest.fixture
def class_folders(tmp_path):
    """Two classes and void pixels in the red channel of a picture, and what was predicted."""
    found, true = tmp_path / "classes", tmp_path / "true classes"
    for folder in (found, true):
        folder.mkdir()
    picture = np.full((1, 6, 3), 9, np.uint8)
    picture[0, :, 0] = [0, 0, 0, 1, 1, 255]
    iio.imwrite(true / "street.png", picture)
    tifffile.imwrite(found / "street_labels.tif", np.array([[0, 0, 1, 1, 1, 0]], np.int32))
    return found, true


SEMANTIC = ("--semantic", "--void", 255, "--label-channel", 0)


def test_the_iou_of_every_class_is_shown(class_folders):
    shown = run("evaluate", *class_folders, *SEMANTIC)
    assert shown.exit_code == 0, shown.output
    assert "1 image, 5 pixels with a true class" in shown.stdout
    assert table_row(shown.stdout, "0") == [0.667, 3, 2]
    assert table_row(shown.stdout, "1", "0.667") == [2, 3]
    assert table_row(shown.stdout, "mean", "IoU") == [0.667]
    assert table_row(shown.stdout, "pixel", "accuracy") == [0.8]


def test_json_has_the_iou_of_every_image(class_folders):
    told = json.loads(run("evaluate", *class_folders, *SEMANTIC, "--json").stdout)
    assert told["pooled"] == {
        "pixels": 5,
        "iou": [2 / 3, 2 / 3],
        "mean_iou": pytest.approx(2 / 3),
        "pixel_accuracy": 0.8,
    }
    assert [image["name"] for image in told["images"]] == ["street"]


def test_options_of_classes_need_classes(class_folders):
    assert run("evaluate", *class_folders, "--void", 255).exit_code == 2

from __future__ import annotations

import csv

from napari_unet_nuclei.core.progress import EpochDone
from napari_unet_nuclei.core.train.history import write_history


def test_epochs_of_an_earlier_version_leave_new_figures_empty(tmp_path):
    path = tmp_path / "history.csv"
    new = {"foreground IoU": 0.8, "AP@0.5": 0.5}
    write_history(path, [EpochDone(1, 0.9, 0.8, {"AP@0.5": 0.25}), EpochDone(2, 0.7, 0.6, new)])
    with path.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert list(first) == ["epoch", "train_loss", "val_loss", "val_foreground_iou", "val_ap50"]
    assert (first["val_foreground_iou"], first["val_ap50"]) == ("", "0.25")
    assert (second["val_foreground_iou"], second["val_ap50"]) == ("0.8", "0.5")


def test_a_history_without_epochs_has_its_heading(tmp_path):
    write_history(tmp_path / "history.csv", [])
    assert (tmp_path / "history.csv").read_text().split() == ["epoch,train_loss,val_loss"]


def test_each_data_set_and_kind_has_a_column(tmp_path):
    path = tmp_path / "history.csv"
    write_history(path, [EpochDone(1, 0.9, 0.8, {"AP@0.5": 0.5, "AP@0.5 dsb2018 fluorescence": 0.7})])
    with path.open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row["val_ap50_dsb2018_fluorescence"] == "0.7"

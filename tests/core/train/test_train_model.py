from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from napari_unet_nuclei.core.classes.coding import ClassCoding
from napari_unet_nuclei.core.errors import DatasetError, ModelFileError, OutputFileError, SettingsError
from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.registry import load_model
from napari_unet_nuclei.core.progress import Cancelled, Silent
from napari_unet_nuclei.core.samples.synthetic_classes import write_class_set
from napari_unet_nuclei.core.settings import TrainSettings
from napari_unet_nuclei.core.train import train_model as module
from napari_unet_nuclei.core.train.division import DataSet
from napari_unet_nuclei.core.train.train_model import TrainRequest, train_model
from tests.helpers.recording import RecordingProgress

SETTINGS = TrainSettings().changed(steps=2, epoch_steps=1, batch=1, crop=32, device="cpu")
SHAPE = Architecture(base_width=2, depth=1)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Four images with class ids: two to learn from, one to judge with, one that is in neither part."""
    folder = tmp_path / "cells"
    write_class_set(folder, images=4, shape=(80, 80))
    with (folder / "index.csv").open("w", newline="") as file:
        splits = ("train", "train", "val", "test")
        csv.writer(file).writerows([("image", "split"), *((f"cells_{i:02}", split) for i, split in enumerate(splits))])
    return folder


def request(dataset: Path, name: str = "mine.safetensors", **changes: object) -> TrainRequest:
    asked = {"settings": SETTINGS, "task": "semantic", "architecture": SHAPE} | changes
    return TrainRequest((DataSet(dataset),), dataset.parent / name, **asked)


def test_classes_are_learnt_from_a_folder(dataset):
    progress = RecordingProgress()
    asked = request(dataset)
    train_model(asked, progress)
    card = load_model(str(asked.out)).card
    assert (card.task, card.architecture.in_channels) == ("semantic", 1)
    assert card.classes == ("class 0", "class 1", "class 2", "class 3")
    assert (card.training.images, card.training.nuclei) == (2, 0)
    assert asked.files.history.read_text().startswith("epoch,train_loss,val_loss,val_mean_iou,val_pixel_accuracy")
    assert progress.fractions[-1] == 1
    assert any("2 images for training, 1 image for validation" in notice for notice in progress.notices)
    assert not asked.files.checkpoint.exists()


def test_a_run_that_ended_at_its_report_is_gone_on_with_to_the_report(dataset, monkeypatch):
    asked = request(dataset)

    def end(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "report_training", end)
        train_model(asked, Silent())
    before = load_model(str(asked.out)).card
    remains = asked.out.with_name(".mine.report-0123abcd.part.html")  # of a run that was killed
    remains.touch()
    with pytest.raises(OutputFileError, match="exists already"):
        train_model(asked, Silent())
    train_model(replace(asked, resume=True), Silent())
    assert load_model(str(asked.out)).card.weights_hash == before.weights_hash
    assert asked.files.report.exists()
    assert not asked.files.checkpoint.exists()
    assert not remains.exists()


def test_the_report_shows_images_of_every_part(dataset):
    asked = request(dataset)
    train_model(asked, Silent())
    page = asked.files.report.read_text()
    for shown in ("Training", "Validation", "Unseen", "cells_03", "mean IoU"):
        assert shown in page


def test_several_data_sets_have_figures_of_their_own(dataset):
    other = dataset.with_name("more cells")
    shutil.copytree(dataset, other)
    asked = replace(request(dataset), datasets=(DataSet(dataset), DataSet(other)))
    card = train_model(asked, Silent()).card
    assert [(one.name, one.images) for one in card.training.datasets] == [("cells", 2), ("more cells", 2)]
    assert card.metrics["validation, more cells: mean IoU"] == card.metrics["validation mean IoU"]
    assert ",val_mean_iou_cells,val_mean_iou_more_cells" in asked.files.history.read_text()
    page = asked.files.report.read_text()
    assert "more cells/cells_03" in page
    assert ">more cells<" in page


def test_names_may_be_given(dataset):
    names = ("nothing", "round", "long", "dirt")
    assert train_model(request(dataset, class_names=names), Silent()).card.classes == names
    with pytest.raises(DatasetError, match=r"cells_0\d\.png.*there are 2 classes"):
        train_model(request(dataset, "other.safetensors", class_names=names[:2]), Silent())


def test_a_void_id_makes_one_class_less(dataset):
    card = train_model(request(dataset, coding=ClassCoding(void=3)), Silent()).card
    assert card.classes == ("class 0", "class 1", "class 2")


def test_a_training_may_start_from_a_model(dataset):
    first = request(dataset)
    train_model(first, Silent())
    second = request(dataset, "second.safetensors", base=str(first.out), architecture=None)
    card = train_model(second, Silent()).card
    assert card.parent.startswith("mine ")
    assert card.architecture == load_model(str(first.out)).card.architecture
    with pytest.raises(ModelFileError, match="differs in architecture"):
        train_model(request(dataset, "third.safetensors", base=str(first.out), architecture=Architecture()), Silent())


@pytest.mark.parametrize("report", [1, 3, 6])
def test_cancelling_leaves_no_model(dataset, report):
    asked = request(dataset)
    with pytest.raises(Cancelled):
        train_model(asked, RecordingProgress(cancel_after=report))
    assert not asked.out.exists()
    assert not asked.files.report.exists()


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"name": "_.safetensors"}, SettingsError, "'_' cannot be a model's name"),
        ({"name": "mine.pt"}, OutputFileError, "must end in"),
        ({"class_names": ("a", "a")}, SettingsError, "different names"),
        ({"resume": True}, OutputFileError, "no .* to resume from"),
        (
            {"settings": SETTINGS.changed(augmentation=0.0, microscope=0.25)},
            SettingsError,
            "'microscope' has no effect without augmentation",
        ),
    ],
)
def test_what_cannot_become_a_model_is_refused_before_anything_is_read(dataset, changes, error, told):
    progress = RecordingProgress()
    with pytest.raises(error, match=told):
        train_model(request(dataset, **changes), progress)
    assert progress.events == []

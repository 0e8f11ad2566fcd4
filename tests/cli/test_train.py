import csv
import json
import shutil

import imageio.v3 as iio
import pytest

from napari_unet_nuclei.core.model.registry import load_model
from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei
from napari_unet_nuclei.core.train.train_model import TrainingFiles
from tests.helpers.program import run

SMALL = ("--base-width", 2, "--depth", 1, "--batch", 1, "--crop", 32, "--steps", 2, "--epoch-steps", 1)


@pytest.fixture
def index(tmp_path):
    """A data set of three images, one of them of another stain."""
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    rows = [("a", "train", "dapi"), ("b", "val", "dapi"), ("c", "train", "other")]
    for seed, (name, _, _) in enumerate(rows):
        sample = fluorescent_nuclei(seed, (48, 48), 16.0, 3)
        iio.imwrite(tmp_path / "images" / f"{name}.png", sample.image)
        iio.imwrite(tmp_path / "labels" / f"{name}.png", sample.labels.astype("uint16"))
    path = tmp_path / "index.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("image", "split", "stain"), *rows])
    return path


def test_it_writes_a_model_that_can_be_used_and_its_history(index, tmp_path):
    out = tmp_path / "new" / "mine.safetensors"
    shown = run("train", index, "--out", out, "--where", "stain=dapi", *SMALL)
    assert shown.exit_code == 0, shown.output
    assert "1 image with" in shown.stderr
    card = load_model(str(out)).card
    assert (card.name, card.architecture.base_width, card.training.images, card.training.steps) == ("mine", 2, 1, 2)
    files = TrainingFiles(out)
    assert len(files.history.read_text().splitlines()) == 3
    assert not files.checkpoint.exists()


@pytest.fixture
def more(tmp_path, index):
    """Another data set with images of the same names, whose index has no stains and says where it comes from."""
    folder = tmp_path / "more"
    folder.mkdir()
    for kind in ("images", "labels"):
        shutil.copytree(tmp_path / kind, folder / kind)
    rows = "image,split,dataset,licence\na,train,Set of 2020,CC BY 4.0\nb,val,Set of 2020,CC BY 4.0\n"
    (folder / "index.csv").write_text(rows)
    return folder


def test_it_learns_from_several_data_sets(index, more, tmp_path):
    out = tmp_path / "mine.safetensors"
    shown = run("train", index, more, "--out", out, "--where", "stain=dapi", "--weight", "more=3", *SMALL)
    assert shown.exit_code == 0, shown.output
    assert "more has no column 'stain', so all of its images are used" in shown.stderr
    assert "more: 1 image for training (75% of the crops), 1 for validation" in shown.stderr
    card = load_model(str(out)).card
    assert card.metrics["validation, more fluorescence: images"] == 1
    assert "AP@0.5 more fluorescence" in shown.stderr
    assert "val_ap50_more_fluorescence" in TrainingFiles(out).history.read_text()
    own, other = card.training.datasets
    assert (own.name, own.licence, own.images) == (tmp_path.name, "", 1)
    assert (other.name, other.licence, other.credit, other.images) == ("more", "CC BY 4.0", "Set of 2020", 1)


def test_a_weight_for_no_data_set_is_refused(index, tmp_path):
    shown = run("train", index, "--out", tmp_path / "mine.safetensors", "--weight", "more=3", *SMALL)
    assert shown.exit_code == 2
    assert "no data set 'more'" in shown.stderr


def test_it_overwrites_no_model(index, tmp_path):
    out = tmp_path / "mine.safetensors"
    out.write_bytes(b"precious")
    shown = run("train", index, "--out", out, *SMALL)
    assert shown.exit_code == 1
    assert out.read_bytes() == b"precious"


def test_a_run_that_was_ended_is_neither_lost_nor_taken_up_unasked(index, tmp_path):
    out = tmp_path / "mine.safetensors"
    TrainingFiles(out).checkpoint.write_bytes(b"state")
    shown = run("train", index, "--out", out, *SMALL)
    assert shown.exit_code == 1
    assert "--resume" in shown.stderr


def test_without_a_checkpoint_there_is_nothing_to_resume(index, tmp_path):
    assert run("train", index, "--out", tmp_path / "mine.safetensors", "--resume", *SMALL).exit_code == 1


@pytest.mark.parametrize("arguments", [("--out", "mine.pt"), ("--out", "_.safetensors"), ("--depth", 99)])
def test_wrong_usage_is_refused_before_anything_is_read(arguments, tmp_path):
    shown = run("train", tmp_path / "none.csv", "--out", tmp_path / "mine.safetensors", *arguments)
    assert shown.exit_code == 2


def test_a_folder_is_divided_by_itself(index, tmp_path):
    index.unlink()
    out = tmp_path / "mine.safetensors"
    shown = run("train", tmp_path, "--out", out, *SMALL)
    assert shown.exit_code == 0, shown.output
    assert "2 images with" in shown.stderr
    assert [one.name for one in load_model(str(out)).card.training.datasets] == [tmp_path.name]


@pytest.mark.parametrize(("where", "code"), [("stain", 2), ("colour=red", 1), ("stain=none", 1)])
def test_a_choice_that_leaves_nothing_is_named(index, tmp_path, where, code):
    shown = run("train", index, "--out", tmp_path / "mine.safetensors", "--where", where, *SMALL)
    assert shown.exit_code == code
    assert not (tmp_path / "mine.safetensors").exists()


def test_the_card_says_what_a_person_said(index, tmp_path):
    said = {"description": "For our cells.", "licence": "CC0", "data_licence": "ours", "image_kind": "stained"}
    (tmp_path / "about.json").write_text(json.dumps(said))
    out = tmp_path / "mine.safetensors"
    shown = run("train", index, "--out", out, "--where", "stain!=other", "--about", tmp_path / "about.json", *SMALL)
    assert shown.exit_code == 0, shown.output
    card = load_model(str(out)).card
    assert (card.description, card.licence, card.image_kind) == ("For our cells.", "CC0", "brightfield")
    [source] = card.training.datasets
    assert (source.licence, source.images) == ("ours", 1)


def test_what_no_card_has_cannot_be_said(index, tmp_path):
    (tmp_path / "about.json").write_text('{"colour": "blue"}')
    out = tmp_path / "mine.safetensors"
    shown = run("train", index, "--out", out, "--about", tmp_path / "about.json", *SMALL)
    assert shown.exit_code == 1
    assert "It may hold description, image_kind" in shown.stderr

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import pytest

from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.registry import load_model
from napari_unet_nuclei.core.train import fitting
from napari_unet_nuclei.core.train.train_model import TrainingFiles
from tests.helpers.program import run
from tests.helpers.samples import fluorescent_nuclei

SMALL = ("--base-width", 2, "--depth", 1, "--batch", 1, "--crop", 32, "--steps", 2, "--epoch-steps", 1)


def write_index(folder):
    """A data set of three images, one of them of another stain."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    rows = [("a", "train", "dapi"), ("b", "val", "dapi"), ("c", "train", "other")]
    for seed, (name, _, _) in enumerate(rows):
        sample = fluorescent_nuclei(seed, (48, 48), 16.0, 3)
        iio.imwrite(folder / "images" / f"{name}.png", sample.image)
        iio.imwrite(folder / "labels" / f"{name}.png", sample.labels.astype("uint16"))
    path = folder / "index.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("image", "split", "stain"), *rows])
    return path


@pytest.fixture
def index(tmp_path):
    return write_index(tmp_path)


@dataclass
class Trained:
    """What a run left."""

    card: ModelCard
    files: TrainingFiles
    shown: str


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """Train a small model; one run serves several tests, and few of the crops that its score is fitted to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "CROPS", 2)
        patch.setattr(fitting, "SIDE", 64)
        for folder in ("MODELS", "CACHE"):
            patch.setenv(f"NAPARI_UNET_NUCLEI_{folder}", str(tmp_path_factory.mktemp(folder)))

        def trained(out: Path, *arguments: object) -> Trained:
            shown = run("train", *arguments, "--out", out, *SMALL)
            assert shown.exit_code == 0, shown.output
            return Trained(load_model(str(out)).card, TrainingFiles(out), shown.stderr)

        yield trained


@pytest.fixture(scope="module")
def alone(train, tmp_path_factory):
    """Trained on the images of one stain, with statements for the card."""
    folder = tmp_path_factory.mktemp("alone")
    said = {"description": "For our cells.", "licence": "CC0", "data_licence": "ours", "image_kind": "stained"}
    (folder / "about.json").write_text(json.dumps(said))
    out = folder / "new" / "mine.safetensors"
    return train(out, write_index(folder), "--where", "stain!=other", "--about", folder / "about.json")


def test_it_writes_a_model_that_can_be_used_and_its_history(alone):
    card = alone.card
    assert "1 image with" in alone.shown
    assert (card.name, card.architecture.base_width, card.training.images, card.training.steps) == ("mine", 2, 1, 2)
    assert len(alone.files.history.read_text().splitlines()) == 3
    assert alone.files.report.exists()
    assert not alone.files.checkpoint.exists()


def test_the_card_says_what_a_person_said(alone):
    card = alone.card
    assert (card.description, card.licence, card.image_kind) == ("For our cells.", "CC0", "brightfield")
    [source] = card.training.datasets
    assert (source.licence, source.images) == ("ours", 1)


@pytest.fixture(scope="module")
def several(train, tmp_path_factory):
    """Trained on three sets with images of the same names: one with an index of stains, one whose index says where it
    comes from but knows no stains, and one without an index.
    """
    folder = tmp_path_factory.mktemp("several")
    index = write_index(folder / "stains")
    for other in ("more", "plain"):
        for kind in ("images", "labels"):
            shutil.copytree(folder / "stains" / kind, folder / other / kind)
    rows = "image,split,dataset,licence\na,train,Set of 2020,CC BY 4.0\nb,val,Set of 2020,CC BY 4.0\n"
    (folder / "more" / "index.csv").write_text(rows)
    sets = (index, folder / "more", folder / "plain")
    return train(folder / "mine.safetensors", *sets, "--where", "stain=dapi", "--weight", "more=3")


def test_it_learns_from_several_data_sets(several):
    card, shown = several.card, several.shown
    assert "more has no column 'stain', so all of its images are used" in shown
    assert "stains: 1 image for training (18% of the crops), 1 for validation" in shown
    assert "more: 1 image for training (55% of the crops), 1 for validation" in shown
    assert card.metrics["validation, more fluorescence: images"] == 1
    assert "AP@0.5 more fluorescence" in shown
    assert "val_ap50_more_fluorescence" in several.files.history.read_text()
    own, other, _ = card.training.datasets
    assert (own.name, own.licence, own.images) == ("stains", "", 1)
    assert (other.name, other.licence, other.credit, other.images) == ("more", "CC BY 4.0", "Set of 2020", 1)


def test_a_folder_is_divided_by_itself(several):
    assert "plain: 2 images for training (26% of the crops), 1 for validation" in several.shown
    assert [(one.name, one.images) for one in several.card.training.datasets][2] == ("plain", 2)


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


@pytest.mark.parametrize(("where", "code"), [("stain", 2), ("colour=red", 1), ("stain=none", 1)])
def test_a_choice_that_leaves_nothing_is_named(index, tmp_path, where, code):
    shown = run("train", index, "--out", tmp_path / "mine.safetensors", "--where", where, *SMALL)
    assert shown.exit_code == code
    assert not (tmp_path / "mine.safetensors").exists()


def test_what_no_card_has_cannot_be_said(index, tmp_path):
    (tmp_path / "about.json").write_text('{"colour": "blue"}')
    out = tmp_path / "mine.safetensors"
    shown = run("train", index, "--out", out, "--about", tmp_path / "about.json", *SMALL)
    assert shown.exit_code == 1
    assert "It may hold description, image_kind" in shown.stderr

import json

import pytest

from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.card import DataSource, ModelCard, TrainingRecord
from napari_unet_nuclei.core.model.file import Model, save_model
from napari_unet_nuclei.core.model.unet import UNet
from tests.helpers.packages import older_described, write_package
from tests.helpers.program import run


@pytest.fixture
def model_file(tmp_path):
    card = ModelCard(name="tiny", architecture=Architecture(base_width=2, depth=1), licence="CC0")
    save_model(tmp_path / "tiny.safetensors", Model(card, UNet(card.architecture)))
    return tmp_path / "tiny.safetensors"


def names() -> list[str]:
    return [card["name"] for card in json.loads(run("models", "list", "--json").stdout)]


def test_a_model_is_imported_exported_and_removed(model_file, tmp_path):
    assert "tiny" not in names()
    assert run("models", "import", model_file).exit_code == 0
    assert "tiny" in names()
    copy = tmp_path / "copy.safetensors"
    assert run("models", "export", "tiny", copy).exit_code == 0
    assert copy.read_bytes() == model_file.read_bytes()
    assert run("models", "remove", "tiny").exit_code == 0
    assert "tiny" not in names()


def test_the_list_tells_whose_a_model_is(model_file):
    run("models", "import", model_file)
    assert "tiny (yours, fluorescence, nuclei of 22 px)" in run("models", "list").stdout


def test_the_list_tells_what_else_a_model_was_taught(tmp_path):
    card = ModelCard(name="ours", architecture=Architecture(base_width=2, depth=1)).fitted(
        "brightfield", taught=(20.0,)
    )
    save_model(tmp_path / "ours.safetensors", Model(card, UNet(card.architecture)))
    run("models", "import", tmp_path / "ours.safetensors")
    assert "ours (yours, fluorescence, brightfield, nuclei of 22 px)" in run("models", "list").stdout


def test_a_file_can_be_shown_without_being_imported(model_file):
    shown = run("models", "show", model_file)
    assert shown.exit_code == 0
    assert "licence: CC0" in shown.stdout
    assert "  base_width: 2" in shown.stdout


def test_figures_are_shown_as_a_person_reads_them_and_kept_apart_for_programs(tmp_path):
    metrics = {"held-out missed before": 12.0, "held-out missed after": 4.0}
    card = ModelCard(name="ours", architecture=Architecture(base_width=2, depth=1), metrics=metrics)
    file = tmp_path / "ours.safetensors"
    save_model(file, Model(card, UNet(card.architecture)))
    assert "\n  held-out missed: 12 → 4\n" in run("models", "show", file).stdout
    assert json.loads(run("models", "show", file, "--json").stdout)["metrics"] == metrics


def test_every_data_set_is_credited(tmp_path):
    sources = (DataSource(name="a", licence="CC0", images=2), DataSource(name="b", credit="Them 2020", through="base"))
    record = TrainingRecord(datasets=sources)
    card = ModelCard(name="ours", architecture=Architecture(base_width=2, depth=1), training=record)
    file = tmp_path / "ours.safetensors"
    save_model(file, Model(card, UNet(card.architecture)))
    shown = run("models", "show", file).stdout
    assert "\n  datasets: a; CC0; 2 images\n" in shown
    assert "\n  datasets: Them 2020 (b); licence not stated; through base\n" in shown
    assert json.loads(run("models", "show", file, "--json").stdout)["training"]["datasets"][0]["licence"] == "CC0"


def test_a_pickle_is_refused(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"pickle")
    shown = run("models", "import", tmp_path / "model.pt")
    assert shown.exit_code == 1
    assert ".safetensors" in shown.stderr


def test_an_export_overwrites_nothing(model_file):
    run("models", "import", model_file)
    shown = run("models", "export", "tiny", model_file)
    assert shown.exit_code == 1
    assert "exists already" in shown.stderr


def test_a_second_model_of_a_name_is_imported_under_another(model_file, tmp_path):
    run("models", "import", model_file)
    card = ModelCard(name="tiny", architecture=Architecture(base_width=3, depth=1))
    save_model(tmp_path / "other.safetensors", Model(card, UNet(card.architecture)))
    shown = run("models", "import", tmp_path / "other.safetensors")
    assert shown.exit_code == 1
    assert "such as 'tiny 2'" in shown.stderr
    assert run("models", "import", tmp_path / "other.safetensors", "--name", "tiny 2").exit_code == 0
    assert {"tiny", "tiny 2"} <= set(names())


def test_a_model_is_renamed(model_file):
    run("models", "import", model_file)
    shown = run("models", "rename", "tiny", "liver")
    assert shown.exit_code == 0
    assert "Renamed 'tiny' to 'liver'" in shown.stdout
    assert "liver" in names()
    assert "tiny" not in names()


@pytest.mark.parametrize("new", ["nuclei", "a/b"])
def test_a_name_that_cannot_be_given_is_refused(model_file, new):
    run("models", "import", model_file)
    shown = run("models", "rename", "tiny", new)
    assert shown.exit_code == 1
    assert new in shown.stderr
    assert "tiny" in names()


def test_a_file_of_another_ending_is_not_exported_to(tmp_path):
    shown = run("models", "export", "nuclei", tmp_path / "model.pt")
    assert shown.exit_code == 1
    assert ".safetensors" in shown.stderr


def test_the_bundled_model_stays():
    bundled = [card for card in json.loads(run("models", "list", "--json").stdout) if card["bundled"]]
    assert bundled
    assert run("models", "remove", bundled[0]["name"]).exit_code == 1
    assert run("models", "rename", bundled[0]["name"], "mine").exit_code == 1


def test_packages_of_bioimage_io_go_out_and_come_back(model_file, tmp_path):
    run("models", "import", model_file)
    package = tmp_path / "tiny.zip"
    refused = run("models", "export", "tiny", package)
    assert refused.exit_code == 1
    assert "Say who made the model (--author)" in refused.stderr
    done = run("models", "export", "tiny", package, "--author", "Ada", "--author", "Mary", "--licence", "MIT")
    assert done.exit_code == 0, done.stderr
    run("models", "remove", "tiny")
    assert run("models", "import", package).exit_code == 0
    assert "tiny" in names()
    assert run("models", "export", "tiny", tmp_path / "a.safetensors", "--author", "Ada").exit_code == 1


def test_what_was_guessed_of_a_package_is_said(tmp_path):
    package = write_package(tmp_path / "a.zip", older_described())
    done = run("models", "import", package, "--name", "glow")
    assert done.exit_code == 0, done.stderr
    assert "taken to be foreground and border, in this order" in done.stderr
    shown = run("models", "show", "glow").stdout
    assert "licence: CC-BY-4.0" in shown
    assert "halo: 8 px" in shown

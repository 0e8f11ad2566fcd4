from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from napari_unet_nuclei.core.errors import ModelFileError, OutputFileError, UnknownModelError
from napari_unet_nuclei.core.files.lock import LOCK
from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.card import ModelCard, read_card
from napari_unet_nuclei.core.model.file import Model, save_model
from napari_unet_nuclei.core.model.header import hash_tensors
from napari_unet_nuclei.core.model.registry import (
    AUTOMATIC,
    BUNDLED,
    RESERVED_NAMES,
    ModelRegistry,
    default_registry,
    load_model,
)
from tests.helpers.tiny import tiny_network, write_tiny_model


@pytest.fixture
def registry(tmp_path) -> ModelRegistry:
    bundled = tmp_path / "bundled"
    write_tiny_model(bundled / "one.safetensors", "one")
    return ModelRegistry(tmp_path / "own", bundled)


def test_the_bundled_models_are_there_and_are_first():
    entries = default_registry().list()
    assert entries[0].bundled
    assert entries[0].path.parent == BUNDLED
    assert entries[0].card.image_kind == "fluorescence"


def test_the_bundled_models_fit_into_a_package():
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) <= 10 * 2**20


def test_the_users_folder_is_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_UNET_NUCLEI_MODELS", str(tmp_path / "mine"))
    assert default_registry().own == tmp_path / "mine"


def test_listing_makes_no_folder(registry):
    assert [entry.name for entry in registry.list()] == ["one"]
    assert not registry.own.exists()


def test_an_added_model_is_found_and_can_be_removed(registry, tmp_path):
    write_tiny_model(tmp_path / "download (3).safetensors", "my model")
    entry = registry.add(tmp_path / "download (3).safetensors")
    assert entry.path == registry.own / "my model.safetensors"
    assert [(entry.name, entry.bundled) for entry in registry.list()] == [("one", True), ("my model", False)]
    assert registry.find("my model").path == entry.path
    registry.remove("my model")
    assert [entry.name for entry in registry.list()] == ["one"]


def files_in(registry: ModelRegistry) -> list[str]:
    there = registry.own.iterdir() if registry.own.exists() else ()
    return sorted(path.name for path in there if path.name != LOCK)


def test_a_name_is_given_once_and_a_free_one_is_proposed(registry, tmp_path):
    path = tmp_path / "other.safetensors"
    for name in ("one", "One"):
        write_tiny_model(path, name, seed=1)
        with pytest.raises(ModelFileError, match=f"already.*'{name} 2'"):
            registry.add(path)
    assert files_in(registry) == []
    assert registry.add(path, "One 2").name == "One 2"
    assert registry.free_name("one") == "one 3"
    assert load_model("One 2", registry).card.weights_hash == write_tiny_model(path, seed=1).weights_hash


def test_the_very_same_model_is_not_added_twice(registry, tmp_path):
    write_tiny_model(tmp_path / "copy.safetensors", "one")
    with pytest.raises(ModelFileError, match="the same model"):
        registry.add(tmp_path / "copy.safetensors")


def test_a_proposed_name_is_no_longer_than_a_name_may_be(registry, tmp_path):
    write_tiny_model(tmp_path / "long.safetensors", "n" * 80)
    registry.add(tmp_path / "long.safetensors")
    assert registry.free_name("n" * 80) == "n" * 78 + " 2"


def test_a_damaged_file_is_not_added(registry, tmp_path):
    path = tmp_path / "download.safetensors"
    write_tiny_model(path, "two")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ModelFileError, match="part of it is missing"):
        registry.add(path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelFileError, match="were changed after the model was saved"):
        registry.add(path)
    assert files_in(registry) == []
    path.write_bytes(whole)
    registry.add(path)
    assert files_in(registry) == ["two.safetensors"]


def test_adding_replaces_no_file_that_happens_to_have_the_name(registry, tmp_path):
    registry.own.mkdir()
    write_tiny_model(registry.own / "three.safetensors", "two")
    write_tiny_model(tmp_path / "download.safetensors", "three")
    registry.add(tmp_path / "download.safetensors")
    assert {entry.name for entry in registry.list()} == {"one", "two", "three"}


def test_what_is_still_being_written_is_no_model(registry):
    write_tiny_model(registry.own / ".two-12ab.part.safetensors", "two")
    assert [entry.name for entry in registry.list()] == ["one"]


def test_a_model_is_renamed_and_its_weights_stay(registry, tmp_path):
    write_tiny_model(tmp_path / "m.safetensors", "my model")
    before = registry.add(tmp_path / "m.safetensors")
    entry = registry.rename("my model", " liver v1.2 ")
    assert entry.path == registry.own / "liver v1.2.safetensors"
    assert files_in(registry) == ["liver v1.2.safetensors"]
    assert entry.card == before.card.model_copy(update={"name": "liver v1.2"})
    assert load_model("liver v1.2", registry).card.weights_hash == before.card.weights_hash
    assert registry.rename("liver v1.2", "Liver v1.2").name == "Liver v1.2"
    assert [entry.name for entry in registry.list()] == ["one", "Liver v1.2"]


def test_a_model_keeps_its_name_on_request(registry, tmp_path):
    write_tiny_model(tmp_path / "m.safetensors", "two")
    registry.add(tmp_path / "m.safetensors")
    assert registry.rename("two", "two").path == registry.own / "two.safetensors"
    assert files_in(registry) == ["two.safetensors"]


@pytest.mark.parametrize("new", ["one", "ONE", "", "  ", "a/b", "../up", ".hidden", "é", "n" * 81, "Automatic"])
def test_a_name_that_is_taken_or_none_is_refused(registry, tmp_path, new):
    write_tiny_model(tmp_path / "m.safetensors", "two")
    registry.add(tmp_path / "m.safetensors")
    with pytest.raises(ModelFileError):
        registry.rename("two", new)
    assert files_in(registry) == ["two.safetensors"]
    assert registry.find("two").name == "two"


def test_a_model_is_never_there_twice_while_it_is_renamed(registry, tmp_path, monkeypatch):
    write_tiny_model(tmp_path / "two.safetensors", "two")
    registry.add(tmp_path / "two.safetensors")

    def refuse(path, target):
        assert [entry.name for entry in registry.list()] == ["one", "renamed"]
        raise OSError("another program has it open")

    with monkeypatch.context() as simulated:
        simulated.setattr(Path, "rename", refuse)
        assert registry.rename("two", "renamed").path.name == "two.safetensors"
    assert registry.rename("renamed", "three").path.name == "three.safetensors"
    assert files_in(registry) == ["three.safetensors"]


def test_bundled_and_foreign_models_cannot_be_renamed(registry, tmp_path):
    write_tiny_model(tmp_path / "elsewhere.safetensors")
    for name in ("one", str(tmp_path / "elsewhere.safetensors")):
        with pytest.raises(ModelFileError, match="cannot be changed"):
            registry.rename(name, "two")
    with pytest.raises(UnknownModelError):
        registry.rename("three", "two")


def test_what_stands_for_the_automatic_choice_is_no_name():
    assert AUTOMATIC in RESERVED_NAMES


def test_an_export_is_the_same_file(registry, tmp_path):
    registry.export("one", tmp_path / "share" / "one.safetensors")
    assert (tmp_path / "share" / "one.safetensors").read_bytes() == registry.find("one").path.read_bytes()


@pytest.mark.parametrize("target", ["one.pt", "one", "own/copy.safetensors", "bundled/copy.safetensors"])
def test_an_export_is_a_model_file_outside_the_folders_of_models(registry, tmp_path, target):
    with pytest.raises(OutputFileError):
        registry.export("one", tmp_path / target)
    assert not (tmp_path / target).exists()


def test_what_is_no_model_is_not_added(registry, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(ModelFileError):
        registry.add(tmp_path / "model.pt")


def test_bundled_and_foreign_models_cannot_be_removed(registry, tmp_path):
    with pytest.raises(ModelFileError, match="cannot be changed"):
        registry.remove("one")
    write_tiny_model(tmp_path / "elsewhere.safetensors")
    with pytest.raises(ModelFileError, match="cannot be changed"):
        registry.remove(str(tmp_path / "elsewhere.safetensors"))
    with pytest.raises(UnknownModelError):
        registry.remove("two")
    assert (tmp_path / "elsewhere.safetensors").exists()


def test_a_model_file_is_found_by_its_path(registry, tmp_path):
    path = tmp_path / "elsewhere.safetensors"
    write_tiny_model(path, "elsewhere")
    assert registry.find(str(path)).card.name == "elsewhere"
    assert not registry.find(str(path)).bundled


def test_a_name_with_a_dot_is_a_name(registry, tmp_path):
    write_tiny_model(tmp_path / "m.safetensors", "nuclei v1.2")
    registry.add(tmp_path / "m.safetensors")
    assert registry.find("nuclei v1.2").card.name == "nuclei v1.2"


@pytest.mark.parametrize("name", ["two", "", "two.safetensors", "no/such/folder/two"])
def test_an_unknown_model_is_refused_with_the_names_there_are(registry, name):
    with pytest.raises(UnknownModelError, match="one"):
        registry.find(name)


def test_a_path_that_is_no_model_says_why(registry, tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"x")
    for path in (tmp_path / "weights.pt", tmp_path / "absent.safetensors"):
        with pytest.raises(ModelFileError):
            registry.find(str(path))


def test_a_damaged_file_hides_no_other_model(registry):
    registry.own.mkdir()
    (registry.own / "broken.safetensors").write_bytes(b"\x10")
    (registry.own / "hostile.safetensors").write_bytes((200_000).to_bytes(8, "little") + b"[" * 200_000)
    (registry.own / "folder.safetensors").mkdir()
    assert [entry.name for entry in registry.list()] == ["one"]


def test_automatic_takes_the_bundled_model_or_what_there_is(registry, tiny_model_file):
    assert registry.find(AUTOMATIC).name == "one"
    write_tiny_model(registry.own / "a.safetensors", "a")
    assert registry.find(AUTOMATIC).name == "one"
    assert ModelRegistry(registry.own, registry.own / "none").find(AUTOMATIC).name == "a"


def test_a_model_for_classes_is_not_chosen_for_nuclei(tmp_path):
    registry = ModelRegistry(tmp_path / "own", tmp_path / "bundled")
    architecture = Architecture(base_width=2, depth=1, heads=("classes",), classes=2)
    card = ModelCard(name="a", task="semantic", classes=("road", "sky"), architecture=architecture)
    save_model(registry.own / "a.safetensors", Model(card, tiny_network(architecture)))
    write_tiny_model(registry.own / "b.safetensors", "b")
    assert registry.find(AUTOMATIC).name == "b"


def test_without_any_model_the_message_says_what_to_do(tmp_path):
    with pytest.raises(UnknownModelError, match="Install"):
        ModelRegistry(tmp_path / "own", tmp_path / "bundled").find(AUTOMATIC)


def test_models_are_loaded_by_name_and_by_path(registry, tiny_model_file):
    assert load_model("one", registry).card.name == "one"
    assert load_model(str(tiny_model_file)).card.name == "tiny"
    with pytest.raises(UnknownModelError):
        load_model("two", registry)


def test_what_a_killed_import_left_is_removed_by_the_next(registry, tmp_path):
    write_tiny_model(tmp_path / "new.safetensors", "new")
    registry.own.mkdir()
    (registry.own / ".new-0123abcd.part.safetensors").write_bytes(b"half")
    registry.add(tmp_path / "new.safetensors")
    assert files_in(registry) == ["new.safetensors"]


def test_of_imports_of_one_name_at_the_same_moment_one_is_told_so(registry, tmp_path):
    paths = [tmp_path / f"{number}.safetensors" for number in range(6)]
    for number, path in enumerate(paths):
        write_tiny_model(path, "same", seed=number)

    def imported(path):
        try:
            return registry.add(path).name
        except ModelFileError as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(imported, paths))
    assert said.count("same") == 1
    assert sum("Another model named 'same' is installed already" in text for text in said) == 5
    assert files_in(registry) == ["same.safetensors"]


def test_weights_that_do_not_fit_the_card_or_are_no_numbers_are_not_imported(registry, tmp_path):
    foreign, spoiled = tmp_path / "foreign.safetensors", tmp_path / "spoiled.safetensors"
    write_tiny_model(foreign, architecture=Architecture(base_width=8, depth=2))
    write_tiny_model(spoiled)
    card = read_card(write_and_return(tmp_path / "card.safetensors", "foreign"))
    save_file(load_file(foreign), foreign, {"card": card.model_copy(update=hash_of(foreign)).model_dump_json()})
    weights = {
        name: value * float("nan") if value.is_floating_point() else value for name, value in load_file(spoiled).items()
    }
    save_file(weights, spoiled, {"card": read_card(spoiled).model_dump_json()})
    save_file(weights, spoiled, {"card": read_card(spoiled).model_copy(update=hash_of(spoiled)).model_dump_json()})
    for path, reason in ((foreign, "do not fit"), (spoiled, "not all numbers")):
        with pytest.raises(ModelFileError, match=reason):
            registry.add(path)
    assert files_in(registry) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes in folders")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(ModelFileError, match="a pipe or a device"):
        read_card(tmp_path / "pipe.safetensors")


def write_and_return(path, name):
    write_tiny_model(path, name)
    return path


def hash_of(path) -> dict[str, str]:
    return {"weights_hash": hash_tensors(path)}

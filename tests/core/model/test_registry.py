from __future__ import annotations

import pytest

from napari_unet_nuclei.core.errors import ModelFileError, UnknownModelError
from napari_unet_nuclei.core.model.registry import BUNDLED, ModelRegistry, default_registry, load_model
from tests.core.tiny import write_tiny_model


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


def test_a_name_is_given_once(registry, tmp_path):
    path = tmp_path / "other.safetensors"
    write_tiny_model(path, "one")
    with pytest.raises(ModelFileError, match="already"):
        registry.add(path)
    assert not registry.own.exists() or not list(registry.own.iterdir())


def test_what_is_no_model_is_not_added(registry, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(ModelFileError):
        registry.add(tmp_path / "model.pt")


def test_bundled_and_foreign_models_cannot_be_removed(registry, tmp_path):
    with pytest.raises(ModelFileError, match="stays"):
        registry.remove("one")
    write_tiny_model(tmp_path / "elsewhere.safetensors")
    with pytest.raises(ModelFileError, match="stays"):
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


def test_the_kind_of_image_chooses_the_model_or_takes_what_there_is(registry):
    assert registry.for_kind("fluorescence").name == "one"
    assert registry.for_kind("stained").name == "one"


def test_without_any_model_the_message_says_what_to_do(tmp_path):
    with pytest.raises(UnknownModelError, match="Install"):
        ModelRegistry(tmp_path / "own", tmp_path / "bundled").for_kind("fluorescence")


def test_models_are_loaded_by_name_and_by_path(registry, tiny_model_file):
    assert load_model("one", registry).card.name == "one"
    assert load_model(str(tiny_model_file)).card.name == "tiny"
    with pytest.raises(UnknownModelError):
        load_model("two", registry)

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import ImageFileError, UnknownModelError
from napari_unet_nuclei.core.labels.score import Scoring
from napari_unet_nuclei.core.model.card import Fitted, Thresholds
from napari_unet_nuclei.core.model.file import Model, save_model
from napari_unet_nuclei.core.segment import fingerprint
from napari_unet_nuclei.core.segment.fingerprint import hash_image, hash_request
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.helpers.tiny import tiny_model


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for name, content in (("zarr.json", "{}"), ("0/zarr.json", "{}"), ("0/c/0/0", "pixels")):
        path = tmp_path / "a.zarr" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "a.zarr"


def test_a_file_is_known_by_its_content(tmp_path) -> None:
    for name, content in (("a", "same"), ("b", "same"), ("c", "other")):
        (tmp_path / name).write_text(content)
    os.utime(tmp_path / "b", (0, 0))
    one, two, three = (hash_image(tmp_path / name) for name in "abc")
    assert one == two != three


def test_a_store_is_known_by_its_metadata_and_its_chunks_names_sizes_and_times(store) -> None:
    first = hash_image(store)
    assert hash_image(store) == first
    os.utime(store / "0" / "zarr.json", (0, 0))
    assert hash_image(store) == first
    os.utime(store / "0" / "c" / "0" / "0", (0, 0))
    changed = {first, hash_image(store)}
    (store / "0" / "zarr.json").write_text('{"changed": true}')
    changed.add(hash_image(store))
    (store / "0" / "c" / "0" / "1").write_text("more")
    changed.add(hash_image(store))
    assert len(changed) == 4
    (store / "labels" / "nuclei").mkdir(parents=True)
    (store / "labels" / "nuclei" / "zarr.json").write_text("{}")
    assert hash_image(store) in changed


def test_what_cannot_be_read_is_named(tmp_path) -> None:
    with pytest.raises(ImageFileError, match=r"gone\.tif does not exist"):
        hash_image(tmp_path / "gone.tif")


@pytest.mark.parametrize(
    "changed",
    [
        {"axes": "ZYX"},
        {"plane": {"Z": 1}},
        {"region": (0, 1, 0, 1)},
        {"series": 1},
        {"settings": SegmentSettings(planes="mean")},
        {"settings": SegmentSettings(invert="yes")},
        {"settings": SegmentSettings(flips=True)},
    ],
)
def test_every_choice_counts(changed) -> None:
    assert hash_request(RequestTemplate(**changed)) != hash_request(RequestTemplate())


@pytest.mark.parametrize("settings", [{"device": "cpu"}, {"tile": 128}, {"diameter": 9.0}, {"min_size": 3}])
def test_where_it_runs_and_numbers_that_are_automatic_do_not_count(settings) -> None:
    assert hash_request(RequestTemplate(SegmentSettings(**settings))) == hash_request(RequestTemplate())


def test_a_setting_that_is_added_counts_by_itself_until_it_is_named_without_effect(monkeypatch) -> None:
    class Later(SegmentSettings):
        added: int = 1

    one, two = (hash_request(RequestTemplate(Later(added=number))) for number in (1, 2))
    assert one != two
    monkeypatch.setattr(fingerprint, "WITHOUT_EFFECT", fingerprint.WITHOUT_EFFECT | {"added"})
    same = {hash_request(RequestTemplate(Later(added=number))) for number in (1, 2)}
    assert len(same) == 1


def test_an_unknown_model_is_told_before_anything_is_done() -> None:
    with pytest.raises(UnknownModelError):
        hash_request(RequestTemplate(model="no-such-model"))


@pytest.mark.parametrize(
    "changed",
    [
        {"score": Scoring(("extent",), (0.7,), (0.1,), (1.5,), 2.0)},
        {"thresholds": Thresholds(split=0.2)},
        {"taught": (12.0,)},
        {"other_kinds": {"stained": Fitted(taught=(12.0,))}},
    ],
)
def test_what_a_card_says_of_decoding_changes_the_hash(tmp_path, changed):
    model = tiny_model()
    asked = []
    for name, card in (("one", model.card), ("two", model.card.model_copy(update=changed))):
        save_model(tmp_path / f"{name}.safetensors", Model(card, model.network))
        asked.append(hash_request(RequestTemplate(model=str(tmp_path / f"{name}.safetensors"))))
    assert asked[0] != asked[1]

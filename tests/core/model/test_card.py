from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.labels.score import Scoring
from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.card import DataSource, ModelCard, Thresholds, TrainingRecord, read_card


def write_header(path: Path, header: bytes, length: int | None = None) -> Path:
    path.write_bytes((len(header) if length is None else length).to_bytes(8, "little") + header)
    return path


def header_with(card: object) -> bytes:
    return json.dumps({"__metadata__": {"card": card}}).encode()


def test_a_card_comes_back_from_its_json():
    card = ModelCard(
        name="my nuclei 2.1",
        description="Kerne – µm",
        architecture=Architecture(stem="full", depth=4, upsampling="transposed"),
        thresholds=Thresholds(foreground=0.4),
        training=TrainingRecord(datasets=(DataSource(name="dsb2018", licence="CC0", images=3),), steps=10),
        metrics={"ap50": 0.8, "ap90": float("nan")},
    )
    again = ModelCard.model_validate_json(card.model_dump_json())
    assert again.model_dump_json() == card.model_dump_json()
    assert again.metrics["ap90"] != again.metrics["ap90"]


def test_the_card_is_read_without_the_weights(tiny_model_file):
    content = tiny_model_file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    tiny_model_file.write_bytes(content[: 8 + length])
    assert read_card(tiny_model_file).name == "tiny"


def test_figures_of_an_old_and_a_new_model_stand_side_by_side():
    metrics = {"nuclei": 12345.0, "merged before": 3.0, "merged after": 0.0, "AP after": 0.82}
    card = ModelCard(name="x", metrics=metrics)
    assert card.measured == {"nuclei": "12,345", "merged": "3 → 0", "AP after": "0.82"}


def test_a_card_says_what_a_model_was_made_for_and_what_it_was_taught():
    assert ModelCard(name="x").purpose == "for fluorescence images"
    taught = ModelCard(name="x").fitted("brightfield", taught=(20.0,))
    assert taught.purpose == "for fluorescence and brightfield images"
    assert taught.kinds == ("fluorescence", "brightfield")


def test_kinds_by_the_names_of_earlier_versions_are_understood():
    card = ModelCard.model_validate({"name": "x", "image_kind": "stained", "other_kinds": {"fluorescence": {}}})
    assert card.kinds == ("brightfield", "fluorescence")
    assert ModelCard.model_validate({"name": "x", "other_kinds": {"stained": {}}}).kinds[1] == "brightfield"


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".h5", ".onnx", ""])
def test_other_weight_files_are_refused_with_what_is_accepted(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"x")
    with pytest.raises(ModelFileError, match=r"Accepted are \.safetensors"):
        read_card(path)


@pytest.mark.parametrize(
    ("header", "length"),
    [
        (b"", 0),
        (b"{}", 2),
        (b"[]", 2),
        (b"null", 4),
        (b"\xff\xfe\x00", 3),
        (b"{", 1),
        (b"[" * 200_000, 200_000),
        (b"{}", 2**63),
        (b"{}", 1000),
        (json.dumps({"__metadata__": {}}).encode(), None),
        (json.dumps({"__metadata__": "card"}).encode(), None),
        (header_with({"name": "no text"}), None),
        (header_with("no json"), None),
        (header_with("{}"), None),
    ],
)
def test_damaged_and_foreign_files_are_refused(tmp_path, header, length):
    path = write_header(tmp_path / "model.safetensors", header, length)
    with pytest.raises(ModelFileError, match=r"model\.safetensors"):
        read_card(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_card(tmp_path / "absent.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_card(tmp_path / "folder.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"unknown": 1},
        {"name": "../../etc/passwd"},
        {"name": ""},
        {"name": ".hidden"},
        {"diameter": 0},
        {"diameter": "Infinity"},
        {"percentiles": [99.8, 1.0]},
        {"percentiles": [-1, 101]},
        {"percentiles": ["NaN", 99]},
        {"thresholds": {"min_size": "Infinity"}},
        {"architecture": {"base_width": 100_000}},
        {"architecture": {"depth": 0}},
        {"architecture": {"normalisation": "instance"}},
        {"architecture": {"heads": ["foreground"]}},
        {"architecture": {"heads": []}},
        {"architecture": {"classes": 3}},
        {"architecture": {"heads": ["classes"]}},
        {"architecture": {"heads": ["classes"], "classes": 1}},
        {"architecture": {"heads": ["classes"], "classes": 1_000_000}},
        {"task": "semantic"},
        {"task": "instances", "architecture": {"heads": ["classes"], "classes": 2}, "classes": ["a", "b"]},
        {"task": "semantic", "architecture": {"heads": ["classes"], "classes": 2}},
        {"task": "semantic", "architecture": {"heads": ["classes"], "classes": 2}, "classes": ["a", "a"]},
        {"task": "semantic", "architecture": {"heads": ["classes"], "classes": 2}, "classes": ["a", "b", "c"]},
        {"task": "semantic", "architecture": {"heads": ["classes"], "classes": 2}, "classes": ["a", ""]},
        {"task": "semantic", "architecture": {"heads": ["size", "classes"], "classes": 2}, "classes": ["a", "b"]},
        {"classes": ["a", "b"]},
    ],
)
def test_cards_that_no_engine_could_run_are_refused(tmp_path, change):
    card = json.dumps({"name": "x", **change})
    with pytest.raises(ModelFileError):
        read_card(write_header(tmp_path / "model.safetensors", header_with(card)))


def test_a_card_may_name_classes_in_place_of_nuclei():
    architecture = Architecture(heads=("classes",), classes=3)
    card = ModelCard(name="x", task="semantic", architecture=architecture, classes=("sky", "road", "car"))
    assert ModelCard.model_validate_json(card.model_dump_json()) == card
    assert architecture.outputs == 3
    assert Architecture().outputs == len(Architecture().heads)


def test_a_card_cannot_be_changed():
    with pytest.raises(ValidationError):
        ModelCard(name="x").name = "y"


@pytest.mark.parametrize(
    ("architecture", "stride"),
    [
        (Architecture(stem="full", depth=1), 2),
        (Architecture(stem="full", depth=4), 16),
        (Architecture(stem="space-to-depth", depth=3), 16),
    ],
)
def test_the_stride_is_that_of_stem_and_poolings(architecture, stride):
    assert architecture.stride == stride


def test_widths_double_up_to_the_widest():
    assert [Architecture(base_width=24, max_width=80).width(level) for level in range(4)] == [24, 48, 80, 80]


def test_widths_that_grow_by_another_factor_are_multiples_of_eight():
    assert [Architecture(base_width=24, growth=2.3).width(level) for level in range(4)] == [24, 56, 128, 296]


def test_a_card_holds_for_each_kind_of_images_what_suits_it():
    card = ModelCard(name="m", thresholds=Thresholds(score=0.5), taught=(10.0,))
    assert card.for_kind("brightfield") == card == card.for_kind("fluorescence")
    both = card.fitted("brightfield", taught=(20.0, 30.0)).fitted("brightfield", thresholds=Thresholds(score=0.9))
    assert both.for_kind("fluorescence").taught == (10.0,)
    assert both.for_kind("fluorescence").thresholds.score == 0.5
    assert both.for_kind("brightfield").taught == (20.0, 30.0)
    assert both.for_kind("brightfield").thresholds.score == 0.9
    assert card.fitted("fluorescence", taught=(40.0,)).taught == (40.0,)
    assert ModelCard.model_validate_json(both.model_dump_json()) == both


def test_a_record_of_an_earlier_version_keeps_its_data_set():
    old = {"dataset": "dsb2018", "data_licence": "CC0", "images": 3, "nuclei": 40, "steps": 5}
    record = TrainingRecord.model_validate(old)
    assert record.datasets == (DataSource(name="dsb2018", licence="CC0", images=3, nuclei=40),)
    assert (record.images, record.steps) == (3, 5)
    assert TrainingRecord.model_validate({"dataset": "", "data_licence": "", "images": 3}).datasets == ()
    assert TrainingRecord.model_validate(record.model_dump()) == record


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (DataSource(name="x"), "x; licence not stated"),
        (DataSource(name="x", licence="CC0", images=1, nuclei=1), "x; CC0; 1 image, 1 nucleus"),
        (
            DataSource(name="x", licence="CC0", credit="Them 2020", images=1200, nuclei=2, through="base"),
            "Them 2020 (x); CC0; 1,200 images, 2 nuclei, through base",
        ),
    ],
)
def test_a_source_is_told_in_a_line(source, line):
    assert str(source) == line


def test_cards_from_before_notches_and_scores_are_read():
    old = {"foreground": 0.55, "seed": 0.1, "min_size": 4.0, "certainty": 0.89}
    card = ModelCard.model_validate({"name": "old", "thresholds": old, "other_kinds": {"stained": {"thresholds": old}}})
    assert card.thresholds == Thresholds(foreground=0.55, min_size=4.0, score=0.89)
    assert card.for_kind("brightfield").thresholds == card.thresholds
    assert card.score is None


def test_scores_belong_to_a_kind_of_images_and_come_back_from_json():
    score = Scoring(("extent",), (0.7,), (0.1,), (1.5,), 2.0)
    card = ModelCard(name="m", score=score).fitted("brightfield", score=None)
    again = ModelCard.model_validate_json(card.model_dump_json())
    assert again == card
    assert (again.for_kind("fluorescence").score, again.for_kind("brightfield").score) == (score, None)
    with pytest.raises(ValidationError, match="unknown features"):
        ModelCard.model_validate({"name": "m", "score": {**card.model_dump()["score"], "features": ("colour",)}})

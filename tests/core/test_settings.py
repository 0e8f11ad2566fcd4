from __future__ import annotations

import json

import pytest

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.settings import FinetuneSettings, SegmentSettings, TrainSettings
from napari_unet_nuclei.core.settings_base import read_settings, validated


def test_giving_a_number_turns_its_switch_off():
    settings = SegmentSettings().changed(diameter=30, split=0.4)
    assert (settings.diameter, settings.diameter_auto) == (30.0, False)
    assert (settings.split, settings.split_auto) == (0.4, False)
    assert settings.foreground_auto


def test_a_switch_that_is_given_is_kept():
    assert SegmentSettings().changed(diameter=30, diameter_auto=True).diameter_auto


def test_changing_leaves_the_original_alone():
    settings = SegmentSettings()
    settings.changed(tile=256)
    assert settings == SegmentSettings()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"diameter": -1}, "diameter"),
        ({"diameter": float("nan")}, "diameter"),
        ({"foreground": 1.5}, "foreground"),
        ({"tile": 10}, "tile"),
        ({"min_size": 2.5}, "min_size"),
        ({"diamter": 30}, "diamter"),
        ({"invert": "maybe"}, "invert"),
        ({"diameter_unit": "mm"}, "diameter_unit"),
    ],
)
def test_what_cannot_be_used_is_refused_and_named(values, named):
    with pytest.raises(SettingsError, match=named):
        SegmentSettings().changed(**values)


def test_all_problems_are_named_at_once():
    with pytest.raises(SettingsError, match=r"tile.*min_size|min_size.*tile"):
        validated(SegmentSettings, {"tile": 1, "min_size": -1})


@pytest.mark.parametrize("kind", [SegmentSettings, TrainSettings])
def test_every_setting_is_explained_and_every_number_bounded(kind):
    for name, schema in kind.model_json_schema()["properties"].items():
        assert schema["description"].endswith("."), name
        if schema.get("type") in ("integer", "number"):
            assert {"minimum", "maximum", "unit"} <= schema.keys(), name


@pytest.mark.parametrize("kind", [SegmentSettings, TrainSettings])
def test_an_automatic_number_is_a_switch_and_a_number(kind):
    for name in kind.model_fields:
        if name.endswith("_auto"):
            assert name.removesuffix("_auto") in kind.model_fields


@pytest.mark.parametrize("kind", [SegmentSettings, TrainSettings])
def test_settings_come_back_from_a_file(tmp_path, kind):
    path = tmp_path / "settings.json"
    settings = kind().changed(device="cpu")
    path.write_text(settings.model_dump_json(), encoding="utf-8")
    assert read_settings(path, kind) == settings


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[1]", "object"),
        (b"\xff\xfe", "JSON"),
        (json.dumps({"tile": "wide"}).encode(), "tile"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_refused(tmp_path, content, problem):
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=problem):
        read_settings(path, SegmentSettings)


def test_a_missing_settings_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"absent\.json"):
        read_settings(tmp_path / "absent.json", SegmentSettings)


def test_the_settings_in_a_runs_description_are_read(tmp_path):
    settings = SegmentSettings().changed(diameter=30, flips=True)
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"program": "x", "settings": settings.model_dump(), "files": []}), encoding="utf-8")
    assert read_settings(path, SegmentSettings) == settings


def test_former_settings_that_were_automatic_are_passed_over(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text('{"seed_auto": true, "seed": 0.5, "certainty": 0.8, "certainty_auto": true, "foreground": 0.4}')
    assert read_settings(file, SegmentSettings) == SegmentSettings(foreground=0.4, planes="each")


@pytest.mark.parametrize(("name", "instead"), [("seed", "split"), ("certainty", "score")])
def test_former_settings_that_were_chosen_are_refused_with_what_to_do(tmp_path, name, instead):
    file = tmp_path / "settings.json"
    for text in (f'{{"{name}": 0.5}}', f'{{"{name}": 0.5, "{name}_auto": false}}'):
        file.write_text(text)
        with pytest.raises(SettingsError, match=f"'{name}' is gone.*set '{instead}'"):
            read_settings(file, SegmentSettings)
    with pytest.raises(SettingsError, match=f"set '{instead}'"):
        SegmentSettings().changed(**{name: 0.5})
    assert FinetuneSettings(seed=3).seed == 3


@pytest.mark.parametrize(
    ("content", "planes"),
    [
        ({}, "each"),
        ({"planes": "auto"}, "auto"),
        ({"planes": "volume"}, "volume"),
        ({"projection": "mean"}, "mean"),
        ({"projection": "none"}, "each"),
        ({"settings": {"flips": True}, "projection": "maximum"}, "maximum"),
        ({"settings": {"flips": True}, "projection": "none"}, "each"),
        ({"settings": {"flips": True, "planes": "joined"}}, "joined"),
    ],
)
def test_settings_of_before_volumes_keep_their_meaning(tmp_path, content, planes):
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(content))
    assert read_settings(file, SegmentSettings).planes == planes


def test_a_projection_contradicts_other_planes():
    assert SegmentSettings().changed(projection="maximum").planes == "maximum"
    with pytest.raises(SettingsError, match="contradicts"):
        SegmentSettings().changed(projection="maximum", planes="joined")

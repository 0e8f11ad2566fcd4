import json

import pytest
import typer

from napari_unet_nuclei.cli.options import parse_plane, parse_region, settings_options
from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.helpers.program import run


def chosen(**given: object) -> SegmentSettings:
    """The settings that a command receives when only these options are given."""
    received: list[SegmentSettings] = []

    @settings_options(SegmentSettings)
    def command(settings: SegmentSettings) -> None:
        received.append(settings)

    options = {name: None for name in SegmentSettings.model_fields if not name.endswith("_auto")}
    command(**{**options, **given})
    return received[0]


def test_without_options_the_settings_are_the_defaults():
    assert chosen() == SegmentSettings()


def test_giving_a_number_turns_its_switch_off():
    settings = chosen(diameter=30.0, diameter_unit="µm")
    assert (settings.diameter_auto, settings.diameter, settings.diameter_unit) == (False, 30.0, "µm")
    assert settings.foreground_auto


def test_options_win_over_the_file(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"tile": 512, "flips": True}))
    settings = chosen(settings_file=file, tile=256)
    assert (settings.tile, settings.flips) == (256, True)


@pytest.mark.parametrize(("said", "kind"), [("yes", "brightfield"), ("no", "fluorescence"), ("auto", "auto")])
def test_invert_of_earlier_versions_is_a_kind_of_image(said, kind, tmp_path):
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"invert": said, "channel": 1, "channel_auto": False}))
    assert chosen(invert=said).kind == chosen(settings_file=file).kind == kind
    assert chosen(settings_file=file).channel == "1"
    assert chosen(settings_file=file, kind="fluorescence").kind == "fluorescence"
    file.write_text(json.dumps({"kind": "fluorescence"}))
    assert chosen(settings_file=file, invert="yes").kind == "brightfield"


def test_a_kind_and_an_invert_that_contradict_each_other_are_refused():
    assert chosen(invert="yes", kind="brightfield").kind == "brightfield"
    with pytest.raises(SettingsError, match="invert' yes means kind brightfield, which contradicts kind fluorescence"):
        chosen(invert="yes", kind="fluorescence")
    assert "--invert" not in run("segment", "--help").stdout


def test_a_settings_file_with_an_unknown_name_is_refused(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text('{"diametre": 30}')
    with pytest.raises(SettingsError, match="diametre"):
        chosen(settings_file=file)


def test_every_setting_is_an_option_described_in_its_own_words():
    shown = " ".join(run("segment", "--help").stdout.replace("│", " ").split())
    for name, field in SegmentSettings.model_fields.items():
        if name.endswith("_auto"):
            assert name.replace("_", "-") not in shown
        else:
            assert f"--{name.replace('_', '-')}" in shown
            assert field.description.split()[0] in shown


def test_a_number_out_of_bounds_is_wrong_usage(tmp_path):
    shown = run("segment", tmp_path, "--out", tmp_path, "--foreground", "1.5")
    assert shown.exit_code == 2
    assert "0.99" in shown.output


@pytest.mark.parametrize(
    ("text", "plane"), [("", {}), ("3", {"": 3}), ("T=0,Z=3", {"T": 0, "Z": 3}), ("z=1, t=2", {"Z": 1, "T": 2})]
)
def test_planes_are_read(text, plane):
    assert parse_plane(text) == plane


@pytest.mark.parametrize("text", ["x", "-1", "Z=", "Z=1,Z=2", "1,2", "Y=3", "Z=1,3"])
def test_what_names_no_plane_is_wrong_usage(text):
    with pytest.raises(typer.BadParameter):
        parse_plane(text)


def test_a_region_is_read():
    assert parse_region("0:512,100:356") == (0, 512, 100, 356)
    assert parse_region("") is None


@pytest.mark.parametrize("text", ["1", "0:5", "0:5,0:5,0:5", "5:5,0:5", "-1:5,0:5", "a:b,c:d", "0:5,7:3"])
def test_what_is_no_region_is_wrong_usage(text):
    with pytest.raises(typer.BadParameter):
        parse_region(text)

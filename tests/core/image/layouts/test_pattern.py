"""Patterns of names that users write."""

from __future__ import annotations

import pytest

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.image.layouts import pattern as module
from napari_unet_nuclei.core.image.layouts.pattern import matches, read_pattern


def said(pattern: str, name: str) -> dict[str, str] | None:
    """What a pattern reads from a name."""
    (found,) = matches(read_pattern(pattern), [name])
    return found and {place: name[slice(*span)] for place, span in found.items()}


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("{well}_s{field}_w{channel}.tif", "B02_s1_w2.tif", {"well": "B02", "field": "1", "channel": "2"}),
        ("{well}_s{field}_w{channel}.tif", "b02_S1_W2.TIF", {"well": "b02", "field": "1", "channel": "2"}),
        ("{well}_s{field}_w{channel}", "B02_s1_w2.tiff", {"well": "B02", "field": "1", "channel": "2"}),
        ("{name}_z{plane}_{channel}.*", "cells 1_z07_DAPI.png", {"name": "cells 1", "plane": "07", "channel": "DAPI"}),
        ("*_{row}{column}", "", None),
        ("{well}_*_{time}.tif", "r02c11_any_03d12h00m.tif", {"well": "r02c11", "time": "03d12h00m"}),
        (
            r"^(?P<Plate>.*)_(?P<Well>[A-P][0-9]{2})_s(?P<Site>[0-9])_w(?P<ChannelNumber>[0-9])",
            "week_1_B02_s1_w2A1B2.tif",
            {"plate": "week_1", "well": "B02", "field": "1", "channel": "2"},
        ),
        (r"(?P<well>[A-H]\d+)_(?P<wavelength>\w+)\.tif$", "day 1 A01_GFP.tif", {"well": "A01", "channel": "GFP"}),
        (r"^(?P<well>[A-H]\d+)_", "day 1 A01_GFP.tif", None),
    ],
)
def test_a_pattern_reads_a_name(pattern, name, expected):
    if "{row}{" in pattern:
        with pytest.raises(SettingsError, match="something between"):
            read_pattern(pattern)
        return
    found = said(pattern, name)
    assert found == (expected and {"folder": "", **expected})


def test_folders_belong_to_a_pattern_that_has_some():
    found = said("{channel}/{name}.tif", "day 1/DAPI/a.tif")
    assert found == {"folder": "day 1/", "channel": "DAPI", "name": "a"}
    assert said("{name}_{channel}.tif", "day_1/a_b.tif") == {"folder": "day_1/", "name": "a", "channel": "b"}
    assert said(r"(?P<channel>\w+)/(?P<name>\w+)\.tif", "day/DAPI/a.tif") == {
        "folder": "day/",
        "channel": "DAPI",
        "name": "a",
    }


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("cells.tif", "names no place"),
        ("{wel}_{channel}.tif", r"no place \{wel\}. Places are channel, well"),
        ("{channel}{plane}.tif", "something between"),
        ("{channel}_{channel}.tif", "once"),
        ("{channel.tif", "brace has no partner"),
        (r"(?P<channel>\w+", "no regular expression"),
    ],
)
def test_a_pattern_that_cannot_be_read_says_why(pattern, why):
    with pytest.raises(SettingsError, match=why):
        read_pattern(pattern)


def test_a_regular_expression_that_never_ends_is_ended(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 1.0)
    with pytest.raises(SettingsError, match="takes too long"):
        matches(read_pattern(r"(?P<channel>(\w+)*)!"), ["a" * 60 + ".tif"])

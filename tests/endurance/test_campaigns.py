"""Every campaign can be run, and knows a good example from a spoiled one."""

from __future__ import annotations

import importlib
import sys
from random import Random

import pytest

if sys.platform != "linux":
    pytest.skip("campaigns run on Linux alone", allow_module_level=True)

from endurance.__main__ import NAMES
from endurance.spoiling import spoiled_bytes, spoiled_json, spoiled_text, spoiled_zip, zip_of
from endurance.window import slope_of


@pytest.mark.parametrize("name", NAMES)
def test_every_campaign_finds_what_it_needs(name):
    assert callable(importlib.import_module(f"endurance.{name}").run)


@pytest.mark.parametrize(
    ("spoil", "content"),
    [
        (spoiled_bytes, bytes(range(200))),
        (spoiled_text, b'<Pixels SizeX="64" Name="a"/>\n'),
        (spoiled_json, b'{"a": [1, 2.5, "b"], "c": {"d": null, "e": true}}'),
        (lambda content, drawn: spoiled_zip(content, drawn, {".json": (spoiled_json,)}), zip_of({"a.json": b"[1]"})),
    ],
    ids=["bytes", "text", "json", "zip"],
)
def test_spoiling_is_the_same_each_time_and_never_the_same_twice(spoil, content):
    spoiled = [spoil(content, Random(f"trial {number}")) for number in range(200)]
    assert spoiled == [spoil(content, Random(f"trial {number}")) for number in range(200)]
    assert len(set(spoiled)) > 60
    assert sum(one != content for one in spoiled) > 180


def test_a_slope_is_that_of_most_and_not_of_a_single_step():
    assert slope_of([3 * number for number in range(20)]) == 3
    assert slope_of([100] * 15 + [9000] + [100] * 15) == 0

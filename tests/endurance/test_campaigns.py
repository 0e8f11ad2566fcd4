"""Every campaign can be run, and knows a good example from a spoiled one."""

from __future__ import annotations

import importlib
import sys
from random import Random

import pytest

if sys.platform != "linux":
    pytest.skip("campaigns run on Linux alone", allow_module_level=True)

from endurance.__main__ import NAMES, main
from endurance.growth import repeat, slope_of
from endurance.spoiling import spoiled_bytes, spoiled_json, spoiled_text, spoiled_zip, zip_of
from endurance.tally import VIOLATED, Tally


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


@pytest.fixture
def doing(monkeypatch):
    """Something that is done again and again; each time takes a quarter of an hour by a clock of its own."""
    clock = [0.0]
    monkeypatch.setattr("endurance.growth.time.monotonic", lambda: clock[0])

    def do(number: int) -> None:
        done.append(number)
        clock[0] += 900

    done: list[int] = []
    do.done = done
    return do


@pytest.mark.parametrize(("least", "hours", "times"), [(6, 0, 6), (6, 1, 6), (6, 2.5, 10)])
def test_long_use_goes_on_so_often_and_for_so_long(doing, least, hours, times):
    growth = repeat(doing, least, settled=2, hours=hours)
    assert doing.done == list(range(times))
    assert len(growth.held) == times - 2


class Leaked:
    """What is not freed."""


def test_what_is_not_freed_is_a_violation_and_named():
    leaked, tally = [], Tally("long use")
    repeat(lambda number: leaked.extend(Leaked() for _ in range(number * 50)), 12, 4, 0).judge(
        tally, "time", {"objects": 100, "threads": 0.01}
    )
    assert tally.counts[VIOLATED] == 1
    assert "objects grow by more than 100 a time" in tally.violations
    assert "Leaked" in tally.figures[-1]


def test_hours_without_a_campaign_that_takes_them_are_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["endurance", "kills", "--hours", "2"])
    with pytest.raises(SystemExit):
        main()
    assert "--hours is without effect" in capsys.readouterr().err

"""Names longer than file systems take are no such file, in words, whichever argument they are."""

from __future__ import annotations

import pytest

from tests.helpers.program import run, write_image

LONG = "x" * 300 + ".tif"


@pytest.mark.parametrize(
    "arguments",
    [
        ("segment", LONG, "--out", "out"),
        ("segment", "a.png", "--out", "out", "--model", LONG),
        ("segment", "a.png", "--out", LONG),
        ("measure", LONG, LONG, "--out", "o.csv"),
        ("evaluate", LONG, LONG),
    ],
    ids=lambda arguments: " ".join("LONG" if one == LONG else one for one in arguments),
)
def test_a_name_that_is_too_long_is_refused_in_words(tmp_path, monkeypatch, arguments) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "a.png")
    ended = run(*arguments)
    assert ended.exit_code in (1, 2)
    assert "xxx" in ended.stderr

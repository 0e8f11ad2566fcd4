"""The scripts in examples/: every one runs as it stands, and prints what it promises."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PRINTED = {
    "one_image.py": "with tighter outlines",
    "a_folder.py": "3 images were done before",
    "a_slide.py": "slide_labels.ome.zarr and slide_table.csv",
    "fine_tune.py": "ours.report.html",
    "read_results.py": "nuclei are bright in GFP",
}


def test_every_example_is_run_and_listed():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PRINTED)
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in PRINTED if f"]({name})" not in page] == []


@pytest.mark.parametrize("name", PRINTED)
def test_the_example_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert PRINTED[name] in capsys.readouterr().out

"""Names of files that no text holds, that break lines, or that a spreadsheet would compute: the run ends whole."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import pandas as pd
import pytest

from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings
from tests.helpers.samples import fluorescent_nuclei

SETTINGS = SegmentSettings().changed(diameter=24.0, device="cpu")
NAMES = {b"caf\xe9.png": r"caf\xe9.png", b"a\rb.png": r"a\rb.png", "naïve.png".encode(): "naïve.png"}


def draw(path: bytes) -> None:
    pixels = iio.imwrite("<bytes>", fluorescent_nuclei(0, (64, 64), 24.0, 3).image, extension=".png")
    try:
        Path(os.fsdecode(path)).write_bytes(pixels)
    except OSError:
        pytest.skip("this file system takes no such names")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name in NAMES:
        draw(os.fsencode(tmp_path / "in") + b"/" + name)
    return tmp_path / "in"


@pytest.mark.parametrize("parquet", [False, True])
def test_names_that_are_no_text_stand_escaped_in_all_results(images, tmp_path, tiny_model_file, parquet) -> None:
    if parquet:
        pytest.importorskip("pyarrow")
    out, template = tmp_path / "out", RequestTemplate(SETTINGS, str(tiny_model_file))
    for status in ("done", "skipped"):
        report = segment_files([images], out, template, batch=BatchSettings(parquet=parquet))
        assert [record.status for record in report.records] == [status] * 3
        shown = {str(images / name) for name in NAMES.values()}
        with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert {row["image"] for row in rows} == shown
        assert set(pd.read_csv(out / "nuclei.csv")["image"]) == shown
        assert set(report.summary()["image"]) == shown
        if parquet:
            assert set(pd.read_parquet(out / "nuclei.parquet")["image"]) == shown
        described = json.loads((out / "run.json").read_text(encoding="utf-8"))
        assert {Path(one["image"]).name for one in described["files"]} == set(map(os.fsdecode, NAMES))
        page = (out / "report.html").read_text(encoding="utf-8")
        assert all(name in page for name in NAMES.values())


def test_a_damaged_image_whose_name_is_no_text_has_its_row(images, tmp_path, tiny_model_file) -> None:
    (images / os.fsdecode(b"bad\xff.tif")).write_bytes(b"II*\0")
    (images / os.fsdecode(b"bad\xff.txt")).write_bytes(b"nothing")
    given = [images, images / os.fsdecode(b"none\xff.tif")]
    report = segment_files(given, tmp_path / "out", RequestTemplate(SETTINGS, str(tiny_model_file)))
    assert sorted(Path(record.title).name for record in report.failed) == [r"bad\xff.tif", r"none\xff.tif"]
    table = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert table.loc[table.status == "failed", "message"].str.contains(r"\xff.tif", regex=False).any()


def test_outside_utf8_mode_names_are_written_as_they_are(images, tmp_path, tiny_model_file) -> None:
    out = tmp_path / "out"
    arguments = [str(images / "naïve.png"), "--out", str(out), "--model", str(tiny_model_file), "--diameter", "24"]
    ended = subprocess.run(
        [sys.executable, "-m", "napari_unet_nuclei", "segment", *arguments, "--device", "cpu"],
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    assert ended.returncode == 0, ended.stderr
    assert pd.read_csv(out / "summary.csv")["image"].tolist() == [str(images / "naïve.png")]
    assert "naïve.png" in (out / "report.html").read_text(encoding="utf-8")


def test_no_name_is_a_formula_to_a_spreadsheet(tmp_path, tiny_model_file, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("=a.png", "-b.png", "+c.png", "@d.png"):
        draw(name.encode())
    segment_files(
        [Path(name) for name in ("=a.png", "-b.png", "+c.png", "@d.png")],
        Path("out"),
        RequestTemplate(SETTINGS, str(tiny_model_file)),
    )
    for name in ("summary.csv", "nuclei.csv"):
        assert set(pd.read_csv(f"out/{name}")["image"]) == {"'=a.png", "'-b.png", "'+c.png", "'@d.png"}

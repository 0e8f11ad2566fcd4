"""What a run that was killed leaves behind, and what the next one makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from napari_unet_nuclei.core.folder.run import LOCK, NUMBER_FORMAT, segment_files
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings
from tests.helpers.samples import fluorescent_nuclei

HELPERS = Path(__file__).parents[2] / "helpers"

SETTINGS = SegmentSettings().changed(diameter=24.0, device="cpu")


def draw(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, fluorescent_nuclei(seed, (64, 64), 24.0, 3).image)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a.png", "deep/b.png")):
        draw(tmp_path / "images" / name, seed)
    return tmp_path / "images"


@pytest.fixture
def template(tiny_model_file: Path) -> RequestTemplate:
    return RequestTemplate(SETTINGS, str(tiny_model_file))


def statuses(report) -> dict[str, str]:
    return {Path(record.image).name: record.status for record in report.records}


def check_whole(path: Path) -> None:
    """Read a file of any kind to its end."""
    match path.suffix:
        case ".tif":
            tifffile.imread(path)
        case ".csv":
            pd.read_csv(path)
        case ".png":
            iio.imread(path)
        case ".json" | ".geojson":
            json.loads(path.read_text(encoding="utf-8"))
        case ".zip":
            assert zipfile.ZipFile(path).testzip() is None
        case ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        case "":
            assert path.name in (LOCK, NUMBER_FORMAT)
        case _:
            raise AssertionError(f"{path} is of an unknown kind")


def files_in(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.timeout(300)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system copies no processes")
def test_a_run_killed_at_any_step_and_started_again_is_as_if_it_had_run_once(images, template, tmp_path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    program = [sys.executable, str(HELPERS / "killed_runs.py")]
    ended = subprocess.run(
        [*program, str(images), template.model, str(results), "16"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # a process that has computed with more cannot be copied
    )
    assert ended.returncode == 0, ended.stderr
    deaths = int(ended.stdout)
    assert deaths > 5
    whole = files_in(results / "whole")
    for death in range(deaths):
        for name, path in files_in(results / str(death)).items():
            if ".part" not in name:
                check_whole(path)
        again = files_in(results / f"{death} again")
        assert set(again) == set(whole), f"after death {death}"
        for name, path in again.items():
            if path.suffix == ".tif":
                np.testing.assert_array_equal(tifffile.imread(path), tifffile.imread(whole[name]))
            elif path.suffix in (".zip", ".geojson", ".png") or path.name.endswith(("_table.csv", "nuclei.csv")):
                assert path.read_bytes() == whole[name].read_bytes(), f"{name} after death {death}"


def test_what_is_done_is_skipped_and_touched_by_nobody(images, template, tmp_path) -> None:
    first = segment_files([images], tmp_path / "out", template)
    before = {name: path.stat().st_mtime_ns for name, path in files_in(tmp_path / "out").items() if "_" in name}
    second = segment_files([images], tmp_path / "out", template)
    assert statuses(second) == {"a.png": "skipped", "b.png": "skipped"}
    assert [record.nuclei for record in second.records] == [record.nuclei for record in first.records]
    assert before == {name: path.stat().st_mtime_ns for name, path in files_in(tmp_path / "out").items() if "_" in name}


def test_it_is_the_content_that_counts_and_not_the_date_or_the_place(images, template, tmp_path) -> None:
    segment_files([images], tmp_path / "out", template)
    os.utime(images / "a.png", (0, 0))
    draw(images / "deep" / "b.png", 7)
    assert statuses(segment_files([images], tmp_path / "out", template)) == {"a.png": "skipped", "b.png": "done"}
    images.rename(tmp_path / "elsewhere")
    moved = segment_files([tmp_path / "elsewhere"], tmp_path / "out", template)
    assert statuses(moved) == {"a.png": "skipped", "b.png": "skipped"}
    assert moved.records[0].image == str(tmp_path / "elsewhere" / "a.png")


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ({"diameter": 20.0}, True),
        ({"foreground": 0.3}, True),
        ({"foreground": 0.3, "foreground_auto": True}, False),
        ({"tile": 256}, False),
    ],
)
def test_settings_that_show_in_the_labels_make_a_run_anew(images, template, tmp_path, changed, again) -> None:
    segment_files([images / "a.png"], tmp_path / "out", template)
    other = RequestTemplate(SETTINGS.changed(**changed), template.model)
    report = segment_files([images / "a.png"], tmp_path / "out", other)
    assert statuses(report) == {"a.png": "done" if again else "skipped"}


def test_another_model_makes_a_run_anew_and_another_name_of_it_does_not(images, template, tmp_path) -> None:
    from tests.helpers.tiny import write_tiny_model

    segment_files([images / "a.png"], tmp_path / "out", template)
    for name, seed, status in (("renamed", 0, "skipped"), ("other", 5, "done")):
        write_tiny_model(tmp_path / f"{name}.safetensors", name, seed=seed)
        other = RequestTemplate(SETTINGS, str(tmp_path / f"{name}.safetensors"))
        assert statuses(segment_files([images / "a.png"], tmp_path / "out", other)) == {"a.png": status}


def test_overwriting_does_everything_anew(images, template, tmp_path) -> None:
    segment_files([images], tmp_path / "out", template)
    report = segment_files([images], tmp_path / "out", template, batch=BatchSettings(overwrite=True))
    assert statuses(report) == {"a.png": "done", "b.png": "done"}


def test_a_result_that_is_missing_or_newly_wanted_is_made(images, template, tmp_path) -> None:
    out = tmp_path / "out"
    segment_files([images], out, template)
    (out / "a_table.csv").unlink()
    assert statuses(segment_files([images], out, template)) == {"a.png": "done", "b.png": "skipped"}
    more = segment_files([images], out, template, batch=BatchSettings(rois=True))
    assert statuses(more) == {"a.png": "done", "b.png": "done"}
    assert (out / "deep" / "b_rois.zip").exists()


def test_labels_that_were_corrected_by_hand_are_not_overwritten(images, template, tmp_path) -> None:
    out = tmp_path / "out"
    segment_files([images], out, template)
    tifffile.imwrite(out / "a_labels.tif", np.ones((64, 64), np.int32))
    assert statuses(segment_files([images], out, template)) == {"a.png": "skipped", "b.png": "skipped"}
    other = RequestTemplate(SETTINGS.changed(diameter=20.0), template.model)
    report = segment_files([images], out, other)
    assert statuses(report) == {"a.png": "failed", "b.png": "done"}
    assert "changed since it was written" in report.failed[0].error
    assert (tifffile.imread(out / "a_labels.tif") == 1).all()


def test_labels_in_a_store_that_were_corrected_by_hand_are_not_overwritten(images, template, tmp_path) -> None:
    out, stores = tmp_path / "out", BatchSettings(labels="ome.zarr")
    segment_files([images], out, template, batch=stores)
    zarr.open_array(out / "a_labels.ome.zarr" / "0", mode="r+")[:] = 1
    other = RequestTemplate(SETTINGS.changed(diameter=20.0), template.model)
    report = segment_files([images], out, other, batch=stores)
    assert statuses(report) == {"a.png": "failed", "b.png": "done"}
    assert "changed since it was written" in report.failed[0].error


def test_files_that_no_run_wrote_are_not_overwritten(images, template, tmp_path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a_labels.tif").write_bytes(b"mine")
    report = segment_files([images], out, template)
    assert statuses(report) == {"a.png": "failed", "b.png": "done"}
    assert "no run has noted" in report.failed[0].error
    assert (out / "a_labels.tif").read_bytes() == b"mine"


def test_results_of_another_image_of_that_name_are_not_overwritten(images, template, tmp_path) -> None:
    out = tmp_path / "out"
    segment_files([images / "a.png"], out, template)
    other = draw(tmp_path / "other day" / "a.png", 9)
    report = segment_files([other], out, template)
    assert statuses(report) == {"a.png": "failed"}
    assert "another image" in report.failed[0].error
    assert statuses(segment_files([other], out, template, batch=BatchSettings(overwrite=True))) == {"a.png": "done"}

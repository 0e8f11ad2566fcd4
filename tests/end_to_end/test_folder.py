"""A folder of real images with five bad files among them: the window and the command line give the same."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from qtpy.QtCore import Qt
from typer.testing import CliRunner

from napari_unet_nuclei.cli import app
from napari_unet_nuclei.core.image.io.read import read_image

IMAGES = 8
LONG = 240_000
"""Milliseconds that the run may take on a busy machine."""

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


@pytest.fixture
def folder(nuclei_data: Path, tmp_path: Path) -> Path:
    """Real images in two folders, and a file of each bad kind beside them."""
    folder, root = tmp_path / "in", nuclei_data / "dsb2018"
    with (root / "index.csv").open(encoding="utf-8", newline="") as file:
        names = [row["image"] for row in csv.DictReader(file)]
    for number, name in enumerate(names[:: len(names) // IMAGES][:IMAGES]):
        target = folder / ("odd" if number % 2 else "even") / f"field_{number:03}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "images" / f"{name}.png", target)
    noise = np.random.default_rng(0).integers(0, 9999, (128, 128), np.uint16)
    (folder / "notes.tif").write_text("my notes")
    (folder / "odd" / "empty.tif").touch()
    (folder / "even" / "garbage.png").write_bytes(noise.tobytes())
    tifffile.imwrite(folder / "even" / "cut.tif", noise)
    (folder / "even" / "cut.tif").write_bytes((folder / "even" / "cut.tif").read_bytes()[:-9000])
    tifffile.imwrite(folder / "two channels.ome.tif", np.stack([noise, noise]), metadata={"axes": "CYX"})
    return folder


def assert_same_results(one: Path, other: Path) -> None:
    labels = sorted(one.rglob("*_labels.tif"))
    assert len(labels) == IMAGES
    for path in labels:
        np.testing.assert_array_equal(read_image(path).array, read_image(other / path.relative_to(one)).array)
    for path in (*one.rglob("*_table.csv"), one / "nuclei.csv"):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes(), path.name


@pytest.mark.cluster
def test_a_run_that_was_killed_and_two_workers_give_what_one_run_gives(folder, tmp_path) -> None:
    pytest.importorskip("distributed")
    command = ["segment", str(folder), "--out"]
    program = [sys.executable, "-m", "napari_unet_nuclei", *command, str(tmp_path / "killed")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as killed:
        assert killed.stdout is not None
        assert all(killed.stdout.readline() for _ in range(4)), "the run ended before it could be killed"
        killed.kill()
    assert killed.returncode != 0
    assert not (tmp_path / "killed" / "summary.csv").exists()
    for out, options in (("once", ()), ("killed", ()), ("workers", ("--workers", "2"))):
        shown = CliRunner().invoke(app, [*command, str(tmp_path / out), *options])
        assert shown.exit_code == 1, shown.output
        assert f"5 of {IMAGES + 5} failed" in shown.stderr
    summary = pd.read_csv(tmp_path / "killed" / "summary.csv")
    assert {"done", "skipped", "failed"} == set(summary.status)
    for out in ("killed", "workers"):
        assert_same_results(tmp_path / "once", tmp_path / out)


@pytest.mark.usefixtures("two_threads")
def test_the_dock_and_the_command_line_give_the_same_labels_and_list_the_bad_files(
    qtbot, make_napari_viewer_proxy, folder, tmp_path
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-nuclei", "Batch segment folder")
    dock.form.images.setValue(str(folder))
    dock.form.out.setValue(str(tmp_path / "dock"))
    qtbot.waitUntil(lambda: "5 cannot be used" in dock.form.facts_label.text(), timeout=LONG)
    qtbot.mouseClick(dock.job_panel.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)
    assert f"5 of {IMAGES + 5} failed" in dock.job_panel.status_label.text()
    shown = CliRunner().invoke(app, ["segment", str(folder), "--out", str(tmp_path / "cli")])
    assert shown.exit_code == 1
    assert f"5 of {IMAGES + 5} failed" in shown.stderr
    assert_same_results(tmp_path / "dock", tmp_path / "cli")
    failed = {row.prospect.image for row in dock.table.images.rows if row.record and row.record.error}
    assert all(name in shown.stderr for name in failed)
    assert len(failed) == 5

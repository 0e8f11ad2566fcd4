"""Images that are larger than memory, and work on other processes, from the command line."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.image.io.read import read_image
from tests.helpers.block_images import write_image as write_store
from tests.helpers.block_stacks import TISSUE
from tests.helpers.program import run, small_image, write_image


def test_ome_zarr_images_are_done_in_blocks_beside_the_others(tmp_path):
    image = write_store(tmp_path / "images" / "slide.ome.zarr", 3, small_image())
    write_image(tmp_path / "images" / "a.png", 1)
    out = tmp_path / "results"
    given = ("segment", tmp_path / "images", "--out", out, "--block", 64)
    assert "slide_labels.ome.zarr" in run(*given, "--dry-run").stdout
    shown = run(*given)
    assert shown.exit_code == 0, shown.output
    summary = pd.read_csv(out / "summary.csv").set_index("image")
    whole = segment(small_image(), axes="YX").labels
    assert summary.nuclei[str(image)] == whole.max() > 0
    assert len(pd.read_csv(out / "slide_table.csv")) == whole.max()
    assert len(pd.read_csv(out / "nuclei.csv")) == summary.nuclei.sum()
    assert np.array_equal(read_image(out / "slide_labels.ome.zarr").array[:] > 0, whole > 0)
    assert set(summary.status) == {"done"}
    assert run(*given).exit_code == 0
    assert set(pd.read_csv(out / "summary.csv").status) == {"skipped"}


def test_labels_go_into_the_image_where_that_is_asked_for(tmp_path):
    image = write_store(tmp_path / "slide.ome.zarr", 3, small_image())
    out = tmp_path / "results"
    shown = run("segment", image, "--out", out, "--into-image")
    assert shown.exit_code == 0, shown.output
    assert (image / "labels" / "nuclei" / "zarr.json").exists()
    assert not (out / "slide_labels.ome.zarr").exists()
    older = write_store(tmp_path / "older.ome.zarr", 2, small_image())
    refused = run("segment", older, "--out", out, "--into-image")
    assert refused.exit_code == 1
    assert "NGFF 0.4" in refused.stderr


def test_an_address_and_a_number_of_workers_are_one_too_many(tmp_path):
    shown = run("segment", tmp_path, "--out", tmp_path, "--scheduler", "tcp://127.0.0.1:9", "--workers", 2)
    assert shown.exit_code == 2


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_workers_on_this_computer_do_files_and_blocks(tmp_path):
    pytest.importorskip("distributed")
    write_store(tmp_path / "images" / "slide.ome.zarr", 3, small_image())
    for seed, name in enumerate("ab"):
        write_image(tmp_path / "images" / f"{name}.png", seed)
    (tmp_path / "images" / "bad.tif").write_text("no image")
    tifffile.imwrite(tmp_path / "images" / "stack.tif", TISSUE.image, metadata={"axes": "ZYX"})
    given = ["segment", str(tmp_path / "images"), "--diameter", "24", "--block", "64", "--device", "cpu", "--out"]
    alone = run(*given, tmp_path / "alone")
    assert alone.exit_code == 1, alone.output
    # As a program of its own, since every worker starts as another one.
    program = [sys.executable, "-m", "napari_unet_nuclei", *given, str(tmp_path / "workers"), "--workers", "2"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    for messages in (alone.stderr, done.stderr):
        assert "1 of 5 failed" in messages
    summaries = [pd.read_csv(tmp_path / out / "summary.csv").set_index("image") for out in ("alone", "workers")]
    assert summaries[1].status.tolist() == ["done", "done", "failed", "done", "done"]
    assert summaries[1].nuclei.equals(summaries[0].nuclei)
    for name in ("a_labels.tif", "b_labels.tif", "slide_labels.ome.zarr", "stack_labels.ome.zarr"):
        labels = [read_image(tmp_path / out / name).array[:] for out in ("alone", "workers")]
        assert labels[0].any()
        np.testing.assert_array_equal(*labels)

"""Files that cannot be segmented: each is one failed row with a reason, and the rest go on."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.folder.one_image import DiskFullError
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.helpers.samples import fluorescent_nuclei

HELPERS = Path(__file__).parents[2] / "helpers"

SETTINGS = SegmentSettings().changed(diameter=24.0, device="cpu")


def draw(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, fluorescent_nuclei(seed, (64, 64), 24.0, 3).image)
    return path


@pytest.fixture
def template(tiny_model_file: Path) -> RequestTemplate:
    return RequestTemplate(SETTINGS, str(tiny_model_file))


def set_tag(path: Path, name: str, value: int) -> None:
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages.first.tags[name]
    content = bytearray(path.read_bytes())
    struct.pack_into({3: "<H", 4: "<I"}[int(tag.dtype)], content, tag.valueoffset, value)
    path.write_bytes(content)


def write_bad_files(folder: Path) -> dict[str, str]:
    """Write one file of every bad kind; returns what must be said of each."""
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 9999, (64, 64), np.uint16)
    (folder / "garbage.tif").write_bytes(np.random.default_rng(1).bytes(5000))
    (folder / "text.tif").write_text("These are my notes.")
    (folder / "empty.png").touch()
    for name in ("truncated.tif", "absurd.tif", "zero.tif"):
        tifffile.imwrite(folder / name, noise, metadata=None)
    (folder / "truncated.tif").write_bytes((folder / "truncated.tif").read_bytes()[:-4000])
    for tag in ("ImageWidth", "ImageLength"):
        set_tag(folder / "absurd.tif", tag, 2**31 - 1)
        set_tag(folder / "zero.tif", tag, 0)
    tifffile.imwrite(folder / "channels.ome.tif", np.stack([noise, noise]), metadata={"axes": "CYX"})
    tifffile.imwrite(folder / "waves.tif", noise.astype(np.complex64))
    tifffile.imwrite(
        folder / "both.ome.tif", np.zeros((2, 8, 8, 3), np.uint8), photometric="rgb", metadata={"axes": "CYXS"}
    )
    return {
        "garbage.tif": "cannot be read",
        "text.tif": "cannot be read",
        "empty.png": "empty",
        "truncated.tif": "truncated",
        "absurd.tif": "absurd.tif",
        "zero.tif": "zero.tif",
        "channels.ome.tif": "2 channels",
        "waves.tif": "complex64",
        "both.ome.tif": "2 channels",
    }


def test_every_bad_file_is_one_row_with_its_reason_and_the_rest_are_done(template, tmp_path, recording) -> None:
    expected = write_bad_files(tmp_path / "in")
    for name in ("first.png", "last.png"):
        draw(tmp_path / "in" / name)
    report = segment_files([tmp_path / "in", tmp_path / "gone"], tmp_path / "out", template, recording())
    errors = {Path(record.image).name: record.error for record in report.failed}
    assert set(errors) == {*expected, "gone"}
    for name, says in expected.items():
        assert says in errors[name], errors[name]
        assert "bug" not in errors[name], errors[name]
    assert {Path(record.image).name for record in report.succeeded} == {"first.png", "last.png"}
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert summary.status.value_counts().to_dict() == {"failed": 10, "done": 2}
    assert summary[summary.status == "failed"].message.str.len().min() > 20


def test_axes_that_do_not_fit_one_image_fail_for_it_alone(tiny_model_file, tmp_path) -> None:
    draw(tmp_path / "in" / "plane.png")
    tifffile.imwrite(tmp_path / "in" / "stack.tif", np.zeros((2, 64, 64), np.uint8))
    template = RequestTemplate(SETTINGS, str(tiny_model_file), axes="ZYX")
    report = segment_files([tmp_path / "in"], tmp_path / "out", template)
    assert {Path(record.image).name: record.status for record in report.records} == {
        "plane.png": "failed",
        "stack.tif": "done",
    }


def test_an_error_that_nobody_foresaw_is_a_row_too(template, tmp_path, monkeypatch) -> None:
    from napari_unet_nuclei.core.folder import one_image

    def fail(*_: object) -> None:
        raise ZeroDivisionError("by a bug")

    draw(tmp_path / "in" / "a.png")
    monkeypatch.setattr(one_image, "measure_result", fail)
    report = segment_files([tmp_path / "in"], tmp_path / "out", template)
    assert report.records[0].error == "This is a bug in the program: ZeroDivisionError: by a bug"
    assert not (tmp_path / "out" / "a_labels.tif").exists()


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that other users may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows forbids by other means")
def test_what_another_user_may_not_read_fails_in_words(tiny_model_file, open_to_all) -> None:
    """In a child process under another user's id, since to root nothing is forbidden."""
    folder = open_to_all / "in"
    for name in ("forbidden.png", "ok.png", "closed/inside.png", "unlisted/inside.png"):
        draw(folder / name)
    model = shutil.copy(tiny_model_file, open_to_all / "tiny.safetensors")
    for path, mode in ((folder / "forbidden.png", 0), (folder / "closed", 0), (folder / "unlisted", 0o444)):
        path.chmod(mode)
    draw(open_to_all / "rehearsal" / "a.png")
    (open_to_all / "out").mkdir(mode=0o777)
    (open_to_all / "out").chmod(0o777)
    user = 65534 if os.geteuid() == 0 else 0
    program = [sys.executable, str(HELPERS / "other_user.py"), str(open_to_all / "rehearsal")]
    ended = subprocess.run(
        [*program, str(folder), model, str(open_to_all / "out"), str(user)], capture_output=True, text=True, check=False
    )
    for path in (folder / "closed", folder / "unlisted"):
        path.chmod(0o755)
    assert ended.returncode == 0, ended.stderr
    files = {Path(file["image"]).relative_to(folder).as_posix(): file for file in json.loads(ended.stdout)}
    assert {name: file["status"] for name, file in files.items()} == {
        "forbidden.png": "failed",
        "ok.png": "done",
        "closed": "failed",
        "unlisted/inside.png": "failed",
    }
    for name in ("forbidden.png", "closed", "unlisted/inside.png"):
        assert "ermission" in files[name]["error"], files[name]["error"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for a few results."""
    place = tmp_path / "small disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no file system can be mounted here; the injected error below stands in for it")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def whole_results(out: Path) -> list[str]:
    """Names of the images with whole results; nothing may be half-written, nothing be left of an attempt."""
    assert not [path for path in out.rglob("*") if ".part" in path.name]
    for path in out.glob("*_labels.tif"):
        assert tifffile.imread(path).shape == (64, 64)
    return [path.name.removesuffix(".json") for path in sorted((out / ".nuclei").glob("*.json"))]


def test_a_full_disk_stops_the_run_and_keeps_what_is_done(template, tmp_path, small_disk) -> None:
    for number in range(12):
        draw(tmp_path / "in" / f"{number:02}.png", number)
    with pytest.raises(OutputFileError, match=r"disk is full: \d+ of 12 images are done.*Free some space"):
        segment_files([tmp_path / "in"], small_disk / "out", template)
    assert 0 < len(whole_results(small_disk / "out")) < 12
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    report = segment_files([tmp_path / "in"], small_disk / "out", template)
    assert not report.failed
    assert {record.status for record in report.records} == {"skipped", "done"}


def test_an_injected_enospc_stops_the_run_and_keeps_what_is_done(template, tmp_path, monkeypatch) -> None:
    for number in range(4):
        draw(tmp_path / "in" / f"{number}.png", number)
    replace, labels = os.replace, []

    def full_after_two(source: Path, target: Path) -> None:
        labels.extend([target] if str(target).endswith("_labels.tif") else [])
        if len(labels) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full_after_two)
        with pytest.raises(DiskFullError, match="of 4 images are done"):
            segment_files([tmp_path / "in"], tmp_path / "out", template)
    assert not (tmp_path / "out" / "summary.csv").exists()
    assert len(list((tmp_path / "out").glob("*_labels.tif"))) == 2
    assert not segment_files([tmp_path / "in"], tmp_path / "out", template).failed


def test_loops_of_links_end_and_two_images_of_a_name_stay_apart(template, tmp_path) -> None:
    draw(tmp_path / "in" / "a.png", 0)
    draw(tmp_path / "in" / "a.tif", 1)
    draw(tmp_path / "in" / "sub" / "a.png", 2)
    try:
        (tmp_path / "in" / "sub" / "up").symlink_to(tmp_path / "in", target_is_directory=True)
        (tmp_path / "in" / "round.png").symlink_to(tmp_path / "in" / "round.png")
    except OSError:
        pytest.skip("this system allows no links")
    report = segment_files([tmp_path / "in"], tmp_path / "out", template)
    assert [Path(record.image).name for record in report.failed] == ["round.png"]
    labels = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*_labels.tif"))
    assert labels == ["a_png_labels.tif", "a_tif_labels.tif", "sub/a_labels.tif"]


def test_a_folder_for_results_that_may_not_be_written_is_a_reason_in_words(template, tmp_path) -> None:
    draw(tmp_path / "in" / "a.png")
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(OutputFileError, match="out"):
        segment_files([tmp_path / "in"], tmp_path / "out", template)

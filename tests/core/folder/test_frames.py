"""Movies are segmented frame by frame: the same nuclei, kept on disk, and gone on with after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei.core.folder.one_image import find_nuclei
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.outlines.read import read_outlines
from napari_unet_nuclei.core.progress import Advanced, Cancelled, Event, Silent
from napari_unet_nuclei.core.segment.run import run_segment
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings
from tests.helpers.samples import fluorescent_nuclei, packed_tissue

HELPERS = Path(__file__).parents[2] / "helpers"
FRAMES = 5


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    frames = [fluorescent_nuclei(seed, (64, 80), 18.0, 3 + seed).image for seed in range(FRAMES)]
    tifffile.imwrite(tmp_path / "movie.tif", np.stack(frames), photometric="minisblack", metadata={"axes": "TYX"})
    return tmp_path / "movie.tif"


def template(**settings: object) -> RequestTemplate:
    return RequestTemplate(SegmentSettings().changed(device="cpu", **settings))


class CancelledAtFrame(Silent):
    """The user cancels when a frame, counted from 1, is begun."""

    def __init__(self, frame: int) -> None:
        self._begin = f"frame {frame} of"

    def report(self, event: Event) -> None:
        if isinstance(event, Advanced) and self._begin in event.message:
            raise Cancelled


@pytest.mark.parametrize("settings", [{}, {"diameter": 18.0}])
def test_frames_have_the_nuclei_of_the_movie_in_one_piece(settings, movie, tmp_path):
    asked = template(**settings)
    whole = run_segment(asked.request(read_image(movie)), Silent())
    table = find_nuclei(read_image(movie), asked, BatchSettings(), Silent()).table
    [record] = segment_files([movie], tmp_path / "out", asked).records
    np.testing.assert_array_equal(tifffile.imread(record.labels), whole.labels)
    assert record.nuclei == whole.count > 0
    assert record.diameter_px == pytest.approx(whole.diameter, abs=0.01)
    assert record.kind == whole.kind
    written = pd.read_csv(record.table)
    pd.testing.assert_frame_equal(written, table, check_dtype=False)
    assert written["t"].unique().tolist() == list(range(FRAMES))


@pytest.mark.parametrize("planes", ["auto", "joined", "each"])
def test_stacks_over_time_are_done_one_by_one(planes, tmp_path):
    sample = packed_tissue(shape=(6, 48, 56))
    stacks = np.stack([sample.image, np.roll(sample.image, 5, axis=-1), sample.image[:, ::-1]])
    metadata = {"axes": "TZYX", "PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(tmp_path / "stacks.ome.tif", stacks, photometric="minisblack", metadata=metadata)
    asked = template(diameter=16.0, planes=planes)
    file = read_image(tmp_path / "stacks.ome.tif")
    whole = run_segment(asked.request(file), Silent())
    table = find_nuclei(file, asked, BatchSettings(), Silent()).table
    [record] = segment_files([tmp_path / "stacks.ome.tif"], tmp_path / "out", asked).records
    assert not record.error
    np.testing.assert_array_equal(tifffile.imread(record.labels), whole.labels)
    pd.testing.assert_frame_equal(pd.read_csv(record.table), table, check_dtype=False)
    assert record.warnings == tuple(remedy.text for remedy in whole.remedies)


@pytest.mark.parametrize("labels", ["tif", "ome.tif", "ome.zarr"])
def test_every_output_comes_of_the_frames(labels, movie, tmp_path):
    batch = BatchSettings(labels=labels, rois=True, geojson=True, overlay=True)
    [record] = segment_files([movie], tmp_path / "out", template(diameter=18.0), batch=batch).records
    assert not record.error
    written = np.asarray(read_image(Path(record.labels)).array)
    assert written.shape == (FRAMES, 64, 80)
    assert np.unique(written).tolist() == list(range(record.nuclei + 1))
    for name in ("movie_rois.zip", "movie_nuclei.geojson"):
        np.testing.assert_array_equal(read_outlines(tmp_path / "out" / name).draw("TYX", written.shape).labels, written)
    assert (tmp_path / "out" / "movie_overlay.png").is_file()
    assert not list((tmp_path / "out" / ".nuclei").glob("*.frames"))


def test_a_region_of_a_movie_and_a_single_frame(movie, tmp_path):
    region = RequestTemplate(template(diameter=18.0).settings, region=(8, 60, 10, 70))
    [record] = segment_files([movie], tmp_path / "region", region).records
    whole = run_segment(region.request(read_image(movie)), Silent())
    np.testing.assert_array_equal(tifffile.imread(record.labels), whole.labels)
    assert record.origin == (0, 8, 10)
    one = RequestTemplate(template(diameter=18.0).settings, plane={"T": 2})
    [record] = segment_files([movie], tmp_path / "one", one).records
    assert pd.read_csv(record.table)["t"].unique().tolist() == [2]


def test_frames_that_a_killed_run_left_of_a_movie_that_is_done_are_removed(movie, tmp_path):
    segment_files([movie], tmp_path / "out", template(diameter=18.0))
    left = tmp_path / "out" / ".nuclei" / "movie.frames"
    left.mkdir()
    (left / "000000.npz").touch()
    [record] = segment_files([movie], tmp_path / "out", template(diameter=18.0)).records
    assert record.skipped
    assert not left.exists()


@pytest.mark.parametrize("content", [b"", b"PK\3\4 cut"])
def test_a_frame_that_a_power_cut_left_empty_is_done_again(content, movie, tmp_path):
    whole = segment_files([movie], tmp_path / "whole", template(diameter=18.0)).records[0]
    with pytest.raises(Cancelled):
        segment_files([movie], tmp_path / "out", template(diameter=18.0), CancelledAtFrame(3))
    kept = sorted((tmp_path / "out" / ".nuclei" / "movie.frames").glob("*.npz"))
    kept[-1].write_bytes(content)
    [record] = segment_files([movie], tmp_path / "out", template(diameter=18.0)).records
    assert not record.error
    np.testing.assert_array_equal(tifffile.imread(record.labels), tifffile.imread(whole.labels))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process at once")
def test_a_killed_run_goes_on_at_the_frame_where_it_was(movie, tiny_model_file, tmp_path):
    asked = RequestTemplate(SegmentSettings().changed(diameter=24.0, device="cpu"), str(tiny_model_file))
    batch = BatchSettings(rois=True)
    [expected] = segment_files([movie], tmp_path / "whole", asked, batch=batch).records
    program = [sys.executable, str(HELPERS / "killed_movie.py"), str(movie), str(tiny_model_file)]
    killed = subprocess.run([*program, str(tmp_path / "out"), "4"], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    kept = tmp_path / "out" / ".nuclei" / "movie.frames"
    assert sorted(path.name for path in kept.glob("*.npz")) == ["000000.npz", "000001.npz", "000002.npz"]
    assert not list((tmp_path / "out").glob("movie*"))
    times = {path: path.stat().st_mtime_ns for path in kept.glob("*.npz")}
    with pytest.raises(Cancelled):
        segment_files([movie], tmp_path / "out", asked, CancelledAtFrame(5), batch=batch)
    assert {path: path.stat().st_mtime_ns for path in times} == times, "done frames were done again"
    assert (kept / "000003.npz").is_file()
    [record] = segment_files([movie], tmp_path / "out", asked, batch=batch).records
    for name in ("movie_labels.tif", "movie_table.csv", "movie_rois.zip"):
        assert (tmp_path / "out" / name).stat().st_size == (tmp_path / "whole" / name).stat().st_size, name
    np.testing.assert_array_equal(tifffile.imread(record.labels), tifffile.imread(expected.labels))
    pd.testing.assert_frame_equal(pd.read_csv(record.table), pd.read_csv(expected.table))
    assert not kept.exists()


def test_frames_of_another_movie_or_with_other_settings_are_done_again(movie, tiny_model_file, tmp_path):
    asked = RequestTemplate(SegmentSettings().changed(diameter=24.0, device="cpu"), str(tiny_model_file))
    with pytest.raises(Cancelled):
        segment_files([movie], tmp_path / "out", asked, CancelledAtFrame(3))
    other = RequestTemplate(SegmentSettings().changed(diameter=30.0, device="cpu"), str(tiny_model_file))
    [record] = segment_files([movie], tmp_path / "out", other).records
    [expected] = segment_files([movie], tmp_path / "whole", other).records
    np.testing.assert_array_equal(tifffile.imread(record.labels), tifffile.imread(expected.labels))

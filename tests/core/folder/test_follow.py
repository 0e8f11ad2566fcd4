from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei import segment_folder
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.io.write import write_labels
from napari_unet_nuclei.core.progress import Cancelled
from napari_unet_nuclei.core.samples.synthetic_movie import dividing_nuclei
from tests.helpers.recording import RecordingProgress


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return dividing_nuclei(frames=3, shape=(96, 96), diameter=24, count=6, divisions=0, gaps=0).image


@pytest.fixture
def movie(tmp_path: Path, pixels: np.ndarray) -> Path:
    path = tmp_path / "images" / "movie.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "TYX", "finterval": 60.0})
    return path


def test_labels_tracks_and_columns_of_the_table_are_written(movie, tmp_path):
    out = tmp_path / "out"
    [record] = segment_folder(movie, out, follow=True, diameter=24).records
    labels, tracked = read_image(out / "movie_labels.tif").array, read_image(out / "movie_tracked.tif").array
    assert np.array_equal(tracked > 0, labels > 0)
    tracks = pd.read_csv(out / "movie_tracks.csv")
    assert record.tracks == len(tracks) == tracked.max() < record.nuclei
    table = pd.read_csv(out / "movie_table.csv")
    for row in table.itertuples():
        assert set(tracked[row.t][labels[row.t] == row.label]) == {row.track}
    assert {"parent", "generation", "root"} <= set(table.columns)
    assert "track" in pd.read_csv(out / "nuclei.csv").columns
    assert pd.read_csv(out / "summary.csv")["tracks"].tolist() == [record.tracks]
    assert tracks["speed_um_per_min"].isna().all()  # the size of pixels is unknown, but times are not:
    assert read_image(out / "movie_tracked.tif").frame_times == (0.0, 60.0, 120.0)


def test_what_was_followed_is_not_followed_again_unless_the_settings_change(movie, tmp_path):
    out = tmp_path / "out"
    first = segment_folder(movie, out, follow=True, diameter=24).records[0]
    written = (out / "movie_tracked.tif").stat().st_mtime_ns
    again = segment_folder(movie, out, follow=True, diameter=24).records[0]
    assert (out / "movie_tracked.tif").stat().st_mtime_ns == written
    assert (again.tracks, again.skipped) == (first.tracks, True)
    apart = segment_folder(movie, out, follow=True, diameter=24, largest_step=0.01, bridge=0).records[0]
    assert apart.skipped  # the labels are as they were
    assert apart.tracks > 2 * first.tracks


def test_a_run_that_was_segmented_before_is_only_followed(movie, tmp_path):
    out = tmp_path / "out"
    segment_folder(movie, out, diameter=24)
    written = (out / "movie_labels.tif").stat().st_mtime_ns
    record = segment_folder(movie, out, follow=True, diameter=24).records[0]
    assert record.tracks > 0
    assert (out / "movie_labels.tif").stat().st_mtime_ns == written


def test_a_run_that_is_killed_while_it_follows_goes_on_from_the_labels(movie, tmp_path):
    out = tmp_path / "out"
    reports = RecordingProgress()
    segment_folder(movie, tmp_path / "other", follow=True, diameter=24, progress=reports)
    linking = next(
        place for place, event in enumerate(reports.events) if "linking frame" in getattr(event, "message", "")
    )
    with pytest.raises(Cancelled):
        segment_folder(movie, out, follow=True, diameter=24, progress=RecordingProgress(cancel_after=linking + 1))
    assert (out / "movie_labels.tif").exists()
    assert not (out / "movie_tracked.tif").exists()
    record = segment_folder(movie, out, follow=True, diameter=24).records[0]
    assert (record.skipped, record.tracks > 0) == (True, True)


def test_a_run_that_is_killed_while_it_segments_goes_on_with_the_next_frame(movie, tmp_path):
    out = tmp_path / "out"
    reports = RecordingProgress()
    whole = segment_folder(movie, tmp_path / "other", follow=True, diameter=24, progress=reports).records[0]
    with pytest.raises(Cancelled):
        segment_folder(
            movie, out, follow=True, diameter=24, progress=RecordingProgress(cancel_after=len(reports.events) // 2)
        )
    assert not (out / "movie_tracked.tif").exists()
    record = segment_folder(movie, out, follow=True, diameter=24).records[0]
    assert (record.tracks, record.nuclei) == (whole.tracks, whole.nuclei)
    assert np.array_equal(*(read_image(one / "movie_tracked.tif").array for one in (out, tmp_path / "other")))


def test_tracked_labels_that_a_person_corrected_are_not_overwritten(movie, tmp_path):
    out = tmp_path / "out"
    segment_folder(movie, out, follow=True, diameter=24)
    mine = read_image(out / "movie_tracked.tif").array
    mine[:, :4, :4] = 99
    write_labels(out / "movie_tracked.tif", mine, axes="TYX")
    record = segment_folder(movie, out, follow=True, diameter=24, bridge=0).records[0]
    assert any("corrected by hand" in warning for warning in record.warnings)
    assert read_image(out / "movie_tracked.tif").array.max() == 99


def test_an_image_without_time_is_segmented_and_said_not_to_be_followed(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "still.tif", pixels[0])
    record = segment_folder(tmp_path / "still.tif", tmp_path / "out", follow=True, diameter=24).records[0]
    assert record.nuclei > 0
    assert record.tracks is None
    assert any(warning.startswith("The nuclei were not followed") for warning in record.warnings)


def test_results_are_not_taken_for_images_of_a_later_run(movie):
    segment_folder(movie.parent, movie.parent, follow=True, diameter=24)
    assert len(segment_folder(movie.parent, movie.parent, follow=True, diameter=24).records) == 1

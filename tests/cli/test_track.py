from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei.core.folder.outputs import write_label_store
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.io.write import write_labels
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from tests.helpers.movies import discs, shuffled
from tests.helpers.program import run

TRUTH = discs([{1: (6, 20 + 2 * t, 20), 2: (6, 60, 50 + 2 * t)} for t in range(5)])


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "cells_labels.tif"
    write_labels(path, shuffled(TRUTH), axes="TYX", pixel_size=PixelSize(0.5, 0.5))
    return path


def test_labels_and_tables_are_written_and_read_back(labels, tmp_path):
    result = run("track", labels, "--out", tmp_path / "out", "--minutes", 5)
    assert result.exit_code == 0, result.output
    assert "cells: 2 tracks and 0 divisions in 5 frames, 0 doubtful" in result.stdout
    file = read_image(tmp_path / "out" / "cells_tracked.tif")
    assert (file.axes, file.pixel_size.y) == ("TYX", 0.5)
    assert file.frame_times == (0.0, 300.0, 600.0, 900.0, 1200.0)
    assert np.array_equal(file.array, TRUTH)
    tracks = pd.read_csv(tmp_path / "out" / "cells_tracks.csv")
    assert tracks[["track", "first", "last", "frames"]].to_numpy().tolist() == [[1, 0, 4, 5], [2, 0, 4, 5]]
    assert tracks["speed_um_per_min"].round(2).tolist() == [0.2, 0.2]


def test_trackmate_finds_a_row_per_nucleus_and_frame_with_its_columns(labels, tmp_path):
    run("track", labels, "--out", tmp_path / "out")
    spots = pd.read_csv(tmp_path / "out" / "cells_spots.csv")
    assert len(spots) == 10
    assert {"track", "t", "x", "y", "label", "x_um", "y_um"} <= set(spots.columns)
    for spot in spots.itertuples():
        assert TRUTH[spot.t, round(spot.y), round(spot.x)] == spot.track


def test_formats_of_other_programs_are_written_on_request(labels, tmp_path):
    result = run("track", labels, "--out", tmp_path / "out", "--ctc", "--geff", "--json")
    described = json.loads(result.stdout)[0]
    assert (described["tracks"], described["divisions"]) == (2, 0)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "cells.geff",
        "cells_ctc",
        "cells_spots.csv",
        "cells_tracked.tif",
        "cells_tracks.csv",
    ]
    assert set(described["results"]) == {"tracked", "tracks", "spots", "ctc", "geff"}


def test_files_of_one_plane_are_frames_of_one_movie_in_the_order_of_their_numbers(tmp_path):
    for time, frame in enumerate(shuffled(TRUTH), start=8):  # 8, 9, 10, ... as text would begin with 10
        path = tmp_path / "masks" / f"frame{time}.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, frame)
    result = run("track", tmp_path / "masks", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert np.array_equal(read_image(tmp_path / "out" / "masks_tracked.tif").array, TRUTH)


def test_planes_of_a_file_that_names_no_time_are_taken_as_frames_and_that_is_said(tmp_path):
    tifffile.imwrite(tmp_path / "cells.tif", TRUTH.astype(np.uint16), imagej=True, metadata={"axes": "ZYX"})
    result = run("track", tmp_path / "cells.tif", "--out", tmp_path / "out")
    assert "5 planes were taken as frames" in result.stderr
    assert np.array_equal(read_image(tmp_path / "out" / "cells_tracked.tif").array, TRUTH)


def test_movies_of_one_name_in_two_folders_do_not_overwrite_each_other(tmp_path):
    for day in ("monday", "tuesday"):
        write_labels(tmp_path / day / "cells.tif", TRUTH, axes="TYX")
    result = run("track", tmp_path / "monday", tmp_path / "tuesday", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "out").glob("*.tif")} == {
        "monday_cells_tracked.tif",
        "tuesday_cells_tracked.tif",
    }


def test_what_is_there_is_not_overwritten_unless_asked(labels, tmp_path):
    run("track", labels, "--out", tmp_path)
    again = run("track", labels, "--out", tmp_path)
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    assert run("track", labels, "--out", tmp_path, "--overwrite").exit_code == 0


def test_a_movie_that_fails_does_not_keep_others_from_being_followed(labels, tmp_path):
    tifffile.imwrite(tmp_path / "colour.tif", np.zeros((9, 9, 3), np.uint8), photometric="rgb")
    result = run("track", labels, tmp_path / "colour.tif", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "1 of 2 failed" in result.stderr
    assert (tmp_path / "out" / "cells_tracked.tif").exists()


def test_settings_are_options(labels, tmp_path):
    result = run("track", labels, "--out", tmp_path, "--largest-step", 0.1, "--bridge", 0, "--no-divisions")
    assert "10 tracks" in result.stdout


@pytest.mark.parametrize("path", ["a.tif", "a.ome.tif"])
def test_times_come_from_the_file(tmp_path, path):
    ome = path.endswith("ome.tif")
    interval = {"TimeIncrement": 2.0, "TimeIncrementUnit": "min"} if ome else {"finterval": 120}
    tifffile.imwrite(
        tmp_path / path, TRUTH.astype(np.uint16), ome=ome, imagej=not ome, metadata={"axes": "TYX", **interval}
    )
    assert read_image(tmp_path / path).frame_times == (0.0, 120.0, 240.0, 360.0, 480.0)
    run("track", tmp_path / path, "--out", tmp_path / "out")
    spots = pd.read_csv(tmp_path / "out" / "a_spots.csv")
    assert sorted(set(spots["minutes"])) == [0, 2, 4, 6, 8]


def test_labels_in_an_ome_zarr_store_are_followed(tmp_path):
    write_label_store(
        tmp_path / "cells_labels.ome.zarr", shuffled(TRUTH), axes="TYX", pixel_size=PixelSize(0.5, 0.5), provenance={}
    )
    result = run("track", tmp_path / "cells_labels.ome.zarr", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    file = read_image(tmp_path / "out" / "cells_tracked.tif")
    assert np.array_equal(file.array, TRUTH)
    assert file.pixel_size.x == 0.5


def test_movies_of_one_file_are_followed_each_by_its_name_or_one_is_chosen(tmp_path):
    with tifffile.TiffWriter(tmp_path / "cells_labels.tif") as writer:
        for movie in (TRUTH, TRUTH[:, :-4]):
            writer.write(shuffled(movie), metadata={"axes": "TYX"})
    assert run("track", tmp_path / "cells_labels.tif", "-o", tmp_path / "out").exit_code == 0
    assert {path.name for path in (tmp_path / "out").glob("*.tif")} == {"cells_0_tracked.tif", "cells_1_tracked.tif"}
    chosen = run("track", tmp_path / "cells_labels.tif", "-o", tmp_path / "one", "--series", 1)
    assert read_image(tmp_path / "one" / "cells_1_tracked.tif").array.shape == TRUTH[:, :-4].shape
    assert "Left out, of" in chosen.stderr


def test_a_choice_among_the_movies_of_a_single_one_is_refused(labels, tmp_path):
    result = run("track", labels, "-o", tmp_path / "out", "--series", 0)
    assert result.exit_code == 1
    assert "no effect: leave it out" in result.stderr


def test_an_image_is_not_followed_as_labels(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.random.default_rng(0).integers(0, 99, (3, 20, 30), np.uint8))
    result = run("track", tmp_path / "a.tif", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "is no label image" in result.stderr

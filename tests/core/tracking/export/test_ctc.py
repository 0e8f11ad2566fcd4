from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.tracking.export.ctc import TRACKS_FILE, write_ctc
from napari_unet_nuclei.core.tracking.track import TrackResult, track
from tests.helpers.movies import discs


def divided_after_a_gap() -> TrackResult:
    """A nucleus that is missed once, then divides."""
    mother, daughters = {1: (8, 50, 50)}, {2: (6, 50, 42), 3: (6, 50, 58)}
    return track(discs([mother, mother, {}, mother, mother, daughters, daughters]))


def read_back(folder) -> tuple[np.ndarray, dict[int, tuple[int, int, int]]]:
    masks = np.stack([tifffile.imread(path) for path in sorted(folder.glob("mask*.tif"))])
    lines = [tuple(map(int, line.split())) for line in (folder / TRACKS_FILE).read_text().splitlines()]
    return masks, {track: rest for track, *rest in lines}


def test_every_track_is_without_gaps_and_has_its_parent(tmp_path):
    found = divided_after_a_gap()
    write_ctc(tmp_path / "01_RES", found)
    masks, tracks = read_back(tmp_path / "01_RES")
    assert tracks == {1: [0, 1, 0], 2: [5, 6, 4], 3: [5, 6, 4], 4: [3, 4, 1]}
    assert masks.dtype == np.uint16
    assert np.array_equal(masks > 0, found.labels > 0)
    for number, (first, last, _) in tracks.items():
        seen = np.flatnonzero((masks == number).any(axis=(1, 2)))
        assert seen.tolist() == list(range(first, last + 1))


def test_the_result_itself_keeps_its_gap(tmp_path):
    found = divided_after_a_gap()
    write_ctc(tmp_path / "a", found)
    assert found.tracks["gaps"].tolist() == [1, 0, 0]


def test_names_of_masks_have_as_many_digits_as_frames_need(tmp_path):
    write_ctc(tmp_path / "a", track(np.zeros((1001, 2, 2), np.uint8)))
    assert (tmp_path / "a" / "mask1000.tif").exists()
    assert (tmp_path / "a" / "mask0000.tif").exists()


def test_more_tracks_than_the_format_holds_are_refused(tmp_path):
    found = track(discs([{1: (6, 50, 50)}] * 2))
    many = replace(found.lineages, track=found.lineages.track + 65_535)
    with pytest.raises(OutputFileError, match="65,535"):
        write_ctc(tmp_path / "a", replace(found, lineages=many))
    assert not list(tmp_path.iterdir())


def test_a_former_result_is_replaced_but_other_files_are_not(tmp_path):
    write_ctc(tmp_path / "a", track(np.zeros((5, 2, 2), np.uint8)))
    write_ctc(tmp_path / "a", track(np.zeros((3, 2, 2), np.uint8)))
    assert sorted(path.name for path in (tmp_path / "a").glob("mask*")) == [f"mask00{t}.tif" for t in range(3)]
    (tmp_path / "a" / "notes.txt").write_text("mine")
    with pytest.raises(OutputFileError, match="other files"):
        write_ctc(tmp_path / "a", track(np.zeros((3, 2, 2), np.uint8)))
    assert (tmp_path / "a" / "notes.txt").read_text() == "mine"

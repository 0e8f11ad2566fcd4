from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.progress import Cancelled
from napari_unet_nuclei.core.samples.synthetic_movie import dividing_nuclei
from napari_unet_nuclei.core.tracking.track import track
from tests.helpers.movies import discs, divisions, links, shuffled, true_links
from tests.helpers.recording import RecordingProgress


def walkers(frames: int = 6, step: float = 3.0) -> np.ndarray:
    """Three nuclei of 12 pixels that move apart from one another."""
    return discs(
        [{1: (6, 20 + step * t, 20), 2: (6, 20, 50 + step * t), 3: (6, 60, 20 + step * t)} for t in range(frames)]
    )


def test_a_nucleus_keeps_one_id_from_the_first_frame_to_the_last():
    truth = walkers()
    found = track(shuffled(truth))
    assert np.array_equal(found.labels, truth)  # ids by the first frame, from top to bottom
    assert found.labels.dtype == np.int32
    assert (found.count, found.divisions, found.doubts) == (3, 0, ())


def test_labels_are_not_changed():
    given = shuffled(walkers())
    before = given.copy()
    track(given)
    assert np.array_equal(given, before)


@pytest.mark.parametrize(("missing", "bridge", "tracks"), [(1, 2, 1), (2, 2, 1), (3, 2, 2), (1, 0, 2), (3, 3, 1)])
def test_gaps_of_so_many_frames_are_bridged(missing, bridge, tracks):
    frames = [{1: (6, 50, 30 + 2 * t)} for t in range(10)]
    for time in range(4, 4 + missing):
        frames[time] = {}
    found = track(discs(frames), bridge=bridge)
    assert found.count == tracks
    if tracks == 1:
        assert found.tracks["gaps"].tolist() == [missing]
        assert found.tracks["frames"].tolist() == [10 - missing]


def dividing(before: int = 4, after: int = 4) -> np.ndarray:
    frames = [{1: (8, 50, 50)} for _ in range(before)]
    return discs([*frames, *({2: (6, 50, 42 - t), 3: (6, 50, 58 + t)} for t in range(after))])


def test_a_division_ends_the_mother_and_begins_two_daughters():
    found = track(shuffled(dividing()))
    table = found.tracks.set_index("track")
    assert table["parent"].to_dict() == {1: 0, 2: 1, 3: 1}
    assert table["generation"].to_dict() == {1: 0, 2: 1, 3: 1}
    assert table["root"].to_dict() == {1: 1, 2: 1, 3: 1}
    assert table.loc[1, ["first", "last", "daughters"]].tolist() == [0, 3, 2]
    assert np.array_equal(found.labels, dividing())
    assert (found.divisions, found.doubts) == (1, ())


def test_without_divisions_the_nearer_daughter_goes_on():
    found = track(dividing(), divisions=False)
    assert found.divisions == 0
    assert sorted(found.tracks["frames"]) == [4, 8]


def test_a_nucleus_that_was_swallowed_and_comes_back_is_no_daughter():
    two = {1: (6, 50, 44), 2: (6, 50, 57)}
    swallowed = {1: (8, 50, 50)}
    found = track(discs([two, two, two, swallowed, two, two]))
    assert (found.divisions, found.count) == (0, 2)
    assert sorted(found.tracks["gaps"]) == [0, 1]


def test_a_daughter_that_is_missed_at_first_still_has_her_mother():
    late = dividing()
    late[4][late[4] == 3] = 0
    found = track(shuffled(late))
    assert found.tracks.set_index("track")["parent"].to_dict() == {1: 0, 2: 1, 3: 1}
    assert track(late, bridge=0).divisions == 0


def test_a_nucleus_that_appears_beside_one_that_keeps_its_size_is_no_daughter():
    steady = {1: (7, 50, 50)}
    found = track(discs([steady] * 4 + [{**steady, 2: (6, 50, 64)}] * 4))
    assert (found.divisions, found.count) == (0, 2)


def test_doubling_time_is_that_from_birth_to_division():
    first = dividing(2, 5)
    last = discs([{2: (6, 50, 36), 4: (5, 43, 66), 5: (5, 57, 66)}] * 3)
    found = track(np.concatenate([first, last]), minutes=10)
    table = found.tracks.set_index("track")
    assert table["doubling_frames"].dropna().to_dict() == {3: 5.0}
    assert table["doubling_min"].dropna().to_dict() == {3: 50.0}
    assert table["generation"].to_dict() == {1: 0, 2: 1, 3: 1, 4: 2, 5: 2}


def test_drawn_movies_are_followed_and_their_divisions_found():
    movie = dividing_nuclei(frames=14, shape=(200, 200), count=14, divisions=0.03)
    found = track(movie.labels, pixel_size=movie.pixel_size)
    truth = true_links(found.lineages.spots, movie.parents)
    true, own = links(truth), links(found.lineages.previous)
    assert len(true & own) >= 0.995 * max(len(true), len(own))
    assert len(divisions(truth)) >= 4
    assert divisions(truth) == divisions(found.lineages.previous)


def test_fast_nuclei_are_followed_by_a_longer_step_and_said_to_be_unsure():
    frames = [{n: (6, 15 + 40 * n, 10 + 17 * t) for n in range(2)} for t in range(5)]
    truth = discs([{n + 1: where for n, where in frame.items()} for frame in frames])
    found = track(shuffled(truth))
    assert found.reach == 2.0
    assert np.array_equal(found.labels, truth)
    assert any("Record faster" in warning for warning in found.warnings)
    slow = track(truth, largest_step=0.5)
    assert slow.count == 10
    assert not slow.warnings or "Record faster" not in slow.warnings[0]


def test_the_largest_step_may_be_given_in_micrometres_if_pixels_have_a_size():
    truth = walkers(step=6)
    wide = track(truth, pixel_size=PixelSize(0.5, 0.5), largest_step=4, largest_step_unit="µm")
    narrow = track(truth, pixel_size=PixelSize(0.5, 0.5), largest_step=2, largest_step_unit="µm", bridge=0)
    assert (wide.count, narrow.count) == (3, 18)
    with pytest.raises(SettingsError, match="pixel size"):
        track(truth, largest_step=4, largest_step_unit="µm")


def test_speeds_are_in_micrometres_and_minutes_where_these_are_known():
    truth = walkers(step=3)
    known = track(truth, pixel_size=PixelSize(0.5, 0.5), minutes=2).tracks
    assert known["speed_um_per_min"].round(2).tolist() == [0.75] * 3
    assert known["displacement_um"].round(2).tolist() == [7.5] * 3
    unknown = track(truth).tracks
    assert unknown["speed_px_per_frame"].round(1).tolist() == [3.0] * 3
    assert unknown[["path_um", "displacement_um", "speed_um_per_min"]].isna().all(axis=None)
    # After a pause of the microscope, the time that has passed counts.
    paused = track(truth, pixel_size=PixelSize(0.5, 0.5), minutes=[0, 2, 4, 24, 26, 28]).tracks
    assert paused["speed_um_per_min"].round(3).tolist() == [round(7.5 / 28, 3)] * 3


def test_times_must_rise_and_be_one_for_each_frame():
    for minutes in ([0, 1], [0, 1, 1, 2, 3, 4]):
        with pytest.raises(ImageShapeError, match="6 rising numbers"):
            track(walkers(), minutes=minutes)


def test_depth_counts_as_much_as_planes_are_apart():
    # Two balls above each other change places from frame to frame, unless planes are far apart.
    frames = [{1: (4, 4, 20, 20 + t), 2: (4, 14, 20, 20 + t)} for t in range(5)]
    truth = discs(frames, (20, 40, 40))
    found = track(shuffled(truth), pixel_size=PixelSize(0.5, 0.5, 1.0))
    assert np.array_equal(found.labels, truth)
    assert found.axes == "TZYX"
    assert found.lineages.spots.position[0].tolist() == [8.0, 20.0, 20.0]
    assert found.nuclei["volume_um3"].iloc[0] == found.nuclei["voxels"].iloc[0] * 0.25
    assert not found.notices
    assert any("between planes" in notice for notice in track(truth).notices)


def test_sections_that_were_not_joined_to_nuclei_are_noticed():
    truth = discs([{1: (5, 10, 20, 20)}] * 3, (20, 40, 40))
    assert not track(truth, pixel_size=PixelSize(0.5, 0.5, 0.5)).warnings
    sections = np.where(truth > 0, np.arange(20)[:, None, None] + 1, 0)
    found = track(sections, pixel_size=PixelSize(0.5, 0.5, 0.5))
    assert any("one plane only" in warning for warning in found.warnings)


def test_a_jump_of_the_whole_field_is_said_and_can_be_corrected():
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(*[np.arange(25, 120, 22)] * 2), axis=-1).reshape(-1, 2)
    places = grid + rng.uniform(-4, 4, grid.shape)
    jump = np.array([22, 15])
    frames = [{n + 1: (5, *(place + jump * (t >= 3))) for n, place in enumerate(places)} for t in range(6)]
    truth = discs(frames, (150, 150))
    plain = track(truth)
    assert any("whole field moves" in warning for warning in plain.warnings)
    corrected = track(truth, correct_drift=True)
    assert not corrected.warnings
    assert any("Drift was corrected" in notice for notice in corrected.notices)
    assert np.array_equal(corrected.lineages.previous, true_links(corrected.lineages.spots, {}))
    assert corrected.tracks["displacement_px"].max() < 3  # nuclei themselves stand still


def test_short_tracks_are_left_out_but_not_daughters():
    movie = dividing(4, 2)
    movie[2, 5:15, 5:15] = 9
    assert track(movie).count == 4
    found = track(movie, shortest_track=3)
    assert found.tracks["frames"].tolist() == [4, 2, 2]
    assert found.labels[2, 10, 10] == 0
    assert len(found.nuclei) == 8


@pytest.mark.parametrize("frames", [1, 3])
def test_movies_without_nuclei_or_with_one_frame_end_in_a_notice(frames):
    found = track(np.zeros((frames, 20, 20), np.uint8))
    assert found.count == 0
    assert found.labels.shape == (frames, 20, 20)
    assert len(found.tracks) == len(found.nuclei) == 0
    assert any("no nuclei" in notice for notice in found.notices)


def test_nuclei_may_appear_after_empty_frames():
    movie = walkers()
    movie[:2] = 0
    found = track(movie)
    assert found.tracks["first"].tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("labels", "axes", "said"),
    [
        (np.zeros((4, 4), int), "", "no movie"),
        (np.zeros((3, 4, 4), int), "ZYX", "no movie"),
        (np.full((2, 4, 4), 0.5), "", "fractions"),
        (np.full((2, 4, 4), -2), "", "below -1"),
    ],
)
def test_what_is_no_movie_of_ids_is_refused(labels, axes, said):
    with pytest.raises(ImageShapeError, match=said):
        track(labels, axes=axes)


@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.int64])
def test_ids_may_be_of_any_type_and_as_large_as_they_like(kind):
    truth = walkers()
    huge = truth.astype(kind) * kind(20_000 if kind != np.int64 else 10**12)
    assert np.array_equal(track(huge).labels, truth)


def test_axes_may_come_in_any_order():
    truth = walkers()
    found = track(truth.transpose(1, 2, 0), axes="YXT")
    assert np.array_equal(found.labels, truth)


class FramesOnly:
    """A movie that gives out single frames, never more."""

    def __init__(self, movie: np.ndarray) -> None:
        self.movie, self.shape, self.dtype, self.ndim = movie, movie.shape, movie.dtype, movie.ndim
        self.most = 0

    def __getitem__(self, key):
        self.most = max(self.most, self.movie[key].size)
        return self.movie[key]


def test_frames_are_read_one_at_a_time():
    movie = FramesOnly(walkers())
    found = track(movie)
    assert np.array_equal(found.frame(5), walkers()[5])
    assert movie.most == 100 * 100


def test_progress_rises_to_one_and_cancelling_stops_between_frames():
    progress = RecordingProgress()
    track(walkers(), progress=progress)
    assert progress.fractions == sorted(progress.fractions)
    assert progress.fractions[-1] == 1.0
    with pytest.raises(Cancelled):
        track(walkers(), progress=RecordingProgress(cancel_after=3))

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import EditError, ImageShapeError
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.labels.doubt import REASONS, count_doubtful, doubt
from napari_unet_nuclei.core.labels.edit.single import add_from_click
from napari_unet_nuclei.core.labels.edit.split_merge import split_in_two
from napari_unet_nuclei.core.labels.score import FEATURES, Scoring
from napari_unet_nuclei.core.samples.drawing import draw_nuclei
from tests.helpers.drawn import applied, discs, maps_of

THRESHOLDS = DecodeThresholds(foreground=0.5, split=0.4, min_size=10)
GRID = discs(
    (150, 150), *((20 + 27 * row, 20 + 27 * column, 9 + (row + column) % 3) for row in range(5) for column in range(5))
)


def spoilt() -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Nuclei of which 1 swallowed 2, 3 was deleted and 4 was split into 4 and 900; true maps; where 3 was."""
    _, drawn = draw_nuclei((300, 300), 24, 70, np.random.default_rng(3), clumped=0.0)
    others = np.where(drawn > 0, drawn + 10, 0)
    others[:110, :110] = 0
    truth = np.where(others > 0, others, 0)
    truth[:110, :110] = discs((110, 110), (30, 25, 12), (30, 48, 12), (80, 30, 11), (80, 75, 12))
    labels = np.where(truth == 2, 1, np.where(truth == 3, 0, truth)).astype(np.int32)
    return applied(labels, split_in_two(labels, 4, 900)), maps_of(truth), (80.0, 30.0)


def test_merged_split_and_deleted_nuclei_come_first():
    labels, maps, deleted = spoilt()
    found = doubt(labels, maps, THRESHOLDS)
    first = found[:5]
    assert {1, 4, 900} <= {candidate.id for candidate in first}
    [missed] = [candidate for candidate in first if candidate.kind == "missed"]
    assert np.hypot(missed.centre[0] - deleted[0], missed.centre[1] - deleted[1]) < 4
    reasons = {candidate.id: candidate.reason for candidate in first}
    assert "two nuclei" in reasons[1]
    assert "neighbour" in reasons[4]
    assert first[-1].doubt > 2 * found[5].doubt
    assert all(0 <= candidate.doubt <= 1 for candidate in found)


def test_shapes_alone_tell_merged_and_split_nuclei():
    labels, _, _ = spoilt()
    first = doubt(labels)[:6]
    assert {1, 4, 900} <= {candidate.id for candidate in first}


def test_faint_nuclei_and_sizes_that_stand_out_are_named():
    maps = maps_of(GRID)
    maps[0][GRID == 7] = 140
    labels = GRID.copy()
    labels[discs((150, 150), (128, 128, 3)) + (GRID == 25) == 1] = 0
    labels[discs((150, 150), (128, 128, 3)) > 0] = 25
    found = {candidate.id: candidate for candidate in doubt(labels, maps)}
    assert "faint" in found[7].reason
    assert "small" in found[25].reason
    assert found[3].reason == "nothing odd"
    assert found[3].doubt == 0


def test_what_the_edge_cuts_is_not_called_small():
    labels = GRID[:, 8:].copy()
    labels[:, :5] = 0
    labels = labels[:, 5:]
    cut = [candidate for candidate in doubt(labels) if candidate.box[2] == 0]
    assert cut
    assert not any("small" in candidate.reason for candidate in cut)


@pytest.mark.parametrize("level", [80, 110])
def test_a_faint_nucleus_below_the_threshold_is_offered_and_one_click_adds_it(level):
    maps = maps_of(GRID)
    missed = GRID == 13
    maps[0][missed] = level
    maps[2][missed] //= 2
    maps[2][missed] += 20
    labels = np.where(missed, 0, GRID)
    [place] = [candidate for candidate in doubt(labels, maps, THRESHOLDS) if candidate.kind == "missed"]
    assert place.id == 0
    assert "missed" in place.reason
    after = applied(labels, add_from_click(labels, place.centre, maps, THRESHOLDS, 99))
    assert np.array_equal(after == 99, missed)


def test_halos_specks_and_veils_are_no_missed_nuclei():
    maps = maps_of(GRID)
    shifted = maps_of(np.roll(GRID, (1, 1), axis=(0, 1)))
    maps[0] = np.maximum(maps[0], shifted[0] // 2)
    speck = np.zeros_like(maps)
    speck[:, 2:4, 2:4] = 255
    veil = np.zeros_like(maps)
    veil[0, 145:, :] = 100
    assert not [c for c in doubt(GRID, np.maximum(np.maximum(maps, speck), veil), THRESHOLDS) if c.kind == "missed"]


def test_planes_without_nuclei_and_maps_of_other_images():
    empty = np.zeros((40, 40), np.int32)
    assert doubt(empty) == ()
    [place] = doubt(empty, maps_of(discs((40, 40), (20, 20, 9))), THRESHOLDS)
    assert place.kind == "missed"
    with pytest.raises(ImageShapeError, match="do not belong"):
        doubt(empty, np.zeros((3, 41, 40), np.uint8))
    with pytest.raises(EditError, match="one plane"):
        doubt(np.zeros((2, 4, 4), np.int32))


def test_ids_may_be_huge():
    labels = GRID.astype(np.int64) * 80_000_000
    assert {candidate.id for candidate in doubt(labels)} == set(np.unique(labels[labels > 0]).tolist())


def test_doubt_is_what_the_models_score_leaves():
    labels, maps, _ = spoilt()
    count = len(FEATURES)
    scoring = Scoring(FEATURES, (0.0,) * count, (1.0,) * count, (4.0, *(0.0,) * (count - 1)), -3.0)
    maps[0][labels == 30] = 130
    found = doubt(labels, maps, replace(THRESHOLDS, scoring=scoring), with_missed=False)
    means = {int(one): maps[0][labels == one].mean() / 255 for one in np.unique(labels[labels > 0])}
    assert found[0].id == 30
    assert {one.id: round(one.doubt, 9) for one in found} == {
        one: round(1 - 1 / (1 + np.exp(3 - 4 * mean)), 9) for one, mean in means.items()
    }
    assert "faint" in found[0].reason
    assert {one.reason for one in found if one.id not in (1, 4, 30, 900)} >= {REASONS["score"]}
    assert [one.doubt for one in found] == sorted((one.doubt for one in found), reverse=True)


@pytest.mark.parametrize("is_scored", [True, False])
def test_doubtful_ones_are_counted_without_being_listed(is_scored):
    labels, maps, _ = spoilt()
    count = len(FEATURES)
    scoring = Scoring(FEATURES, (0.0,) * count, (1.0,) * count, (4.0, *(0.0,) * (count - 1)), -1.7)
    thresholds = replace(THRESHOLDS, scoring=scoring if is_scored else None)
    expected = sum(one.is_doubtful for one in doubt(labels, maps, thresholds))
    assert 0 < expected < labels.max()
    assert count_doubtful(labels, maps, thresholds) == expected

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps
from napari_unet_nuclei.core.labels.edit.single import add_from_click, add_from_outline, resegment_box
from napari_unet_nuclei.core.samples.drawing import draw_nuclei
from tests.helpers.drawn import applied, discs, maps_of, pieces

THRESHOLDS = DecodeThresholds(foreground=0.5, split=0.4, min_size=5)
TRUTH = discs((80, 80), (25, 25, 12), (25, 49, 11), (60, 40, 10))


def faint(maps: np.ndarray, where: np.ndarray, share: float) -> np.ndarray:
    """Maps of which a nucleus is less certain."""
    weaker = maps.copy()
    weaker[0][where] = weaker[0][where] * share
    weaker[2][where] = weaker[2][where] * share
    return weaker


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def test_an_outline_fills_background_only():
    labels = discs((60, 60), (30, 20, 10))
    after = applied(labels, add_from_outline(labels, [(20, 20), (20, 45), (40, 45), (40, 20)], 4))
    assert np.array_equal(after == 1, labels == 1)
    assert pieces(after, 4) == 1
    assert (after[22:39, 32:44] == 4).all()


def test_an_outline_may_leave_the_image():
    labels = np.zeros((30, 30), np.int32)
    after = applied(labels, add_from_outline(labels, [(-10, -10), (-10, 9), (9, 9), (9, -10)], 1))
    assert np.count_nonzero(after) == pytest.approx(100, abs=20)


@pytest.mark.parametrize(
    "polygon",
    [
        [(1, 1), (9, 9)],
        [(22, 22), (22, 28), (28, 28), (28, 22)],
        [(100, 100), (100, 120), (120, 110)],
        [(1, 1), (1, 2), (2, 1)],
    ],
)
def test_an_outline_without_background_is_refused(polygon):
    with pytest.raises(EditError):
        add_from_outline(discs((60, 60), (25, 25, 12)), polygon, 4)


@pytest.mark.parametrize("share", [0.2, 0.45, 1.0])
@pytest.mark.parametrize("click", [(25, 49), (31, 53)])
def test_a_click_adds_a_missed_nucleus_beside_a_found_one(share, click):
    labels = np.where(TRUTH == 2, 0, TRUTH)
    maps = faint(maps_of(TRUTH), TRUTH == 2, share)
    after = applied(labels, add_from_click(labels, click, maps, THRESHOLDS, 7))
    assert iou(after == 7, TRUTH == 2) > 0.85
    assert np.array_equal(np.where(after == 7, 0, after), labels)


def test_of_two_missed_nuclei_that_touch_a_click_adds_one():
    labels = np.where(TRUTH == 3, 3, 0)
    after = applied(labels, add_from_click(labels, (25, 24), maps_of(TRUTH), THRESHOLDS, 7))
    assert iou(after == 7, TRUTH == 1) > 0.85


def test_clicks_where_there_is_nothing_to_add_say_so():
    maps = maps_of(TRUTH)
    with pytest.raises(EditError, match="There is nucleus 1 already"):
        add_from_click(TRUTH, (25, 25), maps, THRESHOLDS, 7)
    with pytest.raises(EditError, match="saw nothing"):
        add_from_click(TRUTH, (75, 75), maps, THRESHOLDS, 7)
    with pytest.raises(EditError, match="outside the image"):
        add_from_click(TRUTH, (200, 75), maps, THRESHOLDS, 7)
    glow = np.full((3, 300, 300), 90, np.uint8)
    with pytest.raises(EditError, match="no single nucleus"):
        add_from_click(np.zeros((300, 300), np.int32), (150, 150), glow, THRESHOLDS, 7)


def test_a_box_segmented_again_gives_what_the_whole_image_gives():
    _, truth = draw_nuclei((200, 200), 20, 24, np.random.default_rng(0), clumped=0.7)
    maps = maps_of(truth)
    maps[1] = 0  # notches less than 1 deep
    merged = decode_maps(maps, DecodeThresholds(0.5, 0.99, 5))
    wanted = decode_maps(maps, THRESHOLDS)
    box = (40, 160, 30, 170)
    next_id = int(merged.max()) + 1
    after = applied(merged, resegment_box(merged, box, maps, THRESHOLDS, next_id))
    new = np.unique(after[after >= next_id])
    assert new.size > 3
    assert new.tolist() == list(range(next_id, next_id + new.size))
    for nucleus in new:
        y, x = np.nonzero(after == nucleus)
        assert 40 <= y.min() <= y.max() < 160
        assert 30 <= x.min() <= x.max() < 170
        same = np.bincount(wanted[after == nucleus]).argmax()
        assert iou(after == nucleus, wanted == same) > 0.5
    outside = np.ones(merged.shape, bool)
    outside[40:160, 30:170] = False
    cut = np.isin(merged, np.unique(merged[outside]))
    assert np.array_equal(after[cut & (merged > 0)], merged[cut & (merged > 0)])


def test_nuclei_that_come_out_as_they_were_keep_their_ids():
    maps = maps_of(TRUTH)
    labels = np.where(TRUTH == 3, 0, TRUTH * 5)
    after = applied(labels, resegment_box(labels, (-9, 200, 0, 200), maps, THRESHOLDS, 20))
    assert set(np.unique(after)) == {0, 5, 10, 20}
    with pytest.raises(EditError, match="nothing would change"):
        resegment_box(after, (0, 80, 0, 80), maps, THRESHOLDS, 21)
    with pytest.raises(EditError, match="outside the image"):
        resegment_box(after, (90, 99, 0, 9), maps, THRESHOLDS, 21)

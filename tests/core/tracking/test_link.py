"""Links from frame to frame and over gaps, of nuclei that keep their direction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.tracking.link import bridge_gaps, link_again, link_frames
from napari_unet_nuclei.core.tracking.spots import Spots

COUNT = 60


def fast_nuclei(seed: int, frames: int = 25) -> Spots:
    """Nuclei 24 pixels wide that go half of that in every frame, each nearly straight on, in each other's way."""
    rng = np.random.default_rng(seed)
    place, step, places = 220 * rng.random((COUNT, 2)), rng.normal(0, 12, (COUNT, 2)), []
    for _ in range(frames):
        places.append(place)
        step = 0.95 * step + rng.normal(0, 2.4, (COUNT, 2))
        place = place + step
    frame, label = np.repeat(np.arange(frames), COUNT), np.tile(np.arange(COUNT) + 1, frames)
    size, centre = np.full(frames * COUNT, 450), np.concatenate(places)
    return Spots((frames, 400, 400), frame, label, size, centre, np.ones(2), np.zeros((frames, 2)))


def wrong_links(spots: Spots, previous: np.ndarray) -> int:
    return int((previous != np.arange(len(spots)) - COUNT)[COUNT:].sum())


@pytest.mark.parametrize("seed", range(3))
def test_fewer_links_are_wrong_once_it_is_known_where_nuclei_go(seed):
    spots = fast_nuclei(seed)
    once = link_frames(spots, 1.5, Silent())
    assert wrong_links(spots, link_again(spots, once, 1.5)) < wrong_links(spots, once)


def test_a_gap_is_bridged_in_the_direction_of_both_its_sides():
    # One goes to the right by 14 pixels a frame, and is missed twice; another one ends where it began.
    frames = [(0, 0), (0, 14), (0, 28), None, None, (0, 70), (0, 84)]
    rows = [(time, place, 1) for time, place in enumerate(frames) if place is not None]
    rows = sorted([*rows, *((time, (20, 52), 2) for time in range(3))])
    frame, centre, label = (np.array(column) for column in zip(*rows, strict=True))
    spots = replace(fast_nuclei(0, 7), frame=frame, label=label, size=np.full(len(rows), 450), centre=centre * 1.0)
    linked = bridge_gaps(spots, link_frames(spots, 1.5, Silent()), 1.5, 2)
    came = np.flatnonzero(frame == 5)[0]
    assert (frame[linked[came]], label[linked[came]]) == (2, 1)

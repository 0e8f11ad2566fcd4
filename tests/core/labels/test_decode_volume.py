"""Maps of volumes, divided into nuclei."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_nuclei.core.labels.decode_volume import VolumeDecoder, VolumeMaps, decode_section, own_thresholds
from napari_unet_nuclei.core.labels.numbering import whole_labels
from napari_unet_nuclei.core.progress import Cancelled

DIAMETER = 18.0
OWN = own_thresholds(DIAMETER)
SHAPE = (30, 30, 60)


def ball(z: float, y: float, x: float, radius: float = 9.0) -> np.ndarray:
    places = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return sum((along - middle) ** 2 for along, middle in zip(places, (z, y, x), strict=True)) < radius**2


def maps_of(mask: np.ndarray, shape: tuple[int, int, int] = SHAPE) -> VolumeMaps:
    return VolumeMaps(np.where(mask, np.uint8(240), np.uint8(10)), np.zeros(SHAPE, np.uint8), shape)


TOUCHING = ball(15, 15, 15) | ball(15, 15, 31)


def test_touching_balls_are_two_and_their_halves_lie_where_they_should():
    found = VolumeDecoder(maps_of(TOUCHING)).decode(OWN)
    assert found.labels.max() == 2
    left, right = (np.argwhere(found.labels == one)[:, 2] for one in (1, 2))
    assert left.max() <= 24 < right.max()
    assert np.array_equal(found.labels > 0, TOUCHING)
    assert found.scores == pytest.approx([240 / 255] * 2)


def test_a_deeper_notch_is_asked_for_by_split():
    decoder = VolumeDecoder(maps_of(TOUCHING))
    assert decoder.decode(replace(OWN, split=0.99)).labels.max() == 2
    neck = maps_of(ball(15, 15, 15) | ball(15, 15, 22))
    assert VolumeDecoder(neck).decode(OWN).labels.max() == 1


def test_every_slider_gives_what_a_fresh_decoder_does():
    maps = maps_of(TOUCHING | ball(5, 5, 50, 3))
    decoder = VolumeDecoder(maps)
    for changed in ({}, {"split": 0.9}, {"min_size": 60}, {"foreground": 0.9}, {"score": 0.95}, {}):
        thresholds = replace(OWN, **changed)
        assert np.array_equal(decoder.decode(thresholds).labels, VolumeDecoder(maps).decode(thresholds).labels)


def test_smallest_is_the_cross_section_of_a_ball():
    small = VolumeDecoder(maps_of(ball(15, 15, 15, 6)))
    area = np.pi * 6**2
    assert small.decode(replace(OWN, min_size=round(0.9 * area))).labels.max() == 1
    assert small.decode(replace(OWN, min_size=round(1.1 * area))).labels.max() == 0


def test_a_hollow_is_filled_in_three_dimensions_and_a_cup_stays_open():
    hollow = ball(15, 15, 15) & ~ball(15, 15, 15, 3)
    assert np.array_equal(VolumeDecoder(maps_of(hollow)).decode(OWN).labels > 0, ball(15, 15, 15))
    cup = hollow.copy()
    cup[15:, 15, 15] = False
    assert np.array_equal(VolumeDecoder(maps_of(cup)).decode(OWN).labels > 0, cup)


def test_what_is_cut_by_a_face_is_deepest_there():
    found = VolumeDecoder(maps_of(ball(-2, 15, 20) | ball(-2, 15, 36))).decode(OWN)
    assert found.labels.max() == 2


def test_labels_lie_on_the_planes_of_the_image():
    # Every third plane of the working grid is a plane of the image; ids have no gaps.
    found = VolumeDecoder(maps_of(TOUCHING | ball(0, 5, 50, 0.9), (10, 30, 60))).decode(replace(OWN, min_size=1))
    assert found.labels.shape == (10, 30, 60)
    assert np.array_equal(np.unique(found.labels), [0, 1, 2])
    assert len(found.scores) == 2


def test_border_opens_a_gap():
    maps = maps_of(TOUCHING)
    maps.border[:, :, 23] = 255  # takes 0.3 off the foreground, of which 0.64 is left
    assert not VolumeDecoder(maps).decode(replace(OWN, foreground=0.7)).labels[:, :, 23].any()


def test_nothing_is_found_in_nothing():
    for shape in (SHAPE, (0, 30, 60)):
        found = VolumeDecoder(maps_of(np.zeros(SHAPE, bool), shape)).decode(OWN)
        assert found.labels.shape == shape
        assert not found.labels.any()


def test_decoding_is_cancelled_between_its_steps():
    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        VolumeDecoder(maps_of(TOUCHING)).decode(OWN, cancel)


@pytest.mark.parametrize("shape", [SHAPE, (10, 60, 120)])
def test_a_section_alone_has_the_nuclei_that_the_whole_volume_has_there(shape):
    maps = maps_of(TOUCHING | ball(15, 15, 50, 3), shape)
    for thresholds in (OWN, replace(OWN, min_size=2000)):
        whole = VolumeDecoder(maps).decode(thresholds).labels
        z, region = shape[0] // 2, (shape[1] // 4, shape[1], 0, shape[2] * 9 // 10)
        y0, y1, x0, x1 = region
        section = decode_section(maps, z, region, thresholds)
        assert np.array_equal(section, whole_labels(whole[z, y0:y1, x0:x1]))

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_unet_nuclei.core.labels.decode import (
    DecodeThresholds,
    PlaneDecoder,
    decode_maps,
    decode_plane,
    quantise,
)
from napari_unet_nuclei.core.labels.encode import encode_labels
from napari_unet_nuclei.core.labels.holes import fill_holes
from napari_unet_nuclei.core.samples.drawing import draw_nuclei

PLAIN = DecodeThresholds(foreground=0.5, split=0.4, min_size=1)


def maps_of(labels: np.ndarray) -> np.ndarray:
    """What a perfect network would say."""
    maps = encode_labels(labels, 22.0)
    return quantise(np.stack([maps.foreground, maps.border, maps.distance]))


def many_squares(side: int, pitch: int, count: int) -> np.ndarray:
    labels = np.zeros((count * pitch, count * pitch), np.int32)
    for y in range(side):
        for x in range(side):
            labels[y::pitch, x::pitch] = np.arange(1, count**2 + 1).reshape(count, count)
    return labels


def test_more_nuclei_than_sixteen_bits_can_count_keep_their_own_ids():
    labels = many_squares(side=3, pitch=5, count=260)
    maps = np.zeros((3, *labels.shape), np.uint8)
    maps[0] = maps[2] = 255 * (labels > 0)
    decoded = decode_maps(maps, PLAIN)
    assert decoded.dtype == np.int32
    assert decoded.max() == 67_600
    assert np.array_equal(decoded, labels)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (1, 5000), (3000, 1)])
def test_empty_and_thin_planes_decode(shape):
    maps = np.zeros((3, *shape), np.uint8)
    assert decode_maps(maps, PLAIN).shape == shape
    maps[0] = maps[2] = 255
    assert decode_maps(maps, PLAIN).max(initial=0) == min(1, maps[0].size)


def test_ids_have_no_gaps_and_every_nucleus_is_in_one_piece_without_holes():
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.random((3, 256, 256)), (0, 2, 2))
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    decoded = decode_maps(quantise(noise.astype(np.float32)), DecodeThresholds(0.5, 0.1, 5))
    assert decoded.max() > 50
    for number, box in enumerate(ndimage.find_objects(decoded), start=1):
        assert box is not None, "a gap in the ids"
        one = np.pad(decoded[box] == number, 1)
        assert ndimage.label(one)[1] == 1
        holes, count = ndimage.label(~one)
        for hole in range(2, count + 1):
            assert (np.pad(decoded[box], 1)[holes == hole] > 0).any(), "an unfilled hole"
    assert (np.bincount(decoded.ravel())[1:] >= 5).all()


def test_touching_nuclei_are_separated_where_the_border_says():
    labels = np.zeros((20, 40), np.int32)
    labels[4:16, 4:20], labels[4:16, 20:36] = 1, 2
    assert np.array_equal(decode_maps(maps_of(labels), PLAIN), labels)


def test_a_component_without_a_middle_is_one_nucleus():
    maps = np.zeros((3, 10, 10), np.uint8)
    maps[0, 2:6, 2:6] = 255
    assert decode_maps(maps, PLAIN).max() == 1


def test_a_speck_of_a_middle_does_not_split():
    maps = np.zeros((3, 20, 40), np.uint8)
    maps[0, 4:16, 4:36] = 255
    maps[2, 7:13, 8:16] = 255
    one = decode_maps(maps, PLAIN).max()
    maps[2, 10, 30] = 255
    assert decode_maps(maps, PLAIN).max() == one == 1
    maps[2, 7:13, 26:32] = 255
    assert decode_maps(maps, PLAIN).max() == 2


def test_thresholds_act_as_they_say():
    maps = np.zeros((3, 20, 20), np.uint8)
    maps[0, 5:15, 5:15] = 100
    assert decode_maps(maps, DecodeThresholds(0.5, 0.5, 1)).max() == 0
    assert decode_maps(maps, DecodeThresholds(0.3, 0.5, 1)).max() == 1
    assert decode_maps(maps, DecodeThresholds(0.3, 0.5, 100)).max() == 1
    assert decode_maps(maps, DecodeThresholds(0.3, 0.5, 101)).max() == 0


@pytest.mark.parametrize("scale", [0.25, 1.0, 6.0])
def test_any_scale_of_the_image_decodes(scale):
    _, labels = draw_nuclei((200, 200), 22 * scale if scale < 2 else 60, 8, np.random.default_rng(0), clumped=0)
    decoded = decode_maps(maps_of(labels), DecodeThresholds(0.5, 0.5, 1, scale))
    assert decoded.max() == labels.max()


def test_strips_and_threads_leave_no_trace(monkeypatch):
    _, labels = draw_nuclei((300, 150), 16, 120, np.random.default_rng(1), clumped=0.9)
    maps = maps_of(labels)
    whole = decode_maps(maps, PLAIN)
    monkeypatch.setattr("napari_unet_nuclei.core.labels.strips.STRIP_PIXELS", 4000)
    assert np.array_equal(decode_maps(maps, PLAIN) > 0, whole > 0)
    assert decode_maps(maps, PLAIN).max() == whole.max()


def test_decoding_repeats():
    _, labels = draw_nuclei((150, 150), 16, 60, np.random.default_rng(1), clumped=0.9)
    maps = maps_of(labels)
    assert np.array_equal(decode_maps(maps, PLAIN), decode_maps(maps.copy(), PLAIN))


def test_decoding_does_not_change_the_maps():
    maps = maps_of(draw_nuclei((60, 60), 16, 8, np.random.default_rng(1))[0].round().astype(np.int32))
    maps.setflags(write=False)
    decode_maps(maps, PLAIN)


def test_small_nuclei_are_dropped_and_the_rest_numbered_anew():
    maps = np.zeros((3, 1, 8), np.uint8)
    maps[0] = maps[2] = 255 * np.array([1, 0, 1, 1, 0, 1, 1, 1])

    def left(least: int) -> list[list[int]]:
        return decode_maps(maps, replace(PLAIN, min_size=least)).tolist()

    assert left(2) == [[0, 0, 1, 1, 0, 2, 2, 2]]
    assert max(left(0)[0]) == 3
    assert max(left(9)[0]) == 0


def test_nuclei_that_the_network_is_not_sure_of_are_dropped():
    maps = np.zeros((3, 1, 5), np.uint8)
    maps[0] = [[255, 204, 0, 204, 153]]  # means 0.9 and 0.7
    for score, kept in ((0.0, 2), (0.69, 2), (0.71, 1), (0.89, 1), (0.91, 0)):
        found = decode_plane(maps, replace(PLAIN, score=score))
        assert found.labels.max() == len(found.scores) == kept, score
    assert decode_plane(maps, PLAIN).scores.round(3).tolist() == [0.9, 0.7]


def test_a_deeper_notch_is_needed_the_higher_the_threshold():
    maps = np.zeros((3, 9, 30), np.uint8)
    maps[0] = 255
    maps[2] = np.abs(np.arange(30) - 14.5) * 10 + 60  # summits at both ends, 145 above the middle
    counts = [decode_maps(maps, replace(PLAIN, split=split)).max() for split in (0.1, 0.4, 0.5, 0.6, 0.9)]
    assert counts == [2, 2, 2, 1, 1]


@pytest.mark.parametrize("seed", range(4))
def test_one_decoder_gives_what_a_fresh_one_does_and_fills_what_is_enclosed(seed):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.random((3, 120, 90)), (0, 1.5, 1.5))
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    decoder = PlaneDecoder(quantise(noise.astype(np.float32)), 1.0)
    for foreground, split, min_size, score in ((0.4, 0.1, 20, 0.5), (0.4, 0.3, 3, 0.46), (0.5, 0.05, 9, 0.0)):
        thresholds = DecodeThresholds(foreground, split, min_size, 1.0, score)
        found = decoder.decode(thresholds)
        assert np.array_equal(found.labels, decode_maps(decoder.maps, thresholds))
        everything, evidence = decoder.all_nuclei(foreground, split)
        mask = decoder.maps[0] > 255 * foreground
        areas = np.bincount(np.where(mask, everything, 0).ravel())[1:]
        assert np.array_equal(areas, evidence.areas)
        kept = (areas >= min_size) & (evidence.certainty >= score)
        ids = np.append(0, np.where(kept, np.cumsum(kept), 0))
        assert np.array_equal(found.labels, fill_holes(ids[np.where(mask, everything, 0)].astype(np.int32)))


def test_a_gap_among_several_nuclei_stays_open_and_a_notch_too():
    labels = np.array(
        [
            [1, 1, 1, 2, 2, 0],
            [1, 0, 1, 0, 2, 2],
            [1, 1, 1, 2, 2, 2],
            [0, 3, 3, 3, 3, 0],
        ],
        np.int32,
    )
    filled = fill_holes(labels)
    assert filled[1, 1] == 1
    assert filled[1, 3] == 0
    assert np.array_equal(filled != labels, [[False] * 6, [False, True] + [False] * 4, [False] * 6, [False] * 6])


@pytest.mark.parametrize("value", [0.0, 0.2, 0.5, 1.0, 1.0000001])
def test_quantised_maps_are_right_to_half_a_step(value):
    (found,) = quantise(np.full((1, 1, 1), value, np.float32)).ravel()
    assert abs(found / 255 - value) <= 0.5 / 255 + 1e-6

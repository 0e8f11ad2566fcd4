"""What encoding says of labels, decoding finds again; and labels agree with themselves."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps, quantise
from napari_unet_nuclei.core.labels.encode import encode_labels
from napari_unet_nuclei.core.labels.metrics.overlaps import match
from napari_unet_nuclei.core.samples.drawing import draw_nuclei
from tests.helpers.effort import some_examples


def decoded(labels: np.ndarray, scale: float = 1.0) -> np.ndarray:
    maps = encode_labels(labels, 22.0)
    thresholds = DecodeThresholds(0.5, 0.5, 1, scale)
    return decode_maps(quantise(np.stack([maps.foreground, maps.border, maps.distance])), thresholds)


def discs(centres: list[tuple[int, int]], radii: list[int], shape: tuple[int, int]) -> np.ndarray:
    labels = np.zeros(shape, np.int32)
    y, x = np.ogrid[: shape[0], : shape[1]]
    for number, ((row, column), radius) in enumerate(zip(centres, radii, strict=True), start=1):
        labels[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = number
    return labels


def renumbered(labels: np.ndarray) -> np.ndarray:
    """Ids in the order in which the nuclei are met."""
    ids, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(ids), int)
    rank[np.argsort(first)] = np.arange(len(ids))
    order = rank[inverse].reshape(labels.shape)
    return np.where(labels > 0, order + 1, 0)


@given(st.lists(st.integers(1, 14), min_size=4, max_size=12), st.data())
def test_nuclei_that_do_not_touch_come_back_to_the_pixel(radii, data):
    centres = [
        (18 + 34 * (number // 3) + data.draw(st.integers(-2, 2)), 18 + 34 * (number % 3))
        for number in range(len(radii))
    ]
    labels = discs(centres, radii, (160, 110))
    assert np.array_equal(renumbered(decoded(labels)), renumbered(labels))


@some_examples(0.6)
@given(st.integers(0, 2**31), st.floats(9, 40), st.floats(0, 0.9))
def test_crowded_nuclei_come_back_but_for_a_few_outlines(seed, diameter, clumped):
    """Tolerance: 95 % of the nuclei at IoU above 0.8, and no more than 5 % too many or too few."""
    side = int(8 * diameter)
    _, labels = draw_nuclei((side, side), diameter, 30, np.random.default_rng(seed), clumped=clumped)
    counts = match(labels, decoded(labels, scale=diameter / 22), (0.5, 0.8))
    total = int(labels.max())
    allowed = max(1, round(0.05 * total))
    assert counts.found[1] >= total - 2 * allowed
    assert counts.missed[0] <= allowed
    assert counts.spurious[0] <= allowed


SMALL_LABELS = arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 9))


@given(SMALL_LABELS)
def test_labels_agree_with_themselves_however_they_are_numbered(labels):
    assert (match(labels, labels).average_precision == 1).all()
    renamed = np.where(labels > 0, 50 - labels, 0)
    counts = match(labels, renamed)
    assert (counts.average_precision == 1).all()
    assert counts.found[0] == len(set(labels.ravel()) - {0})


@given(st.data(), st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_matching_is_symmetric_and_counts_everything_once(data, shape):
    truth, predicted = (data.draw(arrays(np.int32, shape, elements=st.integers(0, 9))) for _ in range(2))
    there, back = match(truth, predicted), match(predicted, truth)
    assert np.array_equal(there.found, back.found)
    assert np.array_equal(there.spurious, back.missed)
    assert (there.found + there.missed == len(set(truth.ravel()) - {0})).all()
    assert (there.missed >= 0).all()
    assert (there.spurious >= 0).all()
    assert (np.diff(there.found) <= 0).all()


@given(st.data(), st.tuples(st.integers(0, 30), st.integers(0, 30)), st.floats(0.01, 0.99), st.integers(0, 20))
def test_any_maps_decode_to_gap_free_ids_of_at_least_the_minimum_size(data, shape, split, min_size):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    maps = rng.integers(0, 256, (3, *shape), dtype=np.uint8)
    labels = decode_maps(maps, DecodeThresholds(0.5, split, min_size))
    assert labels.shape == shape
    assert labels.dtype == np.int32
    areas = np.bincount(labels.ravel(), minlength=1)[1:]
    assert (areas >= max(min_size, 1)).all()
    assert (labels[maps[0] > 127] > 0).all() or min_size > 1

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.labels.encode import (
    OUTLINE_WEIGHTS,
    SMALL_WEIGHT,
    encode_labels,
    equivalent_diameters,
    inner_boundary,
    normalised_distance,
    touching_border,
)
from napari_unet_nuclei.core.samples.drawing import draw_nuclei


def squares(*corners: tuple[int, int], side: int = 7, shape: tuple[int, int] = (24, 40)) -> np.ndarray:
    labels = np.zeros(shape, np.int32)
    for number, (y, x) in enumerate(corners, start=1):
        labels[y : y + side, x : x + side] = number
    return labels


def test_the_distance_is_one_in_the_middle_of_every_nucleus_whatever_its_size():
    labels = np.maximum(squares((1, 1)), np.where(squares((9, 15), side=13) > 0, 2, 0))
    distance = normalised_distance(labels)
    assert distance[4, 4] == distance[15, 21] == 1
    assert distance[1, 4] == pytest.approx(1 / 4)
    assert (distance[labels == 0] == 0).all()
    assert (distance[labels > 0] > 0).all()


def test_the_distance_ends_where_a_neighbour_begins():
    distance = normalised_distance(squares((5, 5), (5, 12)))
    assert distance[8, 11] == distance[8, 12] == pytest.approx(1 / 4)


def test_a_nucleus_that_fills_the_image_has_no_outline():
    assert (normalised_distance(np.ones((5, 5), np.int32)) == 1).all()


def test_an_image_edge_cuts_a_nucleus_without_making_an_outline():
    labels = squares((0, 0))
    assert not inner_boundary(labels)[0, 0]
    assert inner_boundary(labels)[6, 0]


def test_borders_lie_between_neighbours_and_nowhere_else():
    touching = touching_border(squares((5, 5), (5, 12)))
    assert touching[8, 10:14].all()
    assert not touching[8, :9].any()
    assert not touching_border(squares((5, 5))).any()
    assert not touching_border(squares((5, 5), (5, 17))).any()


def test_borders_also_lie_in_the_gap_of_near_neighbours():
    assert touching_border(squares((5, 5), (5, 13)))[8, 12]


def test_diameters_are_those_of_circles_and_zero_for_absent_ids():
    labels = np.array([[0, 3, 3, 3, 3]])
    assert np.allclose(equivalent_diameters(labels), [0, 0, 0, np.sqrt(16 / np.pi)])


def test_the_size_is_zero_at_the_models_diameter_and_one_at_twice_that():
    labels = squares((1, 1), side=20)
    diameter = equivalent_diameters(labels)[1]
    assert np.allclose(encode_labels(labels, diameter).size[labels > 0], 0, atol=1e-6)
    assert np.allclose(encode_labels(labels, diameter / 2).size[labels > 0], 1, atol=1e-6)


def test_the_size_is_that_of_the_whole_nucleus_before_cropping():
    labels = squares((0, 0))
    maps = encode_labels(labels, 10.0, np.array([0.0, 20.0]))
    assert np.allclose(maps.size[labels > 0], 1)


def test_outlines_and_small_nuclei_weigh_more():
    labels = squares((8, 8), side=7)
    maps = encode_labels(labels, 28.0)
    assert maps.weight[0, 0] == 1
    assert maps.weight[8, 8] == pytest.approx(
        OUTLINE_WEIGHTS["fluorescence"] * min(SMALL_WEIGHT, 28 / equivalent_diameters(labels)[1])
    )


def test_what_nobody_reviewed_weighs_nothing():
    labels = squares((5, 5))
    reviewed = np.zeros(labels.shape, bool)
    reviewed[:, :8] = True
    weight = encode_labels(labels, 22.0, reviewed=reviewed).weight
    assert (weight[~reviewed] == 0).all()
    assert (weight[reviewed] > 0).all()


def test_every_map_is_finite_float32_and_in_its_range():
    _, labels = draw_nuclei((100, 120), 12, 40, np.random.default_rng(0), clumped=0.9)
    maps = encode_labels(labels, 22.0)
    for name in ("foreground", "border", "distance", "size", "weight"):
        one = getattr(maps, name)
        assert one.dtype == np.float32, name
        assert one.shape == labels.shape, name
        assert np.isfinite(one).all(), name
    for one in (maps.foreground, maps.border, maps.distance):
        assert one.min() == 0
        assert one.max() == 1


def test_an_empty_image_has_empty_maps():
    maps = encode_labels(np.zeros((8, 9), np.int32), 22.0)
    for one in (maps.foreground, maps.border, maps.distance, maps.size):
        assert not one.any()
    assert (maps.weight == 1).all()

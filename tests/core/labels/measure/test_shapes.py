from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label, regionprops_table

from napari_unet_nuclei.core.labels.measure.shapes import Neighbours, Outlines, PlaneNuclei, solidities
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.samples.drawing import draw_nuclei
from tests.helpers.drawn import discs, maps_of
from tests.helpers.samples import fluorescent_nuclei


def assert_as_in_skimage(labels: np.ndarray) -> None:
    expected = regionprops_table(labels, properties=("solidity",))["solidity"]
    np.testing.assert_allclose(solidities(PlaneNuclei(labels.astype(np.int64)), Silent()), expected)


@given(arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)))
def test_small_nuclei_in_pieces_of_any_shape(labels):
    assert_as_in_skimage(labels)


@pytest.mark.parametrize("seed", range(3))
def test_nuclei_and_ragged_clumps(seed):
    assert_as_in_skimage(fluorescent_nuclei(seed, (300, 400), 22.0, 80).labels)
    noise = np.random.default_rng(seed).random((120, 150))
    assert_as_in_skimage(label(noise < 0.55, connectivity=1))


def test_lines_and_single_pixels_fill_their_hulls():
    labels = np.zeros((9, 9), np.int32)
    labels[1, 1:8], labels[3:9, 2], labels[5, 5] = 1, 2, 3
    assert_as_in_skimage(labels)


def outlines_of(labels: np.ndarray) -> Outlines:
    return Outlines.of(PlaneNuclei(labels.astype(np.int64)))


def test_solidity_is_that_of_exact_hulls_to_a_few_percent():
    _, labels = draw_nuclei((200, 300), 24, 60, np.random.default_rng(0))
    exact = solidities(PlaneNuclei(labels.astype(np.int64)), Silent())
    quick = outlines_of(labels).solidities
    assert np.abs(quick - exact).max() < 0.03
    assert np.corrcoef(exact, quick)[0, 1] > 0.7


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 5)])
def test_boxes_are_exact_at_the_edge_too(size):
    labels = np.zeros((9, 12), np.int32)
    labels[: size[0], 12 - size[1] :] = 3
    assert outlines_of(labels).boxes.tolist() == [[0, size[0], 12 - size[1], 12]]


def test_neighbours_are_found_with_the_length_and_the_border_between_them():
    labels = np.zeros((12, 30), np.int32)
    labels[2:10, 2:8], labels[2:10, 8:14], labels[2:6, 15:20], labels[2:6, 22:26] = 5, 9, 4, 7
    maps = np.zeros((3, 12, 30), np.uint8)
    maps[1, :, 7] = 255
    pairs = Neighbours.of(outlines_of(labels), maps)
    ids = np.unique(labels[labels > 0])
    found = {
        (ids[a], ids[b]): (n, e) for a, b, n, e in zip(pairs.one, pairs.other, pairs.length, pairs.border, strict=True)
    }
    assert found == {(5, 9): (8, 1.0), (4, 9): (4, 0.0)}


def test_two_halves_of_a_disc_are_convex_together_and_two_discs_are_not():
    halves = discs((40, 80), (20, 20, 14))
    halves[:, 20:] *= 2
    for labels, whole in ((halves, True), (discs((40, 80), (20, 20, 14), (20, 48, 14)), False)):
        outlines = outlines_of(labels)
        pairs = Neighbours.of(outlines, maps_of(labels))
        solidity = np.count_nonzero(labels) / outlines.hulls_of_pairs(pairs)
        assert (solidity[0] > 0.94) == whole

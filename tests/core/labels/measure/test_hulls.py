from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label, regionprops_table

from napari_unet_nuclei.core.labels.measure.shapes import PlaneNuclei, solidities
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei


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

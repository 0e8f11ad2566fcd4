"""Distances within a mask, against SciPy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet_nuclei.core.labels import decode_volume
from napari_unet_nuclei.core.labels.decode_volume import squared_distances


@given(st.integers(0, 10_000), st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)), st.floats(0.05, 0.9))
def test_squares_are_exact_up_to_the_cap(seed, shape, filled):
    mask = np.random.default_rng(seed).random(shape) < filled
    mask.flat[0] = False  # SciPy knows no distance where there is no background
    exact = np.rint(ndimage.distance_transform_edt(mask) ** 2)
    assert np.array_equal(squared_distances(mask, 50), exact)
    assert np.array_equal(squared_distances(mask, 2), np.minimum(exact, 4))


def test_pieces_change_nothing(monkeypatch):
    mask = np.random.default_rng(0).random((9, 8, 7)) < 0.8
    whole = squared_distances(mask, 20)
    monkeypatch.setattr(decode_volume, "PIECE", 10)
    assert np.array_equal(squared_distances(mask, 20), whole)


def test_a_full_mask_is_as_deep_as_the_cap():
    assert (squared_distances(np.ones((2, 3, 4), bool), 5) == 25).all()

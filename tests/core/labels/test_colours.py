"""Neighbours never share a colour."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.labels.colours import colour_numbers, touching


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_no_two_nuclei_that_touch_have_colours_that_are_alike(seed: int, reach: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.permutation(200).reshape(10, 20), np.ones((3, 3), int))
    colours = np.arange(24)
    alike = np.abs(colours[:, None] - colours) < reach
    pairs = touching(labels)
    numbers = colour_numbers(200, pairs, alike)
    assert not alike[numbers[pairs[:, 0]], numbers[pairs[:, 1]]].any()


def test_nuclei_of_other_planes_do_not_touch() -> None:
    stack = np.stack([np.full((4, 4), 1), np.full((4, 4), 2)])
    assert touching(stack).tolist() == []

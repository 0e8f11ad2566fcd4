from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.colormaps import _accelerated_cmap as colouring

from napari_unet_nuclei.gui.viewer.display import colours_apart, prepare_drawing


def test_napari_compiles_its_colours_in_another_thread() -> None:
    pytest.importorskip("numba")
    with ThreadPoolExecutor(1) as pool, warnings.catch_warnings():
        warnings.simplefilter("error")
        pool.submit(prepare_drawing).result()
    known = list(colouring._zero_preserving_modulo_inner_loop.signatures)
    assert known
    Labels(np.zeros((3, 3), np.int32))
    assert colouring._zero_preserving_modulo_inner_loop.signatures == known


@pytest.mark.parametrize(("kind", "over"), [("fluorescence", (0, 0, 0)), ("brightfield", (0.42, 0.26, 0.5))])
def test_outlines_have_colours_that_are_seen_over_the_picture_and_unlike_their_neighbours(kind, over) -> None:
    labels = np.arange(1, 101, dtype=np.int32).reshape(10, 10)
    colours = colours_apart(labels, kind).map(labels)[..., :3]
    assert np.linalg.norm(colours - over, axis=-1).min() >= 0.4
    for axis in (0, 1):
        assert np.linalg.norm(np.diff(colours, axis=axis), axis=-1).min() >= 0.2

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.colormaps import _accelerated_cmap as colouring

from napari_unet_nuclei.gui.viewer.display import prepare_drawing


def test_napari_compiles_its_colours_in_another_thread() -> None:
    pytest.importorskip("numba")
    with ThreadPoolExecutor(1) as pool, warnings.catch_warnings():
        warnings.simplefilter("error")
        pool.submit(prepare_drawing).result()
    known = list(colouring._zero_preserving_modulo_inner_loop.signatures)
    assert known
    Labels(np.zeros((3, 3), np.int32))
    assert colouring._zero_preserving_modulo_inner_loop.signatures == known

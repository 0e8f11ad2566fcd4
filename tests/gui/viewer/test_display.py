from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from napari.layers import Labels

from napari_unet_nuclei.gui.viewer.display import prepare_colours


def test_napari_compiles_its_colours_in_another_thread() -> None:
    from napari.utils.colormaps import _accelerated_cmap as colouring

    with ThreadPoolExecutor(1) as pool, warnings.catch_warnings():
        warnings.simplefilter("error")
        pool.submit(prepare_colours).result()
    compiled = colouring._zero_preserving_modulo_inner_loop
    known = len(getattr(compiled, "signatures", []))
    Labels(np.zeros((3, 3), np.int32))
    assert len(getattr(compiled, "signatures", [])) == known

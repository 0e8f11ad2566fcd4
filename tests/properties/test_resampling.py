from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_nuclei.core.image.resample import AxisResampling, resample

SIZES = st.integers(1, 120)


@given(st.data(), SIZES, SIZES, SIZES, SIZES)
def test_resizing_a_piece_is_the_piece_of_the_whole_resized(data, old_y, new_y, old_x, new_x):
    pixels = np.random.default_rng(old_y * 1000 + new_x).random((old_y, old_x), np.float32)
    axes = AxisResampling(old_y, new_y), AxisResampling(old_x, new_x)
    whole = resample(pixels, axes[0].matrix(0, new_y)[0], axes[1].matrix(0, new_x)[0])
    assert whole.shape == (new_y, new_x)
    starts = [data.draw(st.integers(0, axis.new - 1)) for axis in axes]
    stops = [data.draw(st.integers(start + 1, axis.new)) for start, axis in zip(starts, axes, strict=True)]
    (rows, top), (columns, left) = (
        axis.matrix(start, stop) for axis, start, stop in zip(axes, starts, stops, strict=True)
    )
    needed = pixels[top : top + rows.shape[1], left : left + columns.shape[1]]
    piece = resample(needed, rows, columns)
    assert needed.shape == (rows.shape[1], columns.shape[1])
    assert np.allclose(piece, whole[starts[0] : stops[0], starts[1] : stops[1]], atol=1e-6)


@given(SIZES, SIZES)
def test_an_even_plane_stays_even_and_the_mean_stays(old, new):
    matrix, _ = AxisResampling(old, new).matrix(0, new)
    assert np.allclose(matrix @ np.ones(old, np.float32), 1, atol=1e-5)
    assert matrix.data.min() >= 0


@given(SIZES, SIZES, st.lists(st.integers(0, 120), max_size=6))
def test_outputs_centred_in_neighbouring_intervals_partition_all_outputs(old, new, cuts):
    edges = [0, *sorted(min(cut, old) for cut in cuts), old]
    axis = AxisResampling(old, new)
    intervals = [axis.centred_in(start, stop) for start, stop in pairwise(edges)]
    covered = [output for start, stop in intervals for output in range(start, stop)]
    assert covered == list(range(new))

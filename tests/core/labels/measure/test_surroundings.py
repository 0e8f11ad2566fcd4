from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from skimage.segmentation import expand_labels

from napari_unet_nuclei import measure
from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.labels.measure.surroundings import draw_surroundings
from napari_unet_nuclei.core.settings import CellSettings
from tests.helpers.recording import RecordingProgress

NUCLEI = np.zeros((30, 40), np.int64)
NUCLEI[10:15, 8:13] = 4
NUCLEI[10:15, 18:22] = 9
NUCLEI[24:28, 30:36] = 2
IMAGE = np.random.default_rng(0).integers(0, 1000, NUCLEI.shape).astype(np.float32)


def in_px(**values: float) -> CellSettings:
    return CellSettings(distance_unit="px", **values)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.0, 0.5)])
def test_cells_are_those_of_expand_labels_also_where_pixels_are_not_square(spacing):
    drawn = draw_surroundings(NUCLEI, in_px(cell=4), spacing)
    np.testing.assert_array_equal(drawn.regions["cell"], expand_labels(NUCLEI, 4, spacing))
    assert not drawn.regions["cytoplasm"][NUCLEI > 0].any()


def test_a_ring_keeps_its_gap_from_all_nuclei_and_ends_where_a_neighbour_is_nearer():
    ring = draw_surroundings(NUCLEI, in_px(ring=3, gap=1), (1.0, 1.0)).regions["ring"]
    assert not ring[expand_labels(NUCLEI, 1) > 0].any()
    np.testing.assert_array_equal(ring[ring > 0], expand_labels(NUCLEI, 4)[ring > 0])
    assert (ring > 0).sum() == (expand_labels(NUCLEI, 4) > 0).sum() - (expand_labels(NUCLEI, 1) > 0).sum()


def test_volumes_are_grown_in_all_three_axes():
    volume = np.zeros((7, 9, 9), np.int64)
    volume[3, 4, 4] = 5
    drawn = draw_surroundings(volume, in_px(cell=2), (2.0, 1.0, 1.0))
    np.testing.assert_array_equal(drawn.regions["cell"], expand_labels(volume, 2, (2.0, 1.0, 1.0)))
    assert drawn.regions["cell"][[2, 4], 4, 4].tolist() == [5, 5]


def test_intensities_of_cell_cytoplasm_and_ring_are_those_of_their_pixels():
    table = measure(NUCLEI, {"GFP": IMAGE}, around=in_px(cell=4, ring=2, gap=1)).set_index("label")
    cells = expand_labels(NUCLEI, 4)
    for nucleus in (2, 4, 9):
        row, own = table.loc[nucleus], cells == nucleus
        outside = own & (NUCLEI == 0)
        assert row["cell_area_px"] == own.sum()
        assert row["cytoplasm_area_px"] == outside.sum()
        assert row["nucleus_to_cell"] == pytest.approx((nucleus == NUCLEI).sum() / own.sum())
        assert row["GFP_mean_cell"] == pytest.approx(IMAGE[own].mean())
        assert row["GFP_sum_cytoplasm"] == pytest.approx(IMAGE[outside].sum())
        ratio = IMAGE[nucleus == NUCLEI].mean() / IMAGE[outside].mean()
        assert row["GFP_nucleus_to_cytoplasm"] == pytest.approx(ratio)
        assert row["GFP_nucleus_to_ring"] == pytest.approx(row["GFP_mean"] / row["GFP_mean_ring"])


def test_a_distance_in_micrometres_follows_the_pixel_size_and_asks_for_one():
    sizes = {"pixel_size_y": 0.5, "pixel_size_x": 0.25}
    table = measure(NUCLEI, around=CellSettings(cell=1), **sizes)
    grown = expand_labels(NUCLEI, 1, (0.5, 0.25))
    assert table["cell_area_um2"].tolist() == [(grown == nucleus).sum() * 0.125 for nucleus in (2, 4, 9)]
    with pytest.raises(SettingsError, match="give their width in pixels"):
        measure(NUCLEI, around=CellSettings(cell=1))


def test_planes_of_a_series_are_grown_one_by_one():
    series = np.stack([NUCLEI, np.zeros_like(NUCLEI), NUCLEI[::-1]])
    table = measure(series, around=in_px(cell=3), axes="TYX")
    expected = [(expand_labels(plane, 3) == nucleus).sum() for plane in series[[0, 2]] for nucleus in (2, 4, 9)]
    assert table["cell_area_px"].tolist() == expected


def test_given_cells_hold_the_nuclei_of_which_they_have_more_than_half_and_what_does_not_fit_is_told():
    cells = np.zeros_like(NUCLEI)
    cells[8:18, 5:25] = 7  # two nuclei
    cells[26:30, 28:40] = 3  # half of nucleus 2
    cells[0:3, 0:3] = 1
    progress = RecordingProgress()
    table = measure(NUCLEI, {"GFP": IMAGE}, cells=cells, around=in_px(ring=9), progress=progress).set_index("label")
    assert table["cell"].to_dict() == {2: 0, 4: 7, 9: 7}
    assert table["cell_area_px"].tolist()[1:] == [200, 200]
    assert np.isnan(table.loc[2, "cell_area_px"])
    assert table.loc[4, "cytoplasm_area_px"] == 200 - 25 - 20
    assert table.loc[[4, 9], "ring_area_px"].sum() == 200 - 25 - 20  # a ring ends where its cell does
    assert progress.notices == ["1 nucleus lies in no cell, 2 cells hold no nucleus, 1 cell holds several nuclei."]
    with pytest.raises(ImageShapeError, match="The cells"):
        measure(NUCLEI, cells=cells[:5])


def test_without_nuclei_all_columns_are_there_and_pixels_without_a_number_count_nowhere():
    empty = measure(np.zeros((3, 4), int), {"GFP": np.zeros((3, 4))}, around=in_px(cell=2, ring=1))
    assert len(empty) == 0
    assert {"cell_area_px", "GFP_mean_ring", "GFP_nucleus_to_cytoplasm"} <= set(empty.columns)
    holes = np.where(expand_labels(NUCLEI, 9) == 4, np.nan, IMAGE)
    table = measure(NUCLEI, {"GFP": holes}, around=in_px(cell=2)).set_index("label")
    assert np.isnan(table.loc[4, "GFP_mean_cell"])
    assert np.isfinite(table.loc[2, "GFP_mean_cell"])


def test_nothing_is_drawn_unless_asked_for():
    assert not [name for name in measure(NUCLEI, {"GFP": IMAGE}).columns if "cell" in name or "ring" in name]
    assert isinstance(measure(NUCLEI, around=in_px()), pd.DataFrame)

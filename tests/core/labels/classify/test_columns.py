"""Which columns tell classes apart, and how they are found again where images have other names."""

from __future__ import annotations

import pandas as pd

from napari_unet_nuclei.core.labels.classify.columns import matched, suitable_columns


def table(*columns: str) -> pd.DataFrame:
    return pd.DataFrame([[1.0] * len(columns)] * 2, columns=list(columns))


def test_sizes_in_um_where_known_shapes_and_intensities_of_nucleus_ring_and_cell_are_suitable():
    own = ("area_um2", "eccentricity", "GFP_mean", "GFP_sum", "GFP_mean_ring", "GFP_nucleus_to_cytoplasm", "foci_count")
    others = ("label", "t", "area_px", "diameter_um", "centroid_y", "score", "track", "cell", "class_probability")
    assert suitable_columns(table(*own, *others)) == own
    assert suitable_columns(table("area_px").assign(area_um2=float("nan"))) == ("area_px",)
    assert suitable_columns(table("volume_um3", "voxels", "sphericity")) == ("volume_um3", "sphericity")


def test_a_column_is_found_under_the_name_of_a_layer_or_a_channel():
    assert matched(["GFP_mean"], table("GFP_mean", "DAPI_mean")) == ({"GFP_mean": "GFP_mean"}, "")
    names, remark = matched(["cells_GFP_mean", "area_px"], table("area_px", "GFP_mean", "DAPI_mean"))
    assert names == {"cells_GFP_mean": "GFP_mean", "area_px": "area_px"}
    assert "'GFP' for 'cells_GFP'" in remark
    assert matched(["my image_mean"], table("intensity_mean"))[0] == {"my image_mean": "intensity_mean"}


def test_an_image_that_cannot_be_told_is_missing():
    assert matched(["GFP_mean"], table("red_mean", "green_mean")) == ({}, "")

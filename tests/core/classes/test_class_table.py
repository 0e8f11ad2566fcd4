from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.classes.class_table import measure_classes
from napari_unet_nuclei.core.errors import ImageShapeError

NAMES = ("sky", "road", "car")


def test_areas_are_those_of_the_classes():
    table = measure_classes(np.array([[0, 0, 2, 2], [2, 2, 2, 2]]), NAMES, pixel_size_y=0.5, pixel_size_x=2.0)
    assert table["label"].tolist() == [0, 1, 2]
    assert table["class"].tolist() == list(NAMES)
    assert table["area_px"].tolist() == [2, 0, 6]
    assert table["area_um2"].tolist() == [2.0, 0.0, 6.0]
    assert table["share"].tolist() == [0.25, 0, 0.75]


def test_every_plane_of_a_stack_is_measured_and_named():
    stack = np.zeros((2, 3, 4, 5), np.int32)
    stack[1, 2] = 1
    table = measure_classes(stack, NAMES, axes="TZYX", origin=(10, 20, 0, 0))
    assert len(table) == 2 * 3 * 3
    [row] = table[(table["t"] == 11) & (table["z"] == 22) & (table["label"] == 1)].to_dict("records")
    assert (row["area_px"], row["share"]) == (20, 1)
    assert table["share"].sum() == pytest.approx(6)


def test_unknown_pixel_sizes_leave_areas_empty_and_painted_classes_have_no_name():
    table = measure_classes(np.array([[0, 5]]), NAMES)
    assert table["area_um2"].isna().all()
    assert table["class"].tolist() == [*NAMES, "", "", ""]


def test_an_empty_plane_has_no_shares():
    table = measure_classes(np.zeros((0, 7), np.int32), NAMES)
    assert table["area_px"].tolist() == table["share"].tolist() == [0, 0, 0]


def test_ids_below_zero_are_refused():
    with pytest.raises(ImageShapeError, match="below 0"):
        measure_classes(np.array([[-1]]), NAMES)

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import inputs
from benchmarks.drawn.case import Found

CASES = {case.name: case for case in inputs.all_cases()}

TRIED = (
    "TIFF YX uint16",
    "TIFF TZCYX",
    "TIFF truncated",
    "ImageJ TZCYX",
    "OME-TIFF CZYX",
    "OME-TIFF series 2",
    "RGB TIFF, planes",
    "PNG 16 bits",
    "OME-Zarr 0.4 TCYX",
    "OME-Zarr 0.5 CZYX",
    "LIF TYX",
    "CZI scene 1",
    "ND2 PTZ",
    "FLEX of three fields",
    "files of CellVoyager",
    "Python: RGBA",
    "labels float32",
    "evaluate image_rois.zip",
    "channels by words",
    "plate, OME-Zarr 0.5",
)
"""One of each kind: the benchmark tries them all."""


@pytest.mark.parametrize("name", TRIED)
def test_what_is_found_is_what_was_drawn(name: str, tmp_path: Path) -> None:
    assert CASES[name].try_out(tmp_path).wrong == ()


def test_there_are_enough_inputs_and_each_has_a_name_of_its_own() -> None:
    names = Counter(case.name for case in inputs.all_cases())
    assert len(names) >= 300
    assert set(names.values()) == {1}


def test_a_wrong_count_a_wrong_size_and_a_wrong_channel_are_noticed(tmp_path: Path) -> None:
    case = inputs.Case(
        "wrong", lambda folder: None, (8,), 0.5, {"DAPI": 100.0}, run=lambda *given: Found((7,), 0.25, {"GFP": 100.0})
    )
    assert len(case.try_out(tmp_path).wrong) == 3


def test_a_refusal_is_right_only_where_one_was_drawn(tmp_path: Path) -> None:
    def refuse(*given: object) -> Found:
        return Found(refusals=("it is truncated",))

    drawn = {"draw": lambda folder: None, "run": refuse}
    assert inputs.Case("a", **drawn, refused="truncated").try_out(tmp_path / "a").wrong == ()
    assert inputs.Case("b", **drawn, refused="empty").try_out(tmp_path / "b").wrong
    assert inputs.Case("c", **drawn, counts=(8,)).try_out(tmp_path / "c").wrong

"""Wells summed up, and the maps that are drawn of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.folder.report import plate_sections
from napari_unet_nuclei.core.folder.wells import wells_table
from napari_unet_nuclei.core.image.plates import PlateField, row_letters


@pytest.fixture
def field_of(tmp_path: Path):
    """Make the record of a field, with the table of its nuclei."""

    def make(well: str, field: str, areas: list[float], gfp: list[float], **about: object) -> FileRecord:
        table = tmp_path / f"{well}_{field}.csv"
        pd.DataFrame({"label": range(len(areas)), "area_px": areas, "area_um2": None, "GFP_mean": gfp}).to_csv(table)
        place = PlateField.at("p", well[0], well[1:], field)
        return FileRecord(f"{well}_{field}", table=str(table), nuclei=len(areas), place=place, **about)

    return make


def test_wells_sum_up_their_fields(field_of):
    records = [
        field_of("B10", "1", [10, 20, 30], [1, 2, 3], gate="GFP_mean > 1", positive=2, class_counts={"a": 2, "b": 1}),
        field_of("B10", "2", [40], [10], gate="GFP_mean > 1", positive=1, class_counts={"a": 0, "b": 1}),
        field_of("B2", "1", [], [], gate="GFP_mean > 1", positive=0),
        FileRecord("B2_2", error="gone", place=PlateField.at("p", "B", "2", "2")),
        FileRecord("alone"),
    ]
    first, second = wells_table(records).to_dict("records")
    assert first["well"] == "B02"
    assert (first["fields"], first["failed"], first["nuclei"]) == (1, 1, 0)
    assert pd.isna(first["positive_percent"])
    assert pd.isna(first["GFP_mean"])
    assert second["well"] == "B10"
    assert (second["nuclei"], second["median_area_px"], second["GFP_mean"]) == (4, 25.0, 4.0)
    assert (second["positive"], second["positive_percent"]) == (3, 75.0)
    assert (second["class_a"], second["class_b_percent"]) == (2, 50.0)
    captions = [
        one.caption for section in plate_sections(wells_table(records)) for row in section.figures for one in row
    ]
    assert "A in % of the nuclei: 50." in captions


def test_without_a_plate_there_are_no_wells():
    assert wells_table([FileRecord("a")]).empty
    assert plate_sections(wells_table([FileRecord("a")])) == []


def test_each_plate_is_drawn_with_all_that_is_known_of_it(field_of):
    (section,) = plate_sections(wells_table([field_of("A1", "1", [10], [3]), field_of("H12", "1", [20, 20], [5, 5])]))
    captions = [figure.caption for row in section.figures for figure in row]
    assert captions == [
        "Nuclei per well: 1 to 2.",
        "Median area in px²: 10 to 20.",
        "Mean GFP of the nuclei: 3 to 5.",
    ]
    assert "2 wells with 2 fields" in section.text
    assert section.figures[0][0].content.startswith("<svg")


def test_large_plates_are_drawn_whole(field_of):
    record = field_of("A1", "1", [10], [3])
    plate = [
        FileRecord("x", table=record.table, nuclei=1, place=PlateField.at("p", row_letters(row), str(column)))
        for row in range(1, 17)
        for column in range(1, 25)
    ]
    (section,) = plate_sections(wells_table(plate))
    assert "384 wells" in section.text


def test_wells_that_are_only_numbered_have_a_row_but_no_map(field_of):
    record = field_of("A1", "1", [10], [3])
    numbered = FileRecord("w", table=record.table, nuclei=1, place=PlateField("p", "W00031", "", "", "1"))
    wells = wells_table([numbered])
    assert wells["well"].tolist() == ["W00031"]
    assert plate_sections(wells) == []

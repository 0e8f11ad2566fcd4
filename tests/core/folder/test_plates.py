"""Runs over plates: every field once, with its place in every table."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from napari_unet_nuclei.core.folder.large_image import BlockSettings
from napari_unet_nuclei.core.folder.plan import plan_files
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.image.plates import PLATE_COLUMNS
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.helpers.channel_files import write_plate

PLACES = [["p", "A01", "A", "1", "0"], ["p", "A01", "A", "1", "1"], ["p", "B02", "B", "2", "0"]]


@pytest.fixture
def template(tiny_model_file: Path) -> RequestTemplate:
    return RequestTemplate(SegmentSettings().changed(channel="DAPI", diameter=20, device="cpu"), str(tiny_model_file))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_every_field_of_a_plate_is_done_once_and_tells_its_well(template, tmp_path, zarr_format):
    plate, out = write_plate(tmp_path / "in" / "p.zarr", zarr_format), tmp_path / "out"
    report = segment_files([tmp_path / "in"], out, template)
    assert [record.error for record in report.records] == [""] * 3
    assert [Path(record.labels).relative_to(out).as_posix() for record in report.records] == [
        f"p/{name}_labels.ome.zarr" for name in ("A01_f0", "A01_f1", "B02_f0")
    ]
    summary = pd.read_csv(out / "summary.csv", dtype=str)
    joint = pd.read_csv(out / "nuclei.csv", dtype=str)
    assert summary[list(PLATE_COLUMNS)].values.tolist() == PLACES
    assert joint[list(PLATE_COLUMNS)].drop_duplicates().values.tolist() == PLACES
    assert {"DAPI_mean", "GFP_mean"} <= set(joint.columns)
    assert [list(pd.read_csv(record.table).columns[:5]) for record in report.records] == [list(PLATE_COLUMNS)] * 3
    again = segment_files([plate], out, template)
    assert {record.status for record in again.records} == {"skipped"}
    wells = pd.read_csv(out / "wells.csv")
    assert wells[["well", "fields"]].values.tolist() == [["A01", 2], ["B02", 1]]
    assert "Plate p" in (out / "report.html").read_text(encoding="utf-8")
    pd.testing.assert_frame_equal(pd.read_csv(out / "nuclei.csv", dtype=str), joint)


def test_labels_go_into_a_plate_that_may_hold_them_and_never_over_others(template, tmp_path):
    plate = write_plate(tmp_path / "p.zarr", 3)
    theirs = plate / "B" / "2" / "0" / "labels" / "nuclei"
    theirs.mkdir(parents=True)
    (theirs / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}))
    report = segment_files([plate], tmp_path / "out", template, blocks=BlockSettings(into_image=True))
    assert [bool(record.error) for record in report.records] == [False, False, True]
    assert "not of this program" in report.records[2].error
    labels = read_ome_zarr(plate / "A" / "1" / "0" / "labels" / "nuclei")
    assert labels.levels[0].shape == (96, 96)
    listed = json.loads((plate / "A" / "1" / "0" / "labels" / "zarr.json").read_text())
    assert listed["attributes"]["ome"]["labels"] == ["nuclei"]
    assert not (theirs / "0").exists()


def test_labels_of_the_new_format_do_not_go_into_a_plate_of_the_old_one(template, tmp_path):
    plate = write_plate(tmp_path / "p.zarr", 2)
    report = segment_files([plate], tmp_path / "out", template, blocks=BlockSettings(into_image=True))
    assert all("must not be mixed" in record.error for record in report.records)


@pytest.mark.parametrize(
    "given", ["in", "in/p.zarr", "in/p.zarr/A", "in/p.zarr/A/1", "in/p.zarr/*/1", "in/p.zarr/A/1/0"]
)
def test_results_are_named_after_wells_whatever_is_given_of_a_plate(tmp_path, given):
    write_plate(tmp_path / "in" / "p.zarr")
    plan = plan_files([tmp_path / given], tmp_path / "out")
    names = [file.name for file in plan.files]
    assert Path(names[0]).name == "A01_f0"
    assert len(set(names)) == len(names) == {"in": 3, "in/p.zarr": 3, "in/p.zarr/A/1/0": 1}.get(given, 2)
    assert all(file.place is not None for file in plan.files)

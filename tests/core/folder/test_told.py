"""Cells, rings, gates and classes in runs over files: in tables, records, summary and report; told anew."""

from __future__ import annotations

import json
from pathlib import Path

import imageio.v3 as iio
import pandas as pd
import pytest

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.labels.classify.class_file import write_classes
from napari_unet_nuclei.core.labels.classify.nucleus_classes import NucleusClasses
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings
from tests.helpers.samples import fluorescent_nuclei

TEMPLATE = RequestTemplate(SegmentSettings().changed(diameter=24.0))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    iio.imwrite(path, fluorescent_nuclei(0, (96, 96), 24.0, 6).image)
    return path


def run(image: Path, **values: object) -> object:
    return segment_files([image], image.parent / "out", TEMPLATE, batch=BatchSettings(**values))


def table_of(report: object) -> pd.DataFrame:
    return pd.read_csv(report.records[0].table)


def test_a_gate_is_told_anew_without_segmenting_again_and_stands_in_summary_and_report(image):
    report = run(image, gate="area_px > 1e9")
    assert report.records[0].positive == 0
    labels = image.parent / "out" / "a_labels.tif"
    written = labels.stat().st_mtime_ns
    middle = table_of(report)["area_px"].median()
    report = run(image, gate=f"area_px >= {middle}")
    [record], table = report.records, table_of(report)
    assert record.skipped
    assert labels.stat().st_mtime_ns == written
    assert record.positive == table["positive"].sum() == (table["area_px"] >= middle).sum()
    assert report.summary()["positive_percent"].tolist() == [record.positive_percent]
    page = (image.parent / "out" / "report.html").read_text(encoding="utf-8")
    assert f"positive: area_px &gt;= {middle}" in page
    assert f"{record.positive_percent:.0f} % positive" in page
    assert table["positive"].tolist() == pd.read_csv(image.parent / "out" / "nuclei.csv")["positive"].tolist()
    report = run(image)
    assert report.records[0].skipped
    assert "positive" not in table_of(report)


def test_an_image_without_the_column_has_its_nuclei_and_a_warning(image):
    [record] = run(image, gate="GFP_mean > 5").records
    assert record.nuclei > 0
    assert record.positive is None
    assert "asks for the column 'GFP_mean'" in record.warning
    assert not run(image, gate="area_px > 5").records[0].warnings


def test_cells_and_rings_are_measured_and_another_width_is_measured_anew(image):
    around = {"cell": 3.0, "ring": 2.0, "distance_unit": "px"}
    table = table_of(run(image, **around))
    assert (table["cell_area_px"] > table["area_px"]).all()
    assert {"intensity_mean_cytoplasm", "intensity_nucleus_to_ring"} <= set(table.columns)
    assert run(image, **around).records[0].skipped
    report = run(image, **{**around, "cell": 5.0})
    assert not report.records[0].skipped
    assert (table_of(report)["cell_area_px"] > table["cell_area_px"]).all()


def taught(path: Path, table: pd.DataFrame, column: str = "intensity_mean") -> Path:
    """Write classes by the size of the nuclei of a table: halves."""
    table = table.rename(columns={"intensity_mean": column})
    size = table["area_px"] > table["area_px"].median()
    write_classes(
        path, NucleusClasses.taught(table, size.map({True: "large", False: "small"}), columns=["area_px", column])
    )
    return path


def test_classes_stand_in_table_outlines_summary_and_report_and_are_told_anew(image, tmp_path):
    before = table_of(run(image, geojson=True))
    outlines = image.parent / "out" / "a_nuclei.geojson"
    assert "classification" not in outlines.read_text(encoding="utf-8")
    file = taught(tmp_path / "sizes.json", before, "DAPI_mean")
    report = run(image, classes=str(file), geojson=True, gate="class_probability > 0.5")
    [record], table = report.records, table_of(report)
    assert record.skipped
    assert record.positive == record.nuclei
    assert record.class_counts == table["class"].value_counts().to_dict()
    assert table["class_probability"].between(0.5, 1).all()
    assert "'intensity' for 'DAPI'" in record.message
    assert not record.warnings
    summary = pd.read_csv(image.parent / "out" / "summary.csv")
    assert summary["class_large"].tolist() == [record.class_counts["large"]]
    assert summary["class_large_percent"].tolist() == [record.class_columns["class_large_percent"]]
    features = json.loads(outlines.read_text(encoding="utf-8"))["features"]
    found = {
        one["properties"]["measurements"]["label"]: one["properties"]["classification"]["name"] for one in features
    }
    assert found == dict(zip(table["label"], table["class"], strict=True))
    page = (image.parent / "out" / "report.html").read_text(encoding="utf-8")
    assert "class: large" in page
    assert f"{record.class_columns['class_large_percent']:.0f} % large" in page
    report = run(image, geojson=True)
    assert report.records[0].class_counts is None
    assert "class" not in table_of(report)
    assert "classification" not in outlines.read_text(encoding="utf-8")


def test_classes_that_cannot_be_told_of_an_image_are_a_warning_and_a_bad_file_ends_the_run_before(image, tmp_path):
    table = table_of(run(image))
    far = taught(tmp_path / "far.json", table.assign(intensity_mean=table["intensity_mean"] * 1e5))
    [record] = run(image, classes=str(far)).records
    assert "unlike all examples in intensity_mean" in record.warning
    other = taught(tmp_path / "other.json", table.assign(area_px=range(len(table))))
    other.write_text(other.read_text("utf-8").replace("area_px", "x_od_mean_ring").replace("intensity_mean", "y_count"))
    [record] = run(image, classes=str(other)).records
    assert "No classes were told" in record.warning
    assert record.nuclei > 0
    other.write_text("no classes")
    with pytest.raises(SettingsError, match="cannot be read as classes"):
        run(image, classes=str(other))


def test_what_cannot_be_asked_or_drawn_is_refused_before_the_network_runs(image):
    with pytest.raises(SettingsError, match="is not a gate"):
        run(image, gate="many")
    assert not (image.parent / "out" / "a_labels.tif").exists()
    [record] = run(image, cell=5.0).failed
    assert "give their width in pixels" in record.error

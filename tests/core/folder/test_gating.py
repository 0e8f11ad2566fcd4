"""Cells, rings and gates in runs over files: in tables, records, summary and report; told anew where they change."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import pandas as pd
import pytest

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings

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


def test_what_cannot_be_asked_or_drawn_is_refused_before_the_network_runs(image):
    with pytest.raises(SettingsError, match="is not a gate"):
        run(image, gate="many")
    assert not (image.parent / "out" / "a_labels.tif").exists()
    [record] = run(image, cell=5.0).failed
    assert "give their width in pixels" in record.error

"""Results that were damaged, deleted or saved anew are made again, and said so; what a user corrected stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import imageio.v3 as iio
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.helpers.samples import fluorescent_nuclei


@pytest.fixture
def image(tmp_path: Path) -> Path:
    iio.imwrite(tmp_path / "a.png", fluorescent_nuclei(0, (64, 64), 24.0, 3).image)
    return tmp_path / "a.png"


@pytest.fixture
def template(tiny_model_file: Path) -> RequestTemplate:
    return RequestTemplate(SegmentSettings().changed(diameter=24.0, device="cpu"), str(tiny_model_file))


DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "zeroed": lambda content: bytes(len(content)),
    "not UTF-8": lambda content: b"\xff" * len(content),
}


@pytest.mark.parametrize("name", ["a_labels.tif", "a_table.csv"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_results_are_made_again_and_said(image, template, tmp_path, name, damage) -> None:
    out = tmp_path / "out"
    segment_files([image], out, template)
    whole = (out / name).read_bytes()
    (out / name).write_bytes(DAMAGE[damage](whole))
    [record] = segment_files([image], out, template).records
    assert record.status == "done", record.error
    assert f"{name} was damaged" in record.message
    assert "damaged" in pd.read_csv(out / "summary.csv")["message"][0]
    [again] = segment_files([image], out, template).records
    assert (again.status, (out / "a_table.csv").read_bytes()[:5]) == ("skipped", b"label")


def test_a_table_that_a_spreadsheet_saved_is_made_again_and_kept_beside(image, template, tmp_path) -> None:
    out = tmp_path / "out"
    segment_files([image], out, template)
    saved = (out / "a_table.csv").read_bytes().replace(b",", b";")
    whole = (out / "a_table.csv").read_bytes()
    (out / "a_table.csv").write_bytes(saved)
    [record] = segment_files([image], out, template).records
    assert (record.status, "a_table_before.csv" in record.message) == ("done", True)
    assert (out / "a_table.csv").read_bytes() == whole
    assert (out / "a_table_before.csv").read_bytes() == saved


def test_labels_that_somebody_corrected_stay_and_are_said(image, template, tmp_path) -> None:
    out = tmp_path / "out"
    segment_files([image], out, template)
    labels = tifffile.imread(out / "a_labels.tif")
    labels[labels == 1] = 0
    tifffile.imwrite(out / "a_labels.tif", labels)
    (out / "a_table.csv").write_bytes(b"")
    [record] = segment_files([image], out, template).records
    assert (record.status, "changed since" in record.error) == ("failed", True)
    assert (tifffile.imread(out / "a_labels.tif") == labels).all()


@pytest.mark.parametrize("lost", [".", ".nuclei", "a_table.csv", "a_labels.tif", ".nuclei/a.png"])
def test_results_deleted_while_a_run_goes_on_cost_no_summary(image, template, tmp_path, lost) -> None:
    out = tmp_path / "out"

    def delete(record: object) -> None:
        path = out / lost
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    [record] = segment_files([image], out, template, on_record=delete).records
    expected = "failed" if lost in (".", "a_table.csv", "a_labels.tif") else "done"
    assert record.status == expected
    assert ("deleted while the run went on" in record.error) == (expected == "failed")
    for name in ("summary.csv", "run.json", "report.html"):
        assert (out / name).exists()
    # Without its notes, nobody knows any more whose results these are.
    assert (segment_files([image], out, template).records[0].error == "") == (lost != ".nuclei")


@pytest.mark.parametrize(
    "wrong", [{"outputs": [1]}, {"image_hash": 3}, {"record": {"nuclei": "x"}}, {"labels_hash": None}, {"around": 1}]
)
def test_a_note_of_wrong_types_is_none(image, template, tmp_path, wrong) -> None:
    out = tmp_path / "out"
    segment_files([image], out, template)
    note = json.loads((out / ".nuclei" / "a.json").read_text(encoding="utf-8"))
    for name, value in wrong.items():
        note[name] = {**note[name], **value} if isinstance(value, dict) else value
    (out / ".nuclei" / "a.json").write_text(json.dumps(note), encoding="utf-8")
    [record] = segment_files([image], out, template).records
    assert "no run has noted" in record.error

"""Runs over folders whose channels lie in files of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei.core.folder.dry_run import look_ahead
from napari_unet_nuclei.core.folder.plan import plan_files
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings
from tests.helpers.channel_files import GUID, write_metaxpress

PLATE = ["plate", "well", "row", "column", "field"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_metaxpress(tmp_path / "in")


@pytest.fixture
def template(tiny_model_file: Path) -> RequestTemplate:
    return RequestTemplate(SegmentSettings().changed(channel="w1", diameter=20, device="cpu"), str(tiny_model_file))


def test_nuclei_of_one_channel_are_measured_in_all(folder, template, tmp_path, recording):
    progress = recording()
    report = segment_files([folder], tmp_path / "out", template, progress)
    assert [Path(record.image).name for record in report.records] == ["exp1_B02_s1", "exp1_B02_s2"]
    assert [record.channel for record in report.records] == ["w1", "w1"]
    first = pd.read_csv(tmp_path / "out" / "exp1_B02_s1_table.csv", dtype=str)
    assert list(first.columns[:6]) == [*PLATE, "label"]
    joint = pd.read_csv(tmp_path / "out" / "nuclei.csv", dtype=str)
    assert {"w1_mean", "w2_mean"} <= set(joint.columns)
    assert joint[PLATE].drop_duplicates().values.tolist() == [
        ["exp1", "B02", "B", "2", "1"],
        ["exp1", "B02", "B", "2", "2"],
    ]
    assert report.summary()[PLATE].values.tolist() == joint[PLATE].drop_duplicates().values.tolist()
    assert "4 files are 2 images of 2 channels (w1, w2)" in " ".join(progress.notices)
    assert read_image(tmp_path / "out" / "exp1_B02_s1_labels.tif").array.shape == (96, 96)
    with tifffile.TiffFile(tmp_path / "out" / "exp1_B02_s1_labels.tif") as labels:
        files = labels.shaped_metadata[0]["provenance"]["files"]
    assert files == [f"exp1_B02_s1_w{w}{GUID}.TIF" for w in (1, 2)]


def test_nuclei_are_those_of_an_image_in_one_file(folder, template, tmp_path):
    segment_files([folder], tmp_path / "out", template)
    planes = [read_image(folder / f"exp1_B02_s1_w{w}{GUID}.TIF").array for w in (1, 2)]
    joined = tmp_path / "one.ome.tif"
    tifffile.imwrite(joined, planes, metadata={"axes": "CYX", "Channel": {"Name": ["w1", "w2"]}})
    segment_files([joined], tmp_path / "out", template)
    one, split = (pd.read_csv(tmp_path / "out" / name) for name in ("one_table.csv", "exp1_B02_s1_table.csv"))
    pd.testing.assert_frame_equal(split.drop(columns=PLATE), one)


def test_what_is_done_is_not_done_again_unless_any_of_the_files_changed(folder, template, tmp_path):
    def statuses() -> list[str]:
        return [record.status for record in segment_files([folder], tmp_path / "out", template).records]

    assert statuses() == ["done", "done"]
    assert statuses() == ["skipped", "skipped"]
    changed = folder / f"exp1_B02_s2_w2{GUID}.TIF"
    tifffile.imwrite(changed, read_image(changed).array + 1)
    assert statuses() == ["skipped", "done"]


def test_large_images_are_done_block_by_block(folder, template, tmp_path, monkeypatch):
    from napari_unet_nuclei.core.folder import large_image

    monkeypatch.setattr(large_image, "LARGEST_WHOLE", 1000)
    report = segment_files([folder], tmp_path / "out", template)
    assert [record.error for record in report.records] == ["", ""]
    table = pd.read_csv(tmp_path / "out" / "exp1_B02_s2_table.csv", dtype=str)
    assert list(table.columns[:6]) == [*PLATE, "label"]
    assert "w2_mean" in table
    again = segment_files([folder], tmp_path / "out", template)
    assert [record.status for record in again.records] == ["skipped", "skipped"]
    assert list(pd.read_csv(tmp_path / "out" / "exp1_B02_s2_table.csv").columns) == list(table.columns)
    (seen, _) = look_ahead(plan_files([folder], tmp_path / "out"), template, BatchSettings(), Silent())
    assert seen.intention == "skip"


@pytest.mark.parametrize(("said", "meant"), [("1", "w1"), ("2", "w2"), ("0", "w1"), ("W2", "w2")])
def test_a_number_is_the_one_in_the_names(folder, template, tmp_path, said, meant):
    asked = replace(template, settings=template.settings.changed(channel=said))
    seen = look_ahead(plan_files([folder], tmp_path / "out"), asked, BatchSettings(), Silent())
    assert [one.channel for one in seen] == [meant, meant]


def test_a_missing_channel_is_told_and_a_number_still_means_the_same_channel(folder, template, tmp_path):
    (folder / f"exp1_B02_s2_w1{GUID}.TIF").unlink()
    by_number = replace(template, settings=template.settings.changed(channel="0"))
    good, bad = segment_files([folder], tmp_path / "out", by_number).records
    assert (good.channel, good.warnings) == ("w1", ())
    assert "no channel 'w1'" in bad.error
    (folder / f"exp1_B02_s1_w2{GUID}.TIF").unlink()
    lonely, _ = segment_files([folder], tmp_path / "other", template).records
    assert (lonely.channel, lonely.error) == ("w1", "")
    assert lonely.warnings == ("Missing, but there in other images: channel w2.",)


def test_the_dry_run_shows_the_files_of_each_image(folder, template, tmp_path, recording):
    plan = plan_files([folder], tmp_path / "out")
    seen = look_ahead(plan, template, BatchSettings(), recording())
    assert [(one.axes, one.channel, one.intention) for one in seen] == [("C 2 · Y 96 · X 96", "w1", "segment")] * 2
    assert [path.name for path in seen[0].split.files] == [f"exp1_B02_s1_w{w}{GUID}.TIF" for w in (1, 2)]
    assert (seen[0].place.well, seen[0].place.field, seen[0].split.parts) == ("B02", "1", "w1, w2")
    assert not (tmp_path / "out").exists()

"""Sets of files in a run: every image once, what is missing named, and a change in any file noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings
from tests.helpers.ome_sets import DrawnImage, positions, write_set
from tests.helpers.samples import fluorescent_nuclei

FIELDS = [fluorescent_nuclei(seed, (96, 96), 20.0, 5).image for seed in range(3)]


@pytest.fixture
def template(tiny_model_file: Path) -> RequestTemplate:
    return RequestTemplate(SegmentSettings(device="cpu").changed(diameter=20.0), str(tiny_model_file))


def test_a_stack_of_one_file_per_plane_is_done_once_and_again_when_a_file_changes(tmp_path, template) -> None:
    images = tmp_path / "in"
    images.mkdir()
    stack = DrawnImage(np.stack(FIELDS)[None, None], {(0, 0, z): (f"v_Z{z}.ome.tif", 0) for z in range(3)})
    write_set(images, [stack])
    report = segment_files([images], tmp_path / "out", template)
    assert [(Path(record.image).name, record.status) for record in report.records] == [("v_Z0.ome.tif", "done")]
    assert tifffile.imread(report.records[0].labels).shape == (3, 96, 96)
    # Named by itself, a file of the set stands for all of it.
    again = segment_files([images / "v_Z1.ome.tif"], tmp_path / "out", template)
    assert [record.status for record in again.records] == ["skipped"]
    write_set(images, [DrawnImage(stack.pixels[:, :, ::-1], stack.places)])
    changed = segment_files([images], tmp_path / "out", template)
    assert [record.status for record in changed.records] == ["done"]


def test_each_position_is_done_once_and_what_was_never_taken_is_in_the_summary(tmp_path, template) -> None:
    images = tmp_path / "in"
    images.mkdir()
    drawn = positions([np.stack([field, field]) for field in FIELDS[:2]])
    write_set(images, [drawn[0], DrawnImage(drawn[1].pixels, {(0, 0, 0): drawn[1].places[0, 0, 0]}, "Pos1")])
    report = segment_files([images], tmp_path / "out", template, batch=BatchSettings(labels="ome.tif"))
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert summary.status.tolist() == ["done", "done"]
    assert "1 of 2 planes was never taken or is lost, and left out: 1" in summary.message[1]
    assert [tifffile.imread(record.labels).shape for record in report.records] == [(2, 96, 96), (96, 96)]

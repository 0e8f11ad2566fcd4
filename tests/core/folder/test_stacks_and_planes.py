from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.folder.dry_run import look_ahead
from napari_unet_nuclei.core.folder.plan import plan_files
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.planes import NOT_A_STACK
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings
from tests.helpers.program import small_image

PLANE = small_image(side=64)
AXES = {"flat": "YX", "movie": "TYX", "stack": "ZYX"}


def write(folder: Path, *kinds: str) -> Path:
    for kind in kinds:
        frames = PLANE if kind == "flat" else np.stack([PLANE] * 3)
        tifffile.imwrite(folder / f"{kind}.tif", frames, imagej=True, metadata={"axes": AXES[kind]})
    return folder


@pytest.mark.parametrize("asked", [{"z_spacing": 2.0, "z_spacing_unit": "px"}, {"planes": "maximum"}])
def test_among_stacks_what_is_none_is_done_as_it_is_and_says_so(asked: dict[str, object], tmp_path: Path) -> None:
    write(tmp_path, *AXES)
    template = RequestTemplate(SegmentSettings().changed(diameter=24, **asked))
    report = segment_files([tmp_path], tmp_path / "out", template)
    told = {Path(record.image).stem: (record.error, NOT_A_STACK in record.notices) for record in report.records}
    assert told == {"flat": ("", True), "movie": ("", True), "stack": ("", False)}
    again = segment_files([tmp_path], tmp_path / "out", template)
    assert all(record.skipped for record in again.records)


def test_without_any_stack_what_is_asked_of_them_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "flat")
    template = RequestTemplate(SegmentSettings().changed(z_spacing=2.0))
    plan = plan_files([tmp_path], tmp_path / "out")
    [seen] = look_ahead(plan, template, BatchSettings(), Silent())
    [record] = segment_files([tmp_path], tmp_path / "out", template).records
    assert "no stack" in record.error
    assert (seen.intention, seen.message) == ("fail", record.error)

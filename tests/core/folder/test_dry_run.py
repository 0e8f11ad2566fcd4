from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.errors import UnknownModelError
from napari_unet_nuclei.core.folder.dry_run import look_ahead
from napari_unet_nuclei.core.folder.plan import plan_files
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings

BATCH = BatchSettings()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    tifffile.imwrite(folder / "plane.tif", np.zeros((64, 48), np.uint8))
    size = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
    tifffile.imwrite(folder / "stack.ome.tif", np.zeros((4, 2, 64, 48), np.uint16), metadata={"axes": "ZCYX", **size})
    (folder / "text.tif").write_text("no image")
    return folder


def look(given: Path, out: Path, template: RequestTemplate, progress, batch: BatchSettings = BATCH) -> dict:
    prospects = look_ahead(plan_files([given], out), template, batch, progress)
    return {Path(prospect.image).name: prospect for prospect in prospects}


def test_every_image_is_told_with_its_size_axes_and_what_will_become_of_it(folder, tmp_path, recording) -> None:
    progress = recording()
    template = RequestTemplate(SegmentSettings().changed(channel=1))
    seen = look(folder, tmp_path / "out", template, progress)
    stack = seen["stack.ome.tif"]
    assert (stack.axes, stack.dtype, stack.pixel_size) == ("Z 4 · C 2 · Y 64 · X 48", "uint16", "0.5 × 0.25")
    assert (stack.planes, stack.intention) == (4, "segment")
    assert stack.bytes == (folder / "stack.ome.tif").stat().st_size
    assert stack.labels == str(tmp_path / "out" / "stack_labels.tif")
    assert seen["plane.tif"].intention == seen["text.tif"].intention == "fail"
    assert "no channel 1" in seen["plane.tif"].message
    assert "cannot be read" in seen["text.tif"].message
    assert progress.fractions[-1] == 1
    assert not (tmp_path / "out").exists()


def test_planes_and_projections_are_counted_and_checked(folder, tmp_path, recording) -> None:
    settings = SegmentSettings().changed(channel=0)
    for template, planes in (
        (RequestTemplate(settings.changed(planes="maximum")), 1),
        (RequestTemplate(settings, plane={"Z": 2}), 1),
        (RequestTemplate(settings, axes="TCYX"), 4),
    ):
        assert look(folder / "stack.ome.tif", tmp_path, template, recording())["stack.ome.tif"].planes == planes
    for template in (
        RequestTemplate(settings, plane={"Z": 4}),
        RequestTemplate(settings.changed(planes="mean"), axes="TCYX"),
    ):
        assert look(folder / "stack.ome.tif", tmp_path, template, recording())["stack.ome.tif"].intention == "fail"


def test_several_channels_want_a_choice(folder, tmp_path, recording) -> None:
    seen = look(folder, tmp_path / "out", RequestTemplate(), recording())
    assert "Choose the one that shows the nuclei" in seen["stack.ome.tif"].message
    assert seen["plane.tif"].intention == "segment"


def test_what_is_done_would_be_skipped_unless_it_is_overwritten(folder, tmp_path, tiny_model_file, recording) -> None:
    template = RequestTemplate(SegmentSettings().changed(diameter=24.0), str(tiny_model_file))
    segment_files([folder / "plane.tif"], tmp_path / "out", template)
    for batch, intention in (
        (BATCH, "skip"),
        (BatchSettings(overwrite=True), "segment"),
        (BatchSettings(rois=True), "segment"),
    ):
        seen = look(folder / "plane.tif", tmp_path / "out", template, recording(), batch)
        assert seen["plane.tif"].intention == intention
    other = RequestTemplate(template.settings.changed(diameter=20.0), template.model)
    assert look(folder / "plane.tif", tmp_path / "out", other, recording())["plane.tif"].intention == "segment"


def test_files_that_would_be_overwritten_are_told(folder, tmp_path, recording) -> None:
    (tmp_path / "plane_labels.tif").write_bytes(b"mine")
    seen = look(folder / "plane.tif", tmp_path, RequestTemplate(), recording())
    assert "no run has noted" in seen["plane.tif"].message


def test_an_unknown_model_is_told_at_once(folder, tmp_path, recording) -> None:
    with pytest.raises(UnknownModelError):
        look(folder, tmp_path / "out", RequestTemplate(model="no-such-model"), recording())

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import roifile
import tifffile
import zarr

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.folder import large_image as slides
from napari_unet_nuclei.core.folder.dry_run import Prospect, look_ahead
from napari_unet_nuclei.core.folder.large_image import BlockSettings, planned_in_blocks, segment_in_blocks, takes_blocks
from napari_unet_nuclei.core.folder.one_image import Task
from napari_unet_nuclei.core.folder.plan import PlannedFile, plan_files
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.folder.summary import BatchReport
from napari_unet_nuclei.core.image.io import write
from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.labels.export.export import write_geojson
from napari_unet_nuclei.core.model.architecture import CLASS_HEADS, Architecture
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.file import Model, save_model
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.segment.volumes import nuclei as volumes
from napari_unet_nuclei.core.settings import BatchSettings
from tests.helpers.block_images import IMAGE, SETTINGS, write_image
from tests.helpers.block_stacks import TISSUE
from tests.helpers.joining import same_up_to_numbers
from tests.helpers.tiny import tiny_network

TEMPLATE = RequestTemplate(SETTINGS.changed(planes="each"))
SMALL_BLOCKS = BlockSettings(block=80)


def task_of(image: Path, out: Path, **wanted: bool) -> Task:
    (planned,) = plan_files([image], out).files
    return Task(planned_in_blocks(planned), TEMPLATE, BatchSettings(**wanted), "")


def planned(image: Path) -> PlannedFile:
    return PlannedFile(image, image.parent, image.stem)


def test_ome_zarr_and_large_planes_take_blocks(tmp_path, monkeypatch):
    store, picture = write_image(tmp_path / "i.ome.zarr", 2), tmp_path / "i.tif"
    tifffile.imwrite(picture, IMAGE)
    assert takes_blocks(planned(store), TEMPLATE, blocks=SMALL_BLOCKS)
    assert not takes_blocks(planned(store), TEMPLATE)
    assert not takes_blocks(planned(store), RequestTemplate(SETTINGS.changed(planes="maximum")), blocks=SMALL_BLOCKS)
    assert not takes_blocks(planned(picture), TEMPLATE)
    assert not takes_blocks(planned(tmp_path / "absent.tif"), TEMPLATE)
    monkeypatch.setattr(slides, "LARGEST_WHOLE", IMAGE.size - 1)
    assert takes_blocks(planned(picture), TEMPLATE)
    assert not takes_blocks(planned(picture), RequestTemplate(region=(0, 50, 0, 50)))


def test_stacks_that_fit_into_memory_are_volumes_and_larger_ones_take_blocks(tmp_path, monkeypatch):
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, np.stack([IMAGE] * 3), metadata={"axes": "ZYX"})
    monkeypatch.setattr(slides, "LARGEST_WHOLE", IMAGE.size - 1)
    automatic, volume = RequestTemplate(SETTINGS), RequestTemplate(SETTINGS.changed(planes="volume"))
    assert not takes_blocks(planned(stack), automatic)
    assert takes_blocks(planned(stack), TEMPLATE)
    # Of any size where blocks are asked for, by their side or by where their labels go.
    assert takes_blocks(planned(stack), automatic, blocks=SMALL_BLOCKS)
    assert not takes_blocks(planned(stack), automatic, blocks=BlockSettings(into_image=True))
    store = planned(write_image(tmp_path / "i.ome.zarr", 3, np.stack([IMAGE] * 3), "ZYX"))
    assert not takes_blocks(store, automatic)
    assert takes_blocks(store, automatic, blocks=BlockSettings(into_image=True))
    monkeypatch.setattr(slides, "LARGEST_STACK", 3 * IMAGE.size - 1)
    assert takes_blocks(planned(stack), automatic)
    assert takes_blocks(planned(stack), volume)
    # Planes are joined in memory: that they are too many is said there.
    assert not takes_blocks(planned(stack), RequestTemplate(SETTINGS.changed(planes="joined")))
    # Of a movie there is one volume in memory at a time.
    tifffile.imwrite(tmp_path / "movie.tif", np.zeros((4, 2, *IMAGE.shape), np.uint8), metadata={"axes": "TZYX"})
    assert not takes_blocks(planned(tmp_path / "movie.tif"), automatic)


def of_stacks(folder: Path, out: Path, **blocks: int) -> BatchReport:
    template = RequestTemplate(SETTINGS.changed(diameter=26.0, z_spacing=4.0, z_spacing_unit="px"))
    batch = BatchSettings(rois=True, overlay=True)
    return segment_files([folder], out, template, batch=batch, blocks=BlockSettings(**blocks))


def test_an_image_whose_labels_were_ome_zarr_on_request_is_still_segmented_whole(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[:64, :64])
    for labels in ("ome.zarr", "tif", "tif"):
        report = segment_files([tmp_path / "a.tif"], tmp_path / "out", TEMPLATE, batch=BatchSettings(labels=labels))
        assert [record.error for record in report.records] == [""]
        assert report.records[0].labels.endswith(labels)
    assert report.records[0].skipped


def test_stacks_in_a_folder_are_volumes_in_blocks_where_they_are_asked_for_or_too_large(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "stack.tif", TISSUE.image, metadata={"axes": "ZYX"})
    whole = of_stacks(tmp_path / "in", tmp_path / "whole").records[0]
    asked = of_stacks(tmp_path / "in", tmp_path / "asked", block=64).records[0]
    # Small nuclei make a volume of many cubes, which only the look at them tells.
    monkeypatch.setattr(volumes, "LARGEST", 1000)
    too_large = of_stacks(tmp_path / "in", tmp_path / "large").records[0]
    assert whole.labels.endswith("stack_labels.tif")
    for record in (asked, too_large):
        assert record.labels.endswith("stack_labels.ome.zarr")
        assert (record.counted, record.median_area_px) == (whole.counted, None)
        assert same_up_to_numbers(read_ome_zarr(Path(record.labels)).levels[0][...], tifffile.imread(whole.labels))
        assert len(pd.read_csv(record.table)) == whole.nuclei
        assert iio.imread(record.thumbnail).shape == (*TISSUE.image.shape[1:], 3)
        folder = Path(record.labels).parent
        assert len(roifile.roiread(folder / "stack_rois.zip")) == len(
            roifile.roiread(tmp_path / "whole" / "stack_rois.zip")
        )
    assert of_stacks(tmp_path / "in", tmp_path / "large").records[0].status == "skipped"
    assert of_stacks(tmp_path / "in", tmp_path / "asked", block=64).records[0].status == "skipped"


def test_models_for_classes_do_not(tmp_path):
    architecture = Architecture(base_width=4, depth=2, heads=CLASS_HEADS, classes=2)
    card = ModelCard(name="classes", task="semantic", classes=("cell", "gap"), architecture=architecture)
    save_model(tmp_path / "classes.safetensors", Model(card, tiny_network(architecture)))
    store = write_image(tmp_path / "i.ome.zarr", 2)
    assert not takes_blocks(
        planned(store), RequestTemplate(model=str(tmp_path / "classes.safetensors")), blocks=SMALL_BLOCKS
    )


@pytest.mark.parametrize("kind", ["store", "tiff"])
def test_an_image_has_labels_a_table_a_thumbnail_and_a_record(kind, tmp_path):
    if kind == "store":
        image = write_image(tmp_path / "cells.ome.zarr", 3)
    else:
        image = tmp_path / "cells.tif"
        tifffile.imwrite(image, np.stack([IMAGE] * 2), metadata={"axes": "ZYX"})
    task = task_of(image, tmp_path / "out")
    record = segment_in_blocks(task, SMALL_BLOCKS, Silent())
    assert Path(record.labels) == tmp_path / "out" / "cells_labels.ome.zarr"
    assert int(read_ome_zarr(Path(record.labels)).levels[0][:].max()) == record.nuclei > 10
    assert len(pd.read_csv(record.table)) == record.nuclei
    assert (record.median_area_um2 is not None) == (kind == "store")
    assert iio.imread(record.thumbnail).shape == (*IMAGE.shape, 3)
    assert record.status == "done"
    assert segment_in_blocks(task, SMALL_BLOCKS, Silent()).status == "skipped"


@pytest.mark.parametrize("kind", ["store", "tiff"])
def test_outlines_and_pictures_are_those_of_the_labels_and_can_be_asked_for_later(kind, tmp_path):
    if kind == "store":
        image = write_image(tmp_path / "cells.ome.zarr", 3)
    else:
        image = tmp_path / "cells.tif"
        tifffile.imwrite(image, np.stack([IMAGE] * 2), metadata={"axes": "ZYX"})
    segment_in_blocks(task_of(image, tmp_path / "out"), SMALL_BLOCKS, Silent())
    task = task_of(image, tmp_path / "out", rois=True, geojson=True, overlay=True)
    record = segment_in_blocks(task, SMALL_BLOCKS, Silent())
    assert record.status == "skipped"
    labels = read_ome_zarr(Path(record.labels))
    write_geojson(tmp_path / "same.geojson", labels.levels[0][...], axes=labels.letters)
    assert task.outputs["geojson"].read_text() == (tmp_path / "same.geojson").read_text()
    assert len(roifile.roiread(task.outputs["rois"])) == record.nuclei
    assert iio.imread(task.outputs["overlay"]).shape == (*IMAGE.shape, 3)


def test_of_a_stack_with_a_chosen_plane_that_one_is_shown(tmp_path):
    tifffile.imwrite(tmp_path / "cells.tif", np.stack([IMAGE, IMAGE // 2, IMAGE // 3]), metadata={"axes": "ZYX"})
    task = replace(task_of(tmp_path / "cells.tif", tmp_path / "out"), template=replace(TEMPLATE, plane={"Z": 0}))
    assert segment_in_blocks(task, SMALL_BLOCKS, Silent()).nuclei > 10
    picture = iio.imread(task.outputs["thumbnail"]).astype(int)
    assert (np.ptp(picture, axis=2) > 0).any(), "outlines are in colour"


def test_a_dry_run_tells_what_is_done_and_that_an_image_has_changed(tiny_model_file, tmp_path):
    image = write_image(tmp_path / "cells.ome.zarr", 3)
    template = RequestTemplate(SETTINGS.changed(diameter=22.0), str(tiny_model_file))

    def look() -> Prospect:
        [seen] = look_ahead(plan_files([image], tmp_path / "out"), template, BatchSettings(), Silent())
        return seen

    assert look().intention == "segment"
    [record] = segment_files([image], tmp_path / "out", template, blocks=SMALL_BLOCKS).records
    seen = look()
    assert (seen.intention, seen.labels) == ("skip", record.labels)
    assert seen.record is not None
    assert (seen.record.nuclei, seen.record.status) == (record.nuclei, "skipped")
    zarr.open_array(image / "0")[:50] = 0
    assert look().intention == "segment"


def test_what_belongs_to_no_labels_is_not_replaced(tmp_path):
    image = write_image(tmp_path / "cells.ome.zarr", 3)
    task = task_of(image, tmp_path / "out", rois=True)
    task.outputs["rois"].parent.mkdir()
    task.outputs["rois"].write_text("mine")
    with pytest.raises(OutputFileError, match=r"cells_rois\.zip exists already"):
        segment_in_blocks(task, SMALL_BLOCKS, Silent())
    assert task.outputs["rois"].read_text() == "mine"
    segment_in_blocks(task_of(image, tmp_path / "out", rois=True, overwrite=True), SMALL_BLOCKS, Silent())
    assert len(roifile.roiread(task.outputs["rois"])) > 10


def test_outlines_never_outlive_their_labels(tmp_path, monkeypatch):
    image = write_image(tmp_path / "cells.ome.zarr", 3)
    first = segment_in_blocks(task_of(image, tmp_path / "out", rois=True), SMALL_BLOCKS, Silent())
    fewer = replace(TEMPLATE, settings=SETTINGS.changed(min_size=300))
    anew = replace(task_of(image, tmp_path / "out", rois=True, overwrite=True), template=fewer)
    with monkeypatch.context() as injected:
        injected.setattr(slides, "_write_output", lambda *_: 1 / 0)  # a kill when the labels are done
        with pytest.raises(ZeroDivisionError):
            segment_in_blocks(anew, SMALL_BLOCKS, Silent())
    again = replace(anew, batch=BatchSettings(rois=True))
    record = segment_in_blocks(again, SMALL_BLOCKS, Silent())
    assert record.status == "skipped"
    assert 0 < record.nuclei < first.nuclei
    assert len(roifile.roiread(again.outputs["rois"])) == record.nuclei


@pytest.mark.parametrize("rows", [0, 5])
def test_parquet_holds_the_numbers_of_the_table_however_many_pieces_it_takes(rows, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    table = pd.DataFrame({"label": range(rows), "area": [0.1 + row for row in range(rows)]})
    table.to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.setattr(write, "PARQUET_ROWS", 2)
    write.write_parquet(tmp_path / "t.parquet", tmp_path / "t.csv")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table, check_dtype=rows > 0)

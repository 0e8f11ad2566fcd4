"""Stacks that are segmented block by block in three dimensions, from the image to labels and table on disk."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import zarr

from napari_unet_nuclei.core.blocks import volume as volume_plan
from napari_unet_nuclei.core.blocks import worker as block_work
from napari_unet_nuclei.core.blocks.segment import segment_blockwise
from napari_unet_nuclei.core.errors import OutputFileError, SettingsError
from napari_unet_nuclei.core.executors.executors import Threads
from napari_unet_nuclei.core.image import sample
from napari_unet_nuclei.core.image.io import ome_zarr_labels
from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.labels import decode_volume
from napari_unet_nuclei.core.labels.decode_volume import VolumeMaps
from napari_unet_nuclei.core.progress import Cancelled, Silent
from napari_unet_nuclei.core.segment import fingerprint
from napari_unet_nuclei.core.segment.run import run_segment
from napari_unet_nuclei.core.segment.table import measure_result
from tests.helpers.block_images import labels_of, request
from tests.helpers.block_stacks import BLOCK, GIVEN, TISSUE, request_of_stack, write_stack
from tests.helpers.joining import same_up_to_numbers, whole_numbers
from tests.helpers.killed_blocks import run_until_killed
from tests.helpers.recording import RecordingProgress


def rows_by_place(table: pd.DataFrame) -> pd.DataFrame:
    places = [name for name in ("t", "centroid_z", "centroid_y", "centroid_x") if name in table]
    return table.drop(columns="label").sort_values(places, ignore_index=True)


def messages(progress: RecordingProgress) -> list[str]:
    return [event.message for event in progress.events]


def equal_tables(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    assert list(ours.columns) == list(theirs.columns)
    pd.testing.assert_frame_equal(rows_by_place(ours), rows_by_place(theirs), check_dtype=False)


@pytest.mark.parametrize("executor", [None, Threads(2)])
def test_labels_and_table_are_those_of_the_stack_in_one_piece(executor, tmp_path):
    asked, progress = request(TISSUE.image, "ZYX", **GIVEN), RecordingProgress()
    out, table = tmp_path / "l.ome.zarr", tmp_path / "table.csv"
    result = segment_blockwise(asked, out, progress, block=BLOCK, table=table, executor=executor)
    whole = run_segment(asked, Silent())
    labels = labels_of(out)
    assert labels.dtype == np.int32
    assert whole_numbers(labels)
    assert same_up_to_numbers(labels, whole.labels)
    assert (result.count, result.count_text) == (whole.count, whole.count_text)
    assert (result.planes, result.median_area) == ("volume", None)
    assert result.provenance["z_spacing"] == whole.provenance["z_spacing"]
    assert result.thresholds == whole.thresholds
    ours = pd.read_csv(table)
    assert ours["label"].tolist() == list(range(1, result.count + 1))
    equal_tables(ours, measure_result(whole, asked))
    assert zarr.open_array(out / "0").chunks == (10, BLOCK, BLOCK)
    assert [axis.scale for axis in read_ome_zarr(out).axes] == [1.0, 0.25, 0.25]
    assert progress.fractions[-1] == 1
    assert any("block 8 of 8" in message for message in messages(progress))
    assert [path.name for path in tmp_path.glob("*l.ome*")] == ["l.ome.zarr"]


def test_every_time_point_is_a_volume_and_a_region_lies_where_it_is_in_the_image(tmp_path):
    film = np.stack([TISSUE.image, TISSUE.image[:, ::-1]], axis=1)
    film[:, 1, :, :20] = film.min()
    region = (3, 62, 9, 57)
    asked = request(film, "ZTYX", region=region, planes="volume", z_spacing=4.0, z_spacing_unit="px", diameter=26.0)
    out, table = tmp_path / "l.ome.zarr", tmp_path / "table.csv"
    result = segment_blockwise(asked, out, Silent(), block=32, table=table)
    whole = run_segment(asked, Silent())
    labels = labels_of(out)
    assert read_ome_zarr(out).letters == "TZYX"
    assert same_up_to_numbers(labels[:, :, 3:62, 9:57], whole.labels.swapaxes(0, 1))
    labels[:, :, 3:62, 9:57] = 0
    assert not labels.any()
    assert result.count_text == whole.count_text
    equal_tables(pd.read_csv(table), measure_result(whole, asked))


def test_what_is_no_picture_holds_no_nuclei(tmp_path):
    image = TISSUE.image.astype(np.float32)
    image[:, :, :30] = np.nan
    asked = request(image, "ZYX", **GIVEN)
    segment_blockwise(asked, tmp_path / "l.ome.zarr", Silent(), block=BLOCK)
    labels = labels_of(tmp_path / "l.ome.zarr")
    assert same_up_to_numbers(labels, run_segment(asked, Silent()).labels)
    assert labels.any()
    assert not labels[:, :, :29].any()


def test_what_is_guessed_is_said_of_labels_that_are_done_already_too(tmp_path):
    asked = request(TISSUE.image, "ZYX", diameter=26.0)
    result = segment_blockwise(asked, tmp_path / "l.ome.zarr", Silent(), block=48)
    whole = run_segment(asked, Silent())
    assert result.provenance["z_spacing"] == whole.provenance["z_spacing"]
    # Joining plane by plane, which is proposed in memory, needs all planes at once.
    assert [one.settings for one in result.remedies] == [{"planes": "each"}]
    assert len(result.notices) == len(whole.notices)
    again = segment_blockwise(asked, tmp_path / "l.ome.zarr", Silent(), block=48)
    assert (again.done_before, again.remedies) == (True, result.remedies)


def test_the_pyramid_is_halved_along_long_axes_and_opens_lazily(tmp_path, monkeypatch):
    from napari_ome_zarr._reader import napari_get_reader

    monkeypatch.setattr(ome_zarr_labels, "SMALLEST_VOLUME", 16)
    segment_blockwise(request(TISSUE.image, "ZYX", **GIVEN), tmp_path / "l.ome.zarr", Silent(), block=BLOCK)
    levels = read_ome_zarr(tmp_path / "l.ome.zarr").levels
    assert [level.shape for level in levels] == [(10, 64, 60), (10, 32, 30), (10, 16, 15)]
    for one, other in itertools.pairwise(levels):
        assert other[:].any()
        assert np.array_equal(one[:][:, ::2, ::2], other[:])
    (data, metadata, kind), *_ = napari_get_reader(str(tmp_path / "l.ome.zarr"))("")
    assert (kind, metadata["scale"]) == ("labels", [1.0, 0.25, 0.25])
    assert [level.shape for level in data] == [level.shape for level in levels]
    assert not any(isinstance(level, np.ndarray) for level in data), "read piece by piece"


def test_an_image_without_nuclei_has_a_table_without_rows(tmp_path):
    asked = request(np.zeros((4, 30, 30), np.uint8), "ZYX", diameter=22.0, z_spacing=2.0, z_spacing_unit="px")
    result = segment_blockwise(asked, tmp_path / "l.ome.zarr", Silent(), table=tmp_path / "table.csv")
    table = pd.read_csv(tmp_path / "table.csv")
    assert (result.count, len(table)) == (0, 0)
    assert "volume_um3" in table


def test_nuclei_joined_plane_by_plane_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(SettingsError, match="planes volume"):
        segment_blockwise(request(TISSUE.image, "ZYX", planes="joined"), tmp_path / "l.ome.zarr", Silent())
    assert not list(tmp_path.iterdir())


def test_what_is_done_is_not_done_again_and_other_work_is_done_anew(tmp_path, monkeypatch):
    out, table = tmp_path / "l.ome.zarr", tmp_path / "t.csv"
    asked = request(TISSUE.image, "ZYX", **GIVEN)
    with pytest.raises(Cancelled):
        segment_blockwise(asked, out, RecordingProgress(cancel_after=60), block=BLOCK)
    assert not out.exists()
    done = len(list(tmp_path.glob(".*/tables/maps-0/*.npz")))
    assert 0 < done < 8
    predicted, predict = [], block_work.predict_volume
    monkeypatch.setattr(
        block_work, "predict_volume", lambda *given, **part: (predicted.append(part), predict(*given, **part))[1]
    )
    segment_blockwise(asked, out, Silent(), block=BLOCK, table=table)
    assert len(predicted) == 8 - done
    assert segment_blockwise(asked, out, Silent(), block=BLOCK, table=table).done_before
    assert len(predicted) == 8 - done
    for changed in ({"diameter": 20.0}, {"z_spacing": 3.0, "z_spacing_unit": "px"}, {"planes": "each"}):
        other = replace(asked, settings=asked.settings.changed(**changed))
        with pytest.raises(OutputFileError, match="another image"):
            segment_blockwise(other, out, Silent(), block=BLOCK)


def test_a_killed_run_is_gone_on_with_and_gives_the_same(tmp_path):
    image, out = write_stack(tmp_path / "i.ome.zarr"), tmp_path / "l.ome.zarr"
    run_until_killed("stack", image, out, "writing block 4")
    assert not out.exists()
    progress = RecordingProgress()
    segment_blockwise(request_of_stack(image), out, progress, block=BLOCK)
    assert any("Going on" in notice for notice in progress.notices)
    assert not any("block 1 of 8" in message and "plane" in message for message in messages(progress))
    assert same_up_to_numbers(labels_of(out), run_segment(request_of_stack(image), Silent()).labels)


class Watched:
    """A large stack that exists only where it is looked at, and remembers the largest look at a plane."""

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.largest = 0

    def __getitem__(self, key: tuple[int | slice, ...]) -> np.ndarray:
        z, *rest = key
        rows, columns = (np.arange(*one.indices(size)) for one, size in zip(rest, self.shape[1:], strict=True))
        self.largest = max(self.largest, rows.size * columns.size)
        return ((rows[:, None] % 16 < 8) & (columns % 16 < 8) & (z % 8 < 4)).astype(np.uint8) * 200


def test_memory_does_not_grow_with_the_volume(tmp_path, monkeypatch, tiny_model_file):
    def bright_is_nucleus(readers, spacing, diameter, unit, runner, progress, *, box, lock):
        z0, z1, *region = box
        mask = np.stack([reader.read(tuple(region))[0] > 0.5 for reader in readers[z0:z1]])
        return VolumeMaps(np.where(mask, np.uint8(255), np.uint8(0)), np.zeros(mask.shape, np.uint8), mask.shape)

    monkeypatch.setattr(block_work, "predict_volume", bright_is_nucleus)
    monkeypatch.setattr(sample, "SAMPLE_PIXELS", 2**10)
    monkeypatch.setattr(volume_plan, "SAMPLE", 32)
    monkeypatch.setattr(fingerprint, "CACHED_PIXELS", 0)
    # A block sees less far than it has voxels, so that a small volume has blocks that see only a part of it.
    monkeypatch.setattr(decode_volume, "CAP", 4)
    peaks = []
    for shape in ((16, 48, 48), (16, 64, 64)):
        image = Watched(shape)
        asked = request(
            image, "ZYX", model=str(tiny_model_file), diameter=18.0, kind="fluorescence", z_spacing=1.0,
            z_spacing_unit="px", split=0.1, min_size=1, score=0.1,
        )  # fmt: skip
        gc.collect()
        gc.freeze()  # what was there before is not looked at again and again
        tracemalloc.start()
        out, table = tmp_path / f"{shape[1]}.zarr", tmp_path / f"{shape[1]}.csv"
        result = segment_blockwise(asked, out, Silent(), block=16, table=table)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert result.count == 2 * (shape[1] // 16) ** 2
        assert image.largest <= max(16**2, 4 * shape[2]), "no look is larger than a block, or rows of a sample"
    assert peaks[1] < 1.2 * peaks[0]

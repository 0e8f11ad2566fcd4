from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.batch import block_planner, block_work
from napari_unet_nuclei.core.batch.blockwise import segment_blockwise
from napari_unet_nuclei.core.batch.executors import Threads
from napari_unet_nuclei.core.batch.result_table import measure_result
from napari_unet_nuclei.core.errors import ClusterError, ImageShapeError, OutputFileError
from napari_unet_nuclei.core.image import ome_zarr_labels, plane
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.image.ome_zarr_labels import read_provenance
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.synthetic import fluorescent_nuclei
from napari_unet_nuclei.core.progress import Cancelled, Silent
from napari_unet_nuclei.core.segment import provenance
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.run import run_segment
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.properties.test_blocks import same_up_to_numbers, whole_numbers
from tests.recording import RecordingProgress

IMAGE = fluorescent_nuclei(shape=(170, 220), diameter=22, count=26).image
SETTINGS = SegmentSettings(device="cpu")
BLOCK = 80


@pytest.fixture(autouse=True)
def _small_halo(monkeypatch):
    monkeypatch.setattr(block_planner, "SMALLEST_HALO", 64)
    monkeypatch.setattr(block_planner, "HALO_DIAMETERS", 3)


def request(image: np.ndarray = IMAGE, axes: str = "YX", **given: object) -> SegmentRequest:
    settings = SETTINGS.changed(
        **{name: given.pop(name) for name in list(given) if name in SegmentSettings.model_fields}
    )
    return SegmentRequest(ImageSource(image, axes), settings, **given)


def labels_of(folder: Path, level: int = 0) -> np.ndarray:
    return zarr.open_array(folder / str(level), mode="r")[:]


def write_image(folder: Path, zarr_format: int, pixels: np.ndarray = IMAGE) -> Path:
    group = zarr.create_group(folder, zarr_format=zarr_format)
    group.create_array("0", data=pixels)
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    scale = [{"type": "scale", "scale": [0.3, 0.3]}]
    described = {"multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]}
    group.attrs.update({"ome": {"version": "0.5", **described}} if zarr_format == 3 else described)
    return folder


def request_of(path: Path, **given: object) -> SegmentRequest:
    image = read_ome_zarr(path)
    return replace(request(image.levels[0], image.letters, **given), file=str(path), pixel_size=image.pixel_size)


@pytest.mark.parametrize(("block", "executor"), [(BLOCK, None), (128, Threads(2)), (4000, None)])
def test_labels_are_those_of_the_image_in_one_piece(block, executor, tmp_path):
    progress = RecordingProgress()
    result = segment_blockwise(request(), tmp_path / "l.ome.zarr", progress, block=block, executor=executor)
    whole = segment(IMAGE, device="cpu")
    labels = labels_of(result.path)
    assert labels.dtype == np.int32
    assert whole_numbers(labels)
    assert same_up_to_numbers(labels, whole.labels)
    assert result.count == whole.count > 10
    assert result.diameter == pytest.approx(whole.diameter, abs=0.01)
    assert result.provenance["model_hash"] == whole.provenance["model_hash"]
    assert progress.fractions[-1] == 1
    assert [path.name for path in tmp_path.glob("*l.ome*")] == ["l.ome.zarr"]


def test_stacks_are_segmented_plane_by_plane_in_the_order_of_the_format(tmp_path):
    planes = np.stack([IMAGE, IMAGE[::-1], np.full_like(IMAGE, 100), IMAGE[:, ::-1]]).reshape(2, 2, *IMAGE.shape)
    asked = request(planes, "ZTYX", diameter=22.0, pixel_size=PixelSize(0.3, 0.3, 2.0))
    result = segment_blockwise(asked, tmp_path / "l.ome.zarr", Silent(), block=BLOCK)
    labels = labels_of(result.path)
    whole = segment(planes, axes="ZTYX", diameter=22.0, device="cpu").labels
    assert same_up_to_numbers(labels, whole.swapaxes(0, 1))
    assert whole_numbers(labels)
    image = read_ome_zarr(result.path)
    assert image.letters == "TZYX"
    assert [axis.scale for axis in image.axes] == [1.0, 2.0, 0.3, 0.3]


def test_a_part_of_an_image_lies_where_it_is_in_the_image(tmp_path):
    planes = np.stack([np.zeros_like(IMAGE), IMAGE])
    region = (33, 165, 57, 210)
    asked = request(planes, "ZYX", plane=(1,), region=region)
    result = segment_blockwise(asked, tmp_path / "l.ome.zarr", Silent(), block=BLOCK)
    labels = labels_of(result.path)
    part = segment(planes, axes="ZYX", plane=(1,), region=region, device="cpu").labels
    assert labels.shape == planes.shape
    assert same_up_to_numbers(labels[1, 33:165, 57:210], part[0])
    labels[1, 33:165, 57:210] = 0
    assert not labels.any()


def rows_by_place(table: pd.DataFrame) -> pd.DataFrame:
    places = [name for name in ("z", "t", "centroid_y", "centroid_x") if name in table]
    return table.drop(columns="label").sort_values(places, ignore_index=True)


@pytest.mark.parametrize("axes", ["YX", "ZTCYX"])
def test_the_table_is_that_of_the_image_in_one_piece(axes, tmp_path):
    image, given = IMAGE, {}
    if axes != "YX":
        image = np.stack([IMAGE, IMAGE[::-1], IMAGE[:, ::-1], IMAGE // 2]).reshape(2, 1, 2, *IMAGE.shape)
        given = {"channel": 1}
    asked = request(image, axes, diameter=22.0, pixel_size=PixelSize(0.5, 0.5), **given)
    table = tmp_path / "table.csv"
    result = segment_blockwise(asked, tmp_path / "l.ome.zarr", Silent(), block=BLOCK, table=table)
    ours, theirs = pd.read_csv(table), measure_result(run_segment(asked, Silent()), asked).drop(columns="confidence")
    assert ours["label"].tolist() == list(range(1, result.count + 1))
    assert result.median_area == ours["area_px"].median()
    assert list(ours.columns) == list(theirs.columns)
    pd.testing.assert_frame_equal(rows_by_place(ours), rows_by_place(theirs), check_dtype=False)
    labels = labels_of(result.path).reshape(-1, *IMAGE.shape)
    assert np.array_equal(ours["area_px"], np.bincount(labels.ravel())[1:])


def test_an_image_without_nuclei_has_a_table_without_rows(tmp_path):
    asked = request(np.zeros((100, 90), np.uint8), diameter=22.0)
    result = segment_blockwise(asked, tmp_path / "l.ome.zarr", Silent(), block=BLOCK, table=tmp_path / "table.csv")
    assert (result.count, result.median_area, len(pd.read_csv(tmp_path / "table.csv"))) == (0, None, 0)


def test_every_level_of_the_pyramid_has_every_second_pixel(tmp_path, monkeypatch):
    monkeypatch.setattr(ome_zarr_labels, "SMALLEST_LEVEL", 80)
    result = segment_blockwise(request(region=(20, 170, 70, 220)), tmp_path / "l.ome.zarr", Silent(), block=64)
    assert [level.shape for level in read_ome_zarr(result.path).levels] == [(170, 220), (85, 110), (43, 55)]
    for level in (1, 2):
        assert labels_of(result.path, level).any()
        assert np.array_equal(labels_of(result.path, level), labels_of(result.path, level - 1)[::2, ::2])


@pytest.mark.parametrize("cancel_after", [1, 12, 45])
def test_a_cancelled_run_leaves_no_labels_and_is_gone_on_with(cancel_after, tmp_path, monkeypatch):
    out = tmp_path / "out" / "l.ome.zarr"
    with pytest.raises(Cancelled):
        segment_blockwise(request(), out, RecordingProgress(cancel_after=cancel_after), block=BLOCK)
    assert not out.exists()
    done = len(list(out.parent.glob(".*/tables/maps-0/*.npz")))
    predicted = []
    predict = block_work.predict_region
    monkeypatch.setattr(block_work, "predict_region", lambda *given: (predicted.append(given), predict(*given))[1])
    result = segment_blockwise(request(), out, Silent(), block=BLOCK)
    assert len(predicted) == 9 - done
    assert same_up_to_numbers(labels_of(result.path), segment(IMAGE, device="cpu").labels)
    assert [path.name for path in out.parent.iterdir()] == ["l.ome.zarr"]


def test_nothing_is_taken_over_from_other_work(tmp_path):
    out = tmp_path / "l.ome.zarr"
    with pytest.raises(Cancelled):
        segment_blockwise(request(), out, RecordingProgress(cancel_after=25), block=BLOCK)
    result = segment_blockwise(request(IMAGE[::-1], diameter=20.0), out, Silent(), block=BLOCK)
    assert same_up_to_numbers(labels_of(result.path), segment(IMAGE[::-1], diameter=20.0, device="cpu").labels)


def test_work_that_is_done_is_not_done_again_and_other_work_is_not_replaced(tmp_path, monkeypatch):
    out = tmp_path / "l.ome.zarr"
    first = segment_blockwise(request(), out, Silent(), block=BLOCK)
    with monkeypatch.context() as patch:
        patch.setattr(block_work, "predict_region", lambda *given: pytest.fail("done again"))
        again = segment_blockwise(request(), out, Silent(), block=BLOCK)
    assert again.done_before
    assert not first.done_before
    assert (again.count, again.path, again.provenance) == (first.count, first.path, first.provenance)
    with pytest.raises(OutputFileError, match="another image"):
        segment_blockwise(request(min_size=400), out, Silent(), block=BLOCK)
    assert read_provenance(out) == first.provenance
    replaced = segment_blockwise(request(min_size=400), out, Silent(), block=BLOCK, overwrite=True)
    assert replaced.count < first.count


def test_two_runs_never_make_the_same_labels_at_once(tmp_path):
    image, out = write_image(tmp_path / "i.ome.zarr", 3), tmp_path / "l.ome.zarr"

    class Second:
        finish_requested = False
        refused = ""

        def report(self, event):
            if "tile" in getattr(event, "message", "") and not self.refused:
                with pytest.raises(OutputFileError) as caught:
                    segment_blockwise(request_of(image), out, Silent(), block=BLOCK)
                self.refused = str(caught.value)

    second = Second()
    segment_blockwise(request_of(image), out, second, block=BLOCK)
    assert "Another run is writing" in second.refused
    assert sorted(path.name for path in tmp_path.glob("*l.ome.zarr*")) == ["l.ome.zarr"]


def test_what_is_not_of_this_program_is_never_replaced(tmp_path):
    out = write_image(tmp_path / "theirs.ome.zarr", 3)
    with pytest.raises(OutputFileError, match="not of this program"):
        segment_blockwise(request(), out, Silent(), block=BLOCK, overwrite=True)
    assert np.array_equal(read_ome_zarr(out).levels[0][:], IMAGE)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ome_zarr_images_are_left_alone_and_their_axes_kept(zarr_format, tmp_path):
    image = write_image(tmp_path / "image.ome.zarr", zarr_format)
    before = contents(image)
    result = segment_blockwise(request_of(image), tmp_path / "l.ome.zarr", Silent(), block=BLOCK)
    assert contents(image) == before
    assert read_ome_zarr(result.path).axes == read_ome_zarr(image).axes
    attributes = zarr.open_group(result.path, mode="r").attrs["ome"]
    assert attributes["image-label"]["source"]["image"] == "../image.ome.zarr"


def test_labels_in_the_image_are_shown_with_it(tmp_path):
    from napari_ome_zarr._reader import napari_get_reader

    image = write_image(tmp_path / "image.ome.zarr", 3)
    before = contents(image)
    for _ in range(2):
        result = segment_blockwise(request_of(image), tmp_path / "unused.zarr", Silent(), block=BLOCK, into_image=True)
    assert result.path == image / "labels" / "nuclei"
    after = contents(image)
    assert {name: after[name] for name in before} == before
    layers = napari_get_reader(str(image))("")
    assert [kind for _, _, kind in layers] == ["image", "labels"]
    assert layers[0][1]["scale"] == layers[1][1]["scale"] == [0.3, 0.3]
    assert int(np.max(layers[1][0][0])) == result.count
    assert [path.name for path in tmp_path.glob("*zarr*")] == ["image.ome.zarr"]


@pytest.mark.parametrize(
    ("zarr_format", "message"), [(2, r"NGFF 0\.4"), (None, "Only OME-Zarr")], ids=["older version", "no store"]
)
def test_labels_do_not_go_into_other_images(zarr_format, message, tmp_path):
    asked = request() if zarr_format is None else request_of(write_image(tmp_path / "i.zarr", zarr_format))
    with pytest.raises(OutputFileError, match=message):
        segment_blockwise(asked, tmp_path / "l.zarr", Silent(), into_image=True)


def test_what_cannot_be_done_is_said_before_anything_is_written(tmp_path, elsewhere):
    image = write_image(tmp_path / "i.ome.zarr", 3)
    with pytest.raises(OutputFileError, match=r"ome\.zarr"):
        segment_blockwise(request(), tmp_path / "l.tif", Silent())
    with pytest.raises(OutputFileError, match="lies in the image"):
        segment_blockwise(request_of(image), image / "l.zarr", Silent())
    with pytest.raises(ImageShapeError, match="no pixels"):
        segment_blockwise(request(region=(5, 5, 0, 10)), tmp_path / "l.zarr", Silent())
    with pytest.raises(ClusterError, match="save it"):
        segment_blockwise(request(), tmp_path / "l.zarr", Silent(), executor=elsewhere)
    assert [path.name for path in tmp_path.glob("*zarr*")] == ["i.ome.zarr"]


@pytest.fixture
def elsewhere() -> Threads:
    class Elsewhere(Threads):
        elsewhere = True

    return Elsewhere()


class Watched:
    """A large image that exists only where it is looked at, and remembers the largest look."""

    dtype = np.dtype(np.uint8)
    ndim = 2

    def __init__(self, side: int) -> None:
        self.shape = (side, side)
        self.largest = 0

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        rows, columns = (np.arange(*one.indices(size)) for one, size in zip(key, self.shape, strict=True))
        self.largest = max(self.largest, rows.size * columns.size)
        return ((rows[:, None] % 32 < 16) & (columns % 32 < 16)).astype(np.uint8) * 200


class Tidying:
    """Frees at every report what Python frees when it comes to it, so that only what is in use counts."""

    finish_requested = False

    def report(self, event):
        gc.collect()


def test_memory_does_not_grow_with_the_image(tmp_path, monkeypatch, tiny_model_file):
    def bright_is_nucleus(reader, scale, runner, region, turn, progress):
        mask = 255 * (reader.read(region)[0] > 0.5).astype(np.uint8)
        return np.stack([mask, 0 * mask, mask])

    monkeypatch.setattr(block_work, "predict_region", bright_is_nucleus)
    monkeypatch.setattr(plane, "SAMPLE_PIXELS", 2**13)
    monkeypatch.setattr(provenance, "CACHED_PIXELS", 0)
    peaks = []
    for side in (768, 1536):  # both have blocks with a halo on all sides
        image = Watched(side)
        asked = request(image, "YX", model=str(tiny_model_file), diameter=22.0)
        gc.collect()
        gc.freeze()  # what was there before is not looked at again and again
        tracemalloc.start()
        result = segment_blockwise(asked, tmp_path / f"{side}.zarr", Tidying(), block=256)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert result.count == (side // 32) ** 2
        assert image.largest <= 256**2
    assert peaks[1] < 1.2 * peaks[0]


CHILD = """
import sys
from pathlib import Path
from napari_unet_nuclei.core.batch import block_planner
from napari_unet_nuclei.core.batch.blockwise import segment_blockwise
from tests.core.batch.test_blockwise import BLOCK, request_of

class Telling:
    finish_requested = False
    def report(self, event):
        print(event, flush=True)
        if sys.argv[3] in str(event):
            sys.stdin.read()  # until it is killed

block_planner.SMALLEST_HALO, block_planner.HALO_DIAMETERS = 64, 3
segment_blockwise(request_of(Path(sys.argv[1])), Path(sys.argv[2]), Telling(), block=BLOCK)
"""


@pytest.mark.parametrize("word", ["block 5", "writing block 4"])
def test_a_killed_run_is_gone_on_with_and_gives_the_same(word, tmp_path):
    image, out = write_image(tmp_path / "i.ome.zarr", 3), tmp_path / "l.ome.zarr"
    command, pipe = [sys.executable, "-c", CHILD, str(image), str(out), word], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout is not None
        assert any(word in line for line in child.stdout), "the run ended before it could be killed"
        child.kill()
    assert not out.exists()
    progress = RecordingProgress()
    segment_blockwise(request_of(image), out, progress, block=BLOCK)
    assert any("Going on" in notice for notice in progress.notices)
    assert not any("block 1 of 9, tile" in getattr(event, "message", "") for event in progress.events)
    segment_blockwise(request_of(image), tmp_path / "fresh.ome.zarr", Silent(), block=BLOCK)
    assert np.array_equal(labels_of(out), labels_of(tmp_path / "fresh.ome.zarr"))

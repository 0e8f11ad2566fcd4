from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.blocks import worker as block_work
from napari_unet_nuclei.core.blocks.segment import segment_blockwise
from napari_unet_nuclei.core.errors import ClusterError, ImageShapeError, OutputFileError
from napari_unet_nuclei.core.executors.executors import Threads
from napari_unet_nuclei.core.image import sample
from napari_unet_nuclei.core.image.io import ome_zarr_labels
from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.model.card import Thresholds
from napari_unet_nuclei.core.model.file import Model, save_model
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment import fingerprint
from napari_unet_nuclei.core.segment.predict import Prediction
from napari_unet_nuclei.core.segment.run import run_segment
from napari_unet_nuclei.core.segment.size import NO_NUCLEI
from napari_unet_nuclei.core.segment.table import measure_result
from tests.helpers.block_images import BLOCK, IMAGE, labels_of, request, request_of, write_image
from tests.helpers.joining import same_up_to_numbers, whole_numbers
from tests.helpers.recording import RecordingProgress

pytestmark = pytest.mark.usefixtures("small_halo")


def test_a_fine_tuned_model_finds_the_same_in_blocks_by_what_it_learnt_of_the_kind_of_image(tmp_path, bundled_model):
    card = bundled_model.card.fitted("brightfield", thresholds=Thresholds(foreground=0.7, split=0.3), taught=(19.0,))
    path = tmp_path / "ours.safetensors"
    save_model(path, Model(card, bundled_model.network))
    bright = IMAGE.max() - IMAGE
    result = segment_blockwise(request(bright, model=str(path)), tmp_path / "l.ome.zarr", Silent(), block=BLOCK)
    whole = segment(bright, str(path), device="cpu")
    assert result.thresholds == whole.thresholds
    assert same_up_to_numbers(labels_of(result.path), whole.labels)


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
    asked = request(planes, "ZTYX", planes="each", diameter=22.0, pixel_size=PixelSize(0.3, 0.3, 2.0))
    result = segment_blockwise(asked, tmp_path / "l.ome.zarr", Silent(), block=BLOCK)
    labels = labels_of(result.path)
    whole = segment(planes, axes="ZTYX", planes="each", diameter=22.0, device="cpu").labels
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
    asked = request(image, axes, planes="each", diameter=22.0, pixel_size=PixelSize(0.5, 0.5), **given)
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
    left = tmp_path / ".table-0123abcd.part.csv"  # by a run that was killed
    left.touch()
    result = segment_blockwise(asked, tmp_path / "l.ome.zarr", Silent(), block=BLOCK, table=tmp_path / "table.csv")
    assert (result.count, result.median_area, len(pd.read_csv(tmp_path / "table.csv"))) == (0, None, 0)
    assert not left.exists()


def test_every_level_of_the_pyramid_has_every_second_pixel(tmp_path, monkeypatch):
    monkeypatch.setattr(ome_zarr_labels, "SMALLEST_LEVEL", 80)
    result = segment_blockwise(request(region=(20, 170, 70, 220)), tmp_path / "l.ome.zarr", Silent(), block=64)
    assert [level.shape for level in read_ome_zarr(result.path).levels] == [(170, 220), (85, 110), (43, 55)]
    for level in (1, 2):
        assert labels_of(result.path, level).any()
        assert np.array_equal(labels_of(result.path, level), labels_of(result.path, level - 1)[::2, ::2])


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
    def bright_is_nucleus(reader, scale, runner, progress, region, lock):
        mask = 255 * (reader.read(region)[0] > 0.5).astype(np.uint8)
        return Prediction(np.stack([mask, 0 * mask, mask]), NO_NUCLEI, scale)

    monkeypatch.setattr(block_work, "predict_plane", bright_is_nucleus)
    monkeypatch.setattr(sample, "SAMPLE_PIXELS", 2**13)
    monkeypatch.setattr(fingerprint, "CACHED_PIXELS", 0)
    peaks = []
    for side in (768, 1536):  # both have blocks with a halo on all sides
        image = Watched(side)
        asked = request(image, "YX", model=str(tiny_model_file), diameter=22.0, kind="fluorescence")
        gc.collect()
        gc.freeze()  # what was there before is not looked at again and again
        tracemalloc.start()
        result = segment_blockwise(asked, tmp_path / f"{side}.zarr", Tidying(), block=256)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert result.count == (side // 32) ** 2
        assert image.largest <= 256**2, "no look is larger than a block"
    assert peaks[1] < 1.2 * peaks[0]

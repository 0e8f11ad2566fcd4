import json
from pathlib import Path

import imageio.v3 as iio
import pytest

from napari_unet_nuclei.core.errors import ImageFileError, SettingsError
from napari_unet_nuclei.core.executors.executors import Serial
from napari_unet_nuclei.core.folder.large_image import BlockSettings
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.progress import Cancelled
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.helpers.samples import fluorescent_nuclei

TEMPLATE = RequestTemplate(SegmentSettings().changed(diameter=24.0))


@pytest.fixture
def folder(tmp_path):
    """Two images with a broken one between them."""
    folder = tmp_path / "images"
    folder.mkdir()
    for seed, name in enumerate(("a.png", "c.png")):
        iio.imwrite(folder / name, fluorescent_nuclei(seed, (96, 96), 24.0, 6).image)
    (folder / "b.png").write_bytes(b"no image")
    return folder


def test_every_file_is_reported_in_order_and_one_failure_stops_nothing(folder, tmp_path, recording):
    heard = []
    progress = recording()
    report = segment_files([folder], tmp_path / "out", TEMPLATE, progress, on_record=heard.append)
    assert sorted(heard, key=lambda record: record.image) == list(report.records)
    assert [bool(record.error) for record in report.records] == [False, True, False]
    assert [record.image for record in report.failed] == [str(folder / "b.png")]
    assert progress.fractions[-1] == pytest.approx(1)
    summary = report.summary().set_index("image")
    assert summary.nuclei[str(folder / "a.png")] == report.records[0].nuclei > 0
    written = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert written["settings"]["diameter"] == 24.0
    assert [file["nuclei"] for file in written["files"]] == [record.nuclei for record in report.records]


def test_cancelling_keeps_the_files_that_are_done(folder, tmp_path, recording):
    done = []

    def cancel_after_the_first(record):
        if record.error:
            return
        done.append(record)
        progress.cancel_after = len(progress.events) + 1

    progress = recording()
    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        segment_files([folder], out, TEMPLATE, progress, on_record=cancel_after_the_first)
    assert len(done) == 1
    assert not {"nuclei.csv", "summary.csv", "run.json", "report.html"} & {path.name for path in out.iterdir()}
    assert not [path for path in out.rglob("*") if ".part" in path.name]
    assert len(list(out.glob("*_labels.tif"))) == len(list((out / ".nuclei").glob("*.json")))


def test_without_images_nothing_is_written(tmp_path, recording):
    with pytest.raises(ImageFileError):
        segment_files([tmp_path], tmp_path / "out", TEMPLATE, recording())
    assert not (tmp_path / "out").exists()


class LosingAWorker(Serial):
    """Simulated: a cluster of which a worker dies while it writes, and another one does its image again."""

    elsewhere = True

    def map(self, work, tasks, title, progress, on_result=lambda result: None, names=()):
        labels = tasks[0].outputs["labels"]
        labels.parent.mkdir(parents=True, exist_ok=True)
        self.remains = labels.with_name(f".{labels.stem}-0123abcd.part.tif")
        self.remains.touch()
        return super().map(work, tasks, title, progress, on_result, names)


def test_what_a_lost_worker_has_left_half_written_is_removed(folder, tmp_path):
    cluster = LosingAWorker()
    report = segment_files([folder], tmp_path / "out", TEMPLATE, blocks=BlockSettings(executor=cluster))
    assert len(report.succeeded) == 2
    assert not cluster.remains.exists()


def test_workers_are_told_where_files_lie_whatever_folder_they_are_in_simulated(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = BlockSettings(executor=LosingAWorker())
    report = segment_files([folder.relative_to(tmp_path)], Path("out"), TEMPLATE, blocks=blocks)
    assert all(Path(path).is_absolute() for record in report.succeeded for path in (record.image, record.labels))


def test_labels_cannot_go_into_images_that_take_none(folder, tmp_path):
    with pytest.raises(SettingsError, match="None of the images is OME-Zarr"):
        segment_files([folder], tmp_path / "out", TEMPLATE, blocks=BlockSettings(into_image=True))

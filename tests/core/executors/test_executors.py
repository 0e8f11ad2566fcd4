from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_unet_nuclei.core.blocks import worker as block_work
from napari_unet_nuclei.core.blocks.segment import segment_blockwise
from napari_unet_nuclei.core.errors import ClusterError, ImageFileError
from napari_unet_nuclei.core.executors.cluster import dask_cluster
from napari_unet_nuclei.core.executors.executors import Executor, Serial, Threads
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.progress import Advanced, Cancelled, Progress, Silent
from tests.helpers.block_images import request_of, write_image
from tests.helpers.recording import RecordingProgress

HERE = [Serial(), Threads(2)]


def square(number: int, progress: Progress) -> int:
    progress.report(Advanced(0.5, "squaring"))
    return number**2


def fail_at_three(folder: Path, number: int, progress: Progress) -> int:
    progress.report(Advanced(0.0, ""))
    if number == 3:
        raise ImageFileError("number three is damaged")
    (folder / f"{number}").touch()
    return number


def go_on_and_on(number: int, progress: Progress) -> None:
    while True:
        progress.report(Advanced(0.0, f"still {number}"))


@pytest.mark.parametrize("executor", HERE)
def test_results_come_in_the_order_of_the_tasks_and_progress_rises(executor: Executor):
    progress = RecordingProgress()
    assert executor.map(square, range(20), "number", progress) == [number**2 for number in range(20)]
    assert any("number 4 of 20" in event.message for event in progress.events)
    assert executor.map(square, [], "number", progress) == []


@pytest.mark.parametrize("executor", HERE)
def test_the_first_failure_stops_the_others(executor: Executor, tmp_path):
    with pytest.raises(ImageFileError, match="number three"):
        executor.map(partial(fail_at_three, tmp_path), range(1000), "number", Silent())
    assert len(list(tmp_path.iterdir())) < 1000


@pytest.mark.parametrize("executor", HERE)
def test_cancelling_stops_what_is_under_way(executor: Executor):
    with pytest.raises(Cancelled):
        executor.map(go_on_and_on, range(20), "number", RecordingProgress(cancel_after=4))


def test_without_dask_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install .napari-unet-nuclei\[distributed\]"), dask_cluster(workers=2):
        pass


def test_an_address_where_nobody_listens_is_named(monkeypatch):
    monkeypatch.setattr("napari_unet_nuclei.core.executors.cluster.CONNECTING", 1)
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:9"), dask_cluster("tcp://127.0.0.1:9"):
        pass


class KillingOne:
    """Kills a worker's process as soon as some blocks are done."""

    finish_requested = False

    def __init__(self, victim: int) -> None:
        self.victim = victim

    def report(self, event: object) -> None:
        predicting = isinstance(event, Advanced) and event.message.startswith("block: ")
        if self.victim and predicting and not event.message.startswith("block: 0 "):
            os.kill(self.victim, signal.SIGKILL)
            self.victim = 0


def count_models() -> None:
    """Let this process count how often it reads a model."""
    read = block_work.read_model

    def counting(path: Path) -> Model:
        counting.times += 1
        return read(path)

    counting.times = 0
    block_work.read_model = counting


def models_read() -> int:
    return getattr(block_work.read_model, "times", 0)


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_a_cluster_that_loses_a_worker_gives_the_labels_of_one_machine(tmp_path):
    image = write_image(tmp_path / "image.ome.zarr", 3)
    asked = request_of(image, diameter=22.0)
    with dask_cluster(workers=2) as cluster:
        assert cluster.map(square, range(8), "number", Silent()) == [number**2 for number in range(8)]
        with pytest.raises(ImageFileError, match="number three"):
            cluster.map(partial(fail_at_three, tmp_path), range(8), "number", Silent())
        with pytest.raises(Cancelled):
            cluster.map(square, range(100), "number", RecordingProgress(cancel_after=2))

        addresses = list(cluster.client.scheduler_info()["workers"])
        assert len(addresses) == 2
        assert all(address.startswith("tcp://127.0.0.1:") for address in addresses), "others can reach the workers"
        cluster.client.run(count_models)
        pids = cluster.client.run(os.getpid)
        progress = KillingOne(next(iter(pids.values())))
        result = segment_blockwise(asked, tmp_path / "cluster.ome.zarr", progress, block=80, executor=cluster)
        assert progress.victim == 0, "nobody was killed"
        assert max(cluster.client.run(models_read).values()) == 1, "the model was loaded for every block"
    alone = segment_blockwise(asked, tmp_path / "alone.ome.zarr", Silent(), block=80)
    assert result.count == alone.count > 0
    labels = [zarr.open_array(one.path / "0", mode="r")[:] for one in (result, alone)]
    assert np.array_equal(*labels)

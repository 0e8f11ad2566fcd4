from __future__ import annotations

import errno
import itertools
import os

import numpy as np
import pytest
import zarr

from napari_unet_nuclei.core.blocks import stages as block_task
from napari_unet_nuclei.core.blocks import worker as block_work
from napari_unet_nuclei.core.blocks.segment import segment_blockwise
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.folder.work import is_disk_full
from napari_unet_nuclei.core.progress import Silent
from tests.core.blocks.test_segment import BLOCK, labels_of, request
from tests.helpers.recording import RecordingProgress


def full_after(writes: int, write):
    """Stand in for something that writes, on a disk that is full after so many times."""
    done = itertools.count()

    def fill(*arguments, **named):
        if next(done) >= writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(*arguments, **named)

    return fill


@pytest.mark.parametrize(
    ("owner", "name", "writes"),
    [(zarr.Array, "__setitem__", 3), (zarr.Array, "__setitem__", 21), (block_task.np, "savez_compressed", 5)],
    ids=["maps", "labels", "table"],
)
def test_an_injected_full_disk_costs_no_block_and_is_said_in_plain_words(tmp_path, monkeypatch, owner, name, writes):
    out = tmp_path / "l.ome.zarr"
    with monkeypatch.context() as injected:
        injected.setattr(owner, name, full_after(writes, getattr(owner, name)))
        with pytest.raises(OutputFileError, match=r"the disk is full\. Free some space") as caught:
            segment_blockwise(request(diameter=22.0), out, Silent(), block=BLOCK)
    assert "What is done is kept" in str(caught.value)
    assert is_disk_full(caught.value), "a folder's run would go on to the next image"
    assert not out.exists()
    predicted = []
    predict = block_work.predict_region
    monkeypatch.setattr(block_work, "predict_region", lambda *given: (predicted.append(given), predict(*given))[1])
    progress = RecordingProgress()
    segment_blockwise(request(diameter=22.0), out, progress, block=BLOCK)
    assert any("Going on" in notice for notice in progress.notices)
    assert len(predicted) == max(9 - writes, 0), "a block was done again"
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_what_an_injected_full_disk_interrupted_ends_with_the_same_labels(tmp_path, monkeypatch):
    with monkeypatch.context() as injected:
        injected.setattr(zarr.Array, "__setitem__", full_after(14, zarr.Array.__setitem__))
        with pytest.raises(OutputFileError):
            segment_blockwise(request(diameter=22.0), tmp_path / "l.ome.zarr", Silent(), block=BLOCK)
    for name in ("l.ome.zarr", "fresh.ome.zarr"):
        segment_blockwise(request(diameter=22.0), tmp_path / name, Silent(), block=BLOCK)
    assert np.array_equal(labels_of(tmp_path / "l.ome.zarr"), labels_of(tmp_path / "fresh.ome.zarr"))

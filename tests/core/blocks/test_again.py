"""Blocks that were done before, are left half-done, or are being done by another."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.blocks import worker as block_work
from napari_unet_nuclei.core.blocks.segment import segment_blockwise
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.image.io.ome_zarr_labels import read_provenance
from napari_unet_nuclei.core.progress import Cancelled, Silent
from tests.helpers.block_images import BLOCK, IMAGE, labels_of, request, request_of, write_image
from tests.helpers.joining import same_up_to_numbers
from tests.helpers.killed_blocks import run_until_killed
from tests.helpers.recording import RecordingProgress

pytestmark = pytest.mark.usefixtures("small_halo")


@pytest.mark.parametrize("cancel_after", [1, 12, 45])
def test_a_cancelled_run_leaves_no_labels_and_is_gone_on_with(cancel_after, tmp_path, monkeypatch):
    out = tmp_path / "out" / "l.ome.zarr"
    with pytest.raises(Cancelled):
        segment_blockwise(request(), out, RecordingProgress(cancel_after=cancel_after), block=BLOCK)
    assert not out.exists()
    done = len(list(out.parent.glob(".*/tables/maps-0/*.npz")))
    predicted = []
    predict = block_work.predict_plane
    monkeypatch.setattr(
        block_work, "predict_plane", lambda *given, **part: (predicted.append(part), predict(*given, **part))[1]
    )
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
        patch.setattr(block_work, "predict_plane", lambda *given, **part: pytest.fail("done again"))
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


@pytest.mark.parametrize(("name", "content"), [("maps.zarr/zarr.json", b"{"), ("maps.zarr/c/*/*/*/*", b"cut")])
def test_what_a_power_cut_has_damaged_of_an_earlier_run_is_said(name, content, tmp_path):
    asked, out = request(diameter=22.0), tmp_path / "l.ome.zarr"
    with pytest.raises(Cancelled):
        segment_blockwise(asked, out, RecordingProgress(cancel_after=40), block=BLOCK)
    [folder] = tmp_path.glob(".*.part")
    damaged = sorted(folder.glob(name))
    assert damaged
    for path in damaged:
        path.write_bytes(content)
    with pytest.raises(OutputFileError, match="Delete that folder, and start the same run again"):
        segment_blockwise(asked, out, RecordingProgress(), block=BLOCK)
    shutil.rmtree(folder)
    assert segment_blockwise(asked, out, RecordingProgress(), block=BLOCK).count


@pytest.mark.parametrize("word", ["block 5", "writing block 4"])
def test_a_killed_run_is_gone_on_with_and_gives_the_same(word, tmp_path):
    image, out = write_image(tmp_path / "i.ome.zarr", 3), tmp_path / "l.ome.zarr"
    run_until_killed("planes", image, out, word)
    assert not out.exists()
    progress = RecordingProgress()
    segment_blockwise(request_of(image), out, progress, block=BLOCK)
    assert any("Going on" in notice for notice in progress.notices)
    assert not any("block 1 of 9, tile" in getattr(event, "message", "") for event in progress.events)
    segment_blockwise(request_of(image), tmp_path / "fresh.ome.zarr", Silent(), block=BLOCK)
    assert np.array_equal(labels_of(out), labels_of(tmp_path / "fresh.ome.zarr"))

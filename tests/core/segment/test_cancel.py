from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.progress import Cancelled
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.run import run_segment
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.helpers.recording import RecordingProgress


@pytest.mark.parametrize("diameter", [0.0, 22.0], ids=["automatic", "given"])
def test_cancelling_at_any_report_stops_there_and_leaves_nothing(diameter, tiny_model_file, tmp_path):
    image = np.random.default_rng(0).poisson(20, (2, 100, 90)).astype(np.uint8)
    settings = SegmentSettings(device="cpu", tile=64, planes="each")
    if diameter:
        settings = settings.changed(diameter=diameter)
    request = SegmentRequest(ImageSource(image, "ZYX"), settings, str(tiny_model_file))
    whole = RecordingProgress()
    run_segment(request, whole)
    assert len(whole.events) >= 8, "a report per tile"
    files = sorted(tmp_path.rglob("*"))
    threads = threading.active_count()
    for report in range(1, len(whole.events) + 1):
        progress = RecordingProgress(cancel_after=report)
        with pytest.raises(Cancelled):
            run_segment(request, progress)
        assert progress.events == whole.events[:report]
    assert sorted(tmp_path.rglob("*")) == files
    assert threading.active_count() <= threads


def test_cancelling_a_volume_stops_at_once(tiny_model_file):
    image = np.random.default_rng(0).poisson(20, (3, 48, 48)).astype(np.uint8)
    settings = SegmentSettings(device="cpu").changed(diameter=22.0)
    request = SegmentRequest(ImageSource(image, "ZYX"), settings, str(tiny_model_file))
    whole = RecordingProgress()
    run_segment(request, whole)
    for report in (1, len(whole.events) // 2, len(whole.events) - 1):
        progress = RecordingProgress(cancel_after=report)
        with pytest.raises(Cancelled):
            run_segment(request, progress)
        assert progress.events == whole.events[:report]


def test_a_cancelled_run_can_be_started_again(tiny_model_file):
    image = np.random.default_rng(0).poisson(20, (64, 64)).astype(np.uint8)
    request = SegmentRequest(ImageSource(image, "YX"), SegmentSettings(device="cpu"), str(tiny_model_file))
    wanted = run_segment(request, RecordingProgress()).labels
    with pytest.raises(Cancelled):
        run_segment(request, RecordingProgress(cancel_after=2))
    assert np.array_equal(run_segment(request, RecordingProgress()).labels, wanted)

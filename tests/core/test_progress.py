from __future__ import annotations

import pytest

from napari_unet_nuclei.core.progress import Advanced, Cancelled, EpochDone, Notice, Rising, Share, Silent
from tests.helpers.recording import RecordingProgress


def test_a_share_of_a_share_maps_into_its_part_of_the_whole():
    progress = RecordingProgress()
    inner = Share(Share(progress, 0.5, 1.0), 0.0, 0.5)
    for fraction in (0.0, 0.5, 1.0):
        inner.report(Advanced(fraction, "half of the second half"))
    assert progress.fractions == [0.5, 0.625, 0.75]


@pytest.mark.parametrize("event", [Notice("a smaller tile"), EpochDone(1, 0.5, 0.4, {"AP@0.5": 0.3})])
def test_what_is_no_fraction_passes_unchanged(event):
    progress = RecordingProgress()
    Rising(Share(progress, 0.2, 0.3)).report(event)
    assert progress.events == [event]


def test_rising_progress_never_falls():
    heard = []

    class Listening(Silent):
        def report(self, event):
            heard.append(event.fraction)

    rising = Rising(Listening())
    for fraction in (0.1, 0.4, 0.2, 0.5):
        rising.report(Advanced(fraction, ""))
    assert heard == [0.1, 0.4, 0.4, 0.5]


@pytest.mark.parametrize("part", [Rising, lambda parent: Share(parent, 0, 1)])
def test_cancelling_and_finishing_reach_through_the_parts(part):
    progress = RecordingProgress(cancel_after=2, finish_after=1)
    inner = part(progress)
    assert not inner.finish_requested
    inner.report(Notice("first"))
    assert inner.finish_requested
    with pytest.raises(Cancelled):
        inner.report(Notice("second"))


def test_silent_progress_neither_stops_nor_finishes():
    silent = Silent()
    silent.report(Advanced(0.5, ""))
    assert not silent.finish_requested

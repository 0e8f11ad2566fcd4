"""Segments a movie in a process that is killed in the middle of a frame. Arguments: movie, model, results, frame."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.progress import Advanced, Event, Silent
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings


class KilledAtFrame(Silent):
    """Dies when a frame, counted from 1, is begun."""

    def __init__(self, frame: str) -> None:
        self._begin = f"frame {frame} of"

    def report(self, event: Event) -> None:
        if isinstance(event, Advanced) and self._begin in event.message:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    movie, model, out, frame = sys.argv[1:]
    template = RequestTemplate(SegmentSettings().changed(diameter=24.0, device="cpu"), model)
    segment_files([Path(movie)], Path(out), template, KilledAtFrame(frame), batch=BatchSettings(rois=True))

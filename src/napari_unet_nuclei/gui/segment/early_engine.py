"""Load PyTorch in the background before the first run, which then need not wait for it."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.segment.job import load_engine
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

SETTLED = 500
"""Milliseconds after the dock or an image was opened: the import halts the window for moments, as Python does one thing
at a time."""


class EarlyEngine(QObject):
    """Loads the engine once, soon after it is first asked to."""

    loaded = Signal(object)
    """Carries the names of the devices of this computer, the preferred one first."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._is_begun = False
        self._loading = LatestJob()
        self._loading.succeeded.connect(self.loaded)
        self._timer = rest_timer(self, self._load, SETTLED)

    def load_soon(self) -> None:
        """Load the engine unless that has begun."""
        if not self._is_begun:
            self._timer.start()

    def _load(self) -> None:
        self._is_begun = True
        self._loading.submit(load_engine)

"""A job in napari's activity area, with progress and *Cancel*, while the dock that started it is not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils import cancelable_progress
from qtpy.QtCore import QObject

from napari_unet_nuclei.core.progress import Advanced, Event

if TYPE_CHECKING:
    from typing import Any

    from napari_unet_nuclei.gui.jobs.worker import JobWorker

PERCENT = 100


class Activity(QObject):
    """A bar of one job; it belongs to the job, so that it outlives the dock, and ends with it.

    Parameters
    ----------
    worker : JobWorker
    title : str
    fraction : float
        How much is done.
    """

    def __init__(self, worker: JobWorker[Any], title: str, fraction: float) -> None:
        super().__init__(worker.signals)
        self._bar: _Bar | None = _Bar(worker, title)
        worker.reported.connect(self._follow)
        worker.finished.connect(self.close)
        self._show(fraction)
        if worker.is_over:
            self.close()

    def close(self) -> None:
        """Take the bar out of the activity area."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()
            self.deleteLater()

    def _follow(self, event: Event) -> None:
        if isinstance(event, Advanced):
            self._show(event.fraction)

    def _show(self, fraction: float) -> None:
        # napari lets the window live whenever a bar moves: later events may arrive, and the job end, in `update`.
        bar = self._bar
        if bar is not None and not bar.disable and bar.n < int(PERCENT * fraction):
            bar.update(int(PERCENT * fraction) - bar.n)


class _Bar(cancelable_progress):
    """A bar whose *Cancel* stops the job; napari itself only marks what it iterates over."""

    def __init__(self, worker: JobWorker[Any], title: str) -> None:
        self._worker = worker
        super().__init__(desc=title, total=PERCENT, bar_format="|{percentage:.0f} %")

    def cancel(self) -> None:
        """Stop the job."""
        super().cancel()
        self._worker.stop()

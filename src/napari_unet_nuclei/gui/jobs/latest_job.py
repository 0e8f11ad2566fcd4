"""Short jobs of which only the latest request counts, as a dragged slider makes them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.progress import Cancelled, Event, Progress


class LatestJob(QObject):
    """Runs one job after the other; a job that is superseded while it waits never runs.

    A superseded job that is already running stops at its next report. If it has none left it delivers its result, so
    the window follows a slider while it moves; results arrive in the order of the requests.

    The object has no parent: it must outlive its dock while a job runs.
    """

    succeeded = Signal(object)
    """Result of a job, in the window's thread."""

    failed = Signal(object)
    """Exception of a job, in the window's thread."""

    _ended = Signal(int, object)

    def __init__(self) -> None:
        super().__init__()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="nuclei")
        self._asked = 0
        self._delivered = 0
        self._dropped = 0
        self._ended.connect(self._deliver)

    @property
    def is_busy(self) -> bool:
        """True until the latest request is answered or cancelled."""
        return max(self._delivered, self._dropped) < self._asked

    def submit(self, job: Callable[[Progress], Any]) -> None:
        """Request a job, which supersedes all earlier requests."""
        self._asked += 1
        request = _Request(self, self._asked)
        self._executor.submit(_run, job, request).add_done_callback(partial(self._end, self._asked))

    def cancel(self) -> None:
        """Drop all requests: none of their results is delivered."""
        self._asked += 1
        self._dropped = self._asked

    def is_superseded(self, number: int) -> bool:
        """Return whether a later request exists."""
        return number != self._asked

    def _end(self, number: int, future: Future[Any]) -> None:
        """Pass the end of a job from its thread to the window's."""
        self._ended.emit(number, future)

    def _deliver(self, number: int, future: Future[Any]) -> None:
        if number <= self._dropped:
            return
        self._delivered = number
        error = future.exception()
        if error is None:
            self.succeeded.emit(future.result())
        elif not isinstance(error, Cancelled):
            self.failed.emit(error)


@dataclass(frozen=True)
class _Request:
    """Progress of one request: it shows nothing, and stops the job once another request is waiting."""

    jobs: LatestJob
    number: int
    finish_requested: bool = False

    def report(self, event: Event) -> None:
        """Raise Cancelled if a later request exists."""
        if self.jobs.is_superseded(self.number):
            raise Cancelled


def _run(job: Callable[[Progress], Any], request: _Request) -> Any:
    if request.jobs.is_superseded(request.number):
        raise Cancelled
    return job(request)

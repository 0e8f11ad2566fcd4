"""Short work in a thread of which only the last request counts: what a slider that is being dragged asks for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.progress import Cancelled, Event, Progress


class LatestJob(QObject):
    """Runs one job after the other; those that were overtaken while waiting never run.

    An overtaken job that is running already stops at its next report. One that has none left delivers its result, so
    that the window follows a slider while it moves; results come in the order of the requests, the last one last.

    The object has no parent: it must outlive its dock for as long as a job runs.
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
        """True while the last request has neither been answered nor cancelled."""
        return max(self._delivered, self._dropped) < self._asked

    def submit(self, job: Callable[[Progress], Any]) -> None:
        """Ask for a job, in place of all that were asked for before."""
        self._asked += 1
        turn = _Turn(self, self._asked)
        self._executor.submit(_run, job, turn).add_done_callback(partial(self._end, self._asked))

    def cancel(self) -> None:
        """Want nothing any more: no result of what was asked for so far is delivered."""
        self._asked += 1
        self._dropped = self._asked

    def is_overtaken(self, number: int) -> bool:
        """Tell whether another request came after this one."""
        return number != self._asked

    def _end(self, number: int, future: Future[Any]) -> None:
        """Carry a job's end from its thread into the window's."""
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
class _Turn:
    """Progress of one request: nobody looks at it, but it stops the job when another one is waiting."""

    jobs: LatestJob
    number: int
    finish_requested: bool = False

    def report(self, event: Event) -> None:
        """Go on, or raise Cancelled."""
        if self.jobs.is_overtaken(self.number):
            raise Cancelled


def _run(job: Callable[[Progress], Any], turn: _Turn) -> Any:
    if turn.jobs.is_overtaken(turn.number):
        raise Cancelled
    return job(turn)

"""Runs a verb of the core in a thread, so that the window stays alive and the user can cancel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from napari.qt.threading import WorkerBase, WorkerBaseSignals, create_worker
from qtpy.QtCore import Signal

from napari_unet_nuclei.core.progress import Cancelled, Event, Progress

ResultType = TypeVar("ResultType")


@dataclass(frozen=True)
class Job(Generic[ResultType]):
    """A verb with everything it needs, and its name for the question that napari asks before closing.

    Attributes
    ----------
    title : str
        What is being done, in the user's words ("Segmenting DAPI").
    run : callable
        Takes a `Progress`; runs in a thread, so it touches no viewer, layer or widget.
    """

    title: str
    run: Callable[[Progress], ResultType]

    def __call__(self, progress: Progress) -> ResultType:
        """Do it."""
        return self.run(progress)

    def __str__(self) -> str:
        return self.title


class JobSignals(WorkerBaseSignals):
    """What a job tells the window.

    It has signals of its own for results and errors, since napari connects a function without arguments to superqt's
    ``errored``: PyQt6 leaves the error out then, PySide6 raises in the event loop. superqt declares ``aborted`` for its
    generator workers only.
    """

    succeeded = Signal(object)
    failed = Signal(object)
    aborted = Signal()
    reported = Signal(object)

    _done = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.is_unwanted = False
        """True once a result that is under way to the window's thread is no longer wanted."""
        self._done.connect(self._deliver)

    def _deliver(self, result: object) -> None:
        """Pass a result on in the window's thread: PySide6 would call a slot that was disconnected meanwhile."""
        if not self.is_unwanted:
            self.succeeded.emit(result)


class JobWorker(WorkerBase[None], Generic[ResultType]):
    """One run of a job in a thread; it is the job's `Progress` as well.

    Signals arrive in the window's thread. Exactly one of ``succeeded``, ``aborted`` and ``failed`` comes before
    ``finished``.

    Parameters
    ----------
    job : callable
        Takes a `Progress`.
    """

    def __init__(self, job: Callable[[Progress], ResultType]) -> None:
        super().__init__(SignalsClass=JobSignals)
        self._job = job
        self._finish_requested = False

    @property
    def finish_requested(self) -> bool:
        """True once `finish` was called."""
        return self._finish_requested

    def finish(self) -> None:
        """Ask the job to end early and to keep what is best so far; cancelling is ``quit()``."""
        self._finish_requested = True

    def report(self, event: Event) -> None:
        """Pass an event to the window.

        Raises
        ------
        Cancelled
            Once the user has cancelled.
        """
        if self.abort_requested:
            raise Cancelled
        self.reported.emit(event)

    def work(self) -> None:
        """Run the job; a cancelled one gives nothing."""
        try:
            result = self._job(self)
        except Cancelled:
            self.aborted.emit()
        except Exception as error:  # noqa: BLE001  # whoever connects `failed` shows it
            self.failed.emit(error)
        else:
            if self.abort_requested:
                self.aborted.emit()
            else:
                self._done.emit(result)


def job_worker(job: Job[ResultType]) -> JobWorker[ResultType]:
    """Make a worker that napari knows of: it asks before closing while the job runs, and then cancels it.

    Connect its signals, ``failed`` among them, then call ``start()``.
    """
    worker = create_worker(job, _worker_class=JobWorker, _start_thread=False)
    return cast("JobWorker[ResultType]", worker)

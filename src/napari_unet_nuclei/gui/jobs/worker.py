"""Run a function of the core in a thread, so that the window stays responsive and the user can cancel."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from napari.qt.threading import WorkerBase, WorkerBaseSignals, create_worker
from qtpy.QtCore import Signal

from napari_unet_nuclei.core.progress import Advanced, Cancelled, Event, Progress

ResultType = TypeVar("ResultType")


@dataclass(repr=False)
class Job(Generic[ResultType]):
    """A function with its arguments bound, and the title that napari shows when it asks before closing.

    Attributes
    ----------
    title : str
        In the user's words, e.g. "Segmenting DAPI".
    run : callable
        Takes a `Progress`; runs in a thread, so it must not touch a viewer, layer or widget.
    """

    title: str
    run: Callable[[Progress], ResultType]

    def __call__(self, progress: Progress) -> ResultType:
        """Run the job, once."""
        # napari keeps each job for as long as its window lives, but need not keep the images that this one refers to.
        run = self.run
        del self.run
        return run(progress)

    def __str__(self) -> str:
        return self.title


class JobSignals(WorkerBaseSignals):
    """Signals from a job to the window.

    superqt's ``errored`` is not used: napari connects a function without arguments to it, for which PyQt6 drops the
    error and PySide6 raises in the event loop. superqt declares ``aborted`` for its generator workers only.
    """

    succeeded = Signal(object)
    failed = Signal(object)
    aborted = Signal()
    reported = Signal(object)

    _done = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.is_unwanted = False
        """Set when the user cancels: a result still in the queue to the window's thread is then dropped."""
        self._done.connect(self._deliver)

    def _deliver(self, result: object) -> None:
        """Deliver a result in the window's thread; disconnecting would not do, PySide6 calls the slot all the same."""
        if not self.is_unwanted:
            self.succeeded.emit(result)


class JobWorker(WorkerBase[None], Generic[ResultType]):
    """One run of a job in a thread, and the `Progress` of that job.

    Signals arrive in the window's thread. Exactly one of ``succeeded``, ``aborted`` and ``failed`` comes before
    ``finished``.
    """

    def __init__(self, job: Callable[[Progress], ResultType]) -> None:
        super().__init__(SignalsClass=JobSignals)
        self._job = job
        self._finish_requested = False
        self.is_over = False
        """Set before ``finished``, which whoever connects to it later does not hear."""

    @property
    def finish_requested(self) -> bool:
        """True once `finish` was called."""
        return self._finish_requested

    def finish(self) -> None:
        """Ask the job to end early and keep the best so far; `stop` cancels it."""
        self._finish_requested = True

    def stop(self) -> None:
        """Ask the job to stop, which it does within one step; a result that is under way is dropped."""
        self.quit()
        self.signals.is_unwanted = True

    def report(self, event: Event) -> None:
        """Send an event to the window.

        Raises
        ------
        Cancelled
            Once the user has cancelled.
        """
        if self.abort_requested:
            raise Cancelled
        self.reported.emit(event)

    def work(self) -> None:
        """Run the job; a cancelled one has no result."""
        try:
            result = self._job(self)
        except Cancelled:
            self.aborted.emit()
        except Exception as error:  # noqa: BLE001  # shown by what `failed` is connected to
            self.failed.emit(error)
        else:
            if self.abort_requested:
                self.aborted.emit()
            else:
                self._done.emit(result)
        self.is_over = True


def report_start(progress: Progress) -> None:
    """Report what happens before the first step: the first job of a session imports PyTorch, which takes seconds."""
    progress.report(Advanced(0.0, "Preparing…" if "torch" in sys.modules else "Loading PyTorch…"))


def job_worker(job: Job[ResultType]) -> JobWorker[ResultType]:
    """Create a worker that is registered with napari, which asks before closing while it runs, and then cancels it.

    Connect its signals, including ``failed``, then call ``start()``.
    """
    worker = create_worker(job, _worker_class=JobWorker, _start_thread=False)
    return cast("JobWorker[ResultType]", worker)

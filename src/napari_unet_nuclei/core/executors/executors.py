"""Where pieces of work are done: one after the other here, in threads, or on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from napari_unet_nuclei.core.executors.pipeline import Pipeline
from napari_unet_nuclei.core.progress import Advanced, Event, Progress, Share

if TYPE_CHECKING:
    pass

TaskType = TypeVar("TaskType")
ResultType = TypeVar("ResultType")

Work = Callable[[TaskType, Progress], ResultType]
"""Does one task and reports to the progress it is given. For a cluster it is a function of a module, or a `partial`."""


class Executor(Protocol):
    """Does tasks that are independent of each other."""

    @property
    def elsewhere(self) -> bool:
        """True where tasks are done by other processes, which see files but none of the objects of this one."""

    def map(
        self,
        work: Work[TaskType, ResultType],
        tasks: Sequence[TaskType],
        title: str,
        progress: Progress,
        on_result: Callable[[ResultType], None] = lambda result: None,
    ) -> list[ResultType]:
        """Do all tasks.

        Parameters
        ----------
        work : callable
        tasks : sequence
        title : str
            What they are, for people.
        progress : Progress
        on_result : callable
            Hears of every result as soon as it is there; called in this thread.

        Returns
        -------
        list
            One result per task, in their order.

        Raises
        ------
        Cancelled
            When every task has stopped, each at its next report.
        ClusterError
            If the workers are gone.
        Exception
            Whatever a task raised first; the others are stopped.
        """


class Serial:
    """One task after the other, in the caller's thread."""

    elsewhere = False

    def map(
        self,
        work: Work[TaskType, ResultType],
        tasks: Sequence[TaskType],
        title: str,
        progress: Progress,
        on_result: Callable[[ResultType], None] = lambda result: None,
    ) -> list[ResultType]:
        """As `Executor`."""
        results = []
        for number, task in enumerate(tasks):
            share = Share(progress, number / len(tasks), (number + 1) / len(tasks))
            titled = _Titled(share, _counted(title, number, len(tasks)))
            titled.report(Advanced(0.0, ""))
            results.append(work(task, titled))
            on_result(results[-1])
        return results


@dataclass(frozen=True)
class _Titled:
    """Progress that says what it is about."""

    parent: Progress
    title: str

    @property
    def finish_requested(self) -> bool:
        return self.parent.finish_requested

    def report(self, event: Event) -> None:
        if isinstance(event, Advanced):
            event = Advanced(event.fraction, ", ".join(filter(None, (self.title, event.message))))
        self.parent.report(event)


def _counted(title: str, number: int, total: int) -> str:
    return f"{title} {number + 1} of {total}"


@dataclass(frozen=True)
class Threads:
    """Several tasks at once in this process: one reads or decodes while another has the network.

    Attributes
    ----------
    count : int
    """

    count: int = 2
    elsewhere = False

    def map(
        self,
        work: Work[TaskType, ResultType],
        tasks: Sequence[TaskType],
        title: str,
        progress: Progress,
        on_result: Callable[[ResultType], None] = lambda result: None,
    ) -> list[ResultType]:
        """As `Executor`."""
        names = [_counted(title, number, len(tasks)) for number in range(len(tasks))]
        return Pipeline(work, names, progress).run(tasks, self.count, on_result)

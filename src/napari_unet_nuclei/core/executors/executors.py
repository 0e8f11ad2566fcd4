"""Run independent tasks: one after the other, in threads, or on the workers of a Dask cluster (`cluster.Cluster`)."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar, runtime_checkable

from napari_unet_nuclei.core.progress import Advanced, Cancelled, Event, Progress, with_shares

TaskType = TypeVar("TaskType")
ResultType = TypeVar("ResultType")

Work = Callable[[TaskType, Progress], ResultType]
"""Does one task and reports to the progress it is given. For a cluster it is a function of a module, or a `partial`."""

WAITING_ROOM = 1
"""Images that are read, measured or written while others are segmented; more of them get in the others' way."""

PIXELS_AT_ONCE = 64 * 2**20
"""Pixels that are segmented at the same time, by all; an image that is larger is segmented alone."""

MOST_LANES = 4
"""Images segmented at once on the processor."""

GRAPHICS_LANES = 8
"""The same on a graphics card, where decoding takes many times as long as the network; no more than there are cores."""


@runtime_checkable
class Executor(Protocol):
    """Runs tasks that are independent of each other."""

    @property
    def elsewhere(self) -> bool:
        """True where tasks run in other processes, which see files but none of the objects of this one."""

    def map(
        self,
        work: Work[TaskType, ResultType],
        tasks: Sequence[TaskType],
        title: str,
        progress: Progress,
        on_result: Callable[[ResultType], None] = lambda result: None,
        names: Sequence[str] = (),
    ) -> list[ResultType]:
        """Run all tasks and return their results, in their order.

        Parameters
        ----------
        title : str
            What the tasks are, in the user's words: "block".
        progress : Progress
            Receives the progress of all tasks as one, in this thread.
        on_result : callable
            Called with every result as soon as it is there, in this thread.
        names : sequence of str
            One per task, for messages; title and number where not given.

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
        names: Sequence[str] = (),
    ) -> list[ResultType]:
        """As `Executor`."""
        results = []
        for (task, share), name in zip(with_shares(tasks, progress), _named(tasks, title, names), strict=True):
            named = _NamedProgress(share, name)
            named.report(Advanced(0.0, ""))
            results.append(work(task, named))
            on_result(results[-1])
        return results


def _named(tasks: Sequence[Any], title: str, names: Sequence[str]) -> Sequence[str]:
    return names or [f"{title} {number} of {len(tasks)}" for number in range(1, len(tasks) + 1)]


@dataclass(frozen=True)
class _NamedProgress:
    """Progress in the caller's thread, whose messages begin with the task's name."""

    parent: Progress
    name: str

    @property
    def finish_requested(self) -> bool:
        return self.parent.finish_requested

    def report(self, event: Event) -> None:
        if isinstance(event, Advanced):
            event = Advanced(event.fraction, ", ".join(filter(None, (self.name, event.message))))
        self.parent.report(event)


@dataclass(frozen=True)
class Threads:
    """Several tasks at once in this process: one reads or decodes while another has the network.

    Attributes
    ----------
    count : int
        Tasks in hand at once.
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
        names: Sequence[str] = (),
    ) -> list[ResultType]:
        """As `Executor`; only `Advanced` is passed on, and what else a task has to say belongs in its result."""
        names = _named(tasks, title, names)
        inbox: _Inbox = queue.SimpleQueue()
        stopping = threading.Event()
        shares = [0.0] * len(tasks)
        results: dict[int, ResultType] = {}

        def report(message: str) -> None:
            total = len(tasks)
            progress.report(Advanced(sum(shares) / total, f"{len(results)} of {total} done · {message}"))

        with ThreadPoolExecutor(self.count, thread_name_prefix="nuclei-task") as pool:
            for number, task in enumerate(tasks):
                future = pool.submit(work, task, _ThreadProgress(number, inbox, stopping))
                # Through the same inbox as its reports, so that none of them comes after its end.
                future.add_done_callback(partial(_put, inbox, number))
            try:
                while len(results) < len(tasks):
                    number, message = _next(inbox)
                    if isinstance(message, Future):
                        results[number], shares[number] = message.result(), 1.0
                        report(names[number])
                        on_result(results[number])
                    elif isinstance(message, Advanced):
                        # A task that starts over, with smaller tiles say, does not move the bar back.
                        shares[number] = max(shares[number], message.fraction)
                        report(f"{names[number]}, {message.message}")
            finally:
                # Tasks that run stop at their next report; leaving the pool's context waits for them.
                stopping.set()
                pool.shutdown(wait=False, cancel_futures=True)
        return [results[number] for number in range(len(tasks))]


_Inbox = queue.SimpleQueue[tuple[int, Event | Future[Any]]]
"""What threads tell the one that asked for the run: a task's number, and what it reports or, when it ends, its future.

Progress is reported in that thread alone, since windows and terminals may not be touched from others.
"""


def _put(inbox: _Inbox, number: int, ended: Future[Any]) -> None:
    inbox.put((number, ended))


def _next(inbox: _Inbox) -> tuple[int, Event | Future[Any]]:
    """Wait for a message, in short waits: on Windows nothing interrupts a long one, not even Ctrl+C."""
    while True:
        try:
            return inbox.get(timeout=0.5)
        except queue.Empty:
            continue


@dataclass(frozen=True)
class _ThreadProgress:
    """Progress of a task in a thread, which stops at its next report when the run stops."""

    number: int
    inbox: _Inbox
    stopping: threading.Event
    finish_requested: bool = False

    def report(self, event: Event) -> None:
        if self.stopping.is_set():
            raise Cancelled
        self.inbox.put((self.number, event))


class Turns:
    """Limits how many images are segmented at once, by number and by pixels; a larger image waits until it is alone."""

    def __init__(self, lanes: int, pixels: int = PIXELS_AT_ONCE) -> None:
        self._free = threading.Condition()
        self._lanes = lanes
        self._pixels = pixels
        self._inside: list[int] = []

    @contextmanager
    def __call__(self, pixels: int) -> Iterator[None]:
        """Wait for room for an image of so many pixels, and keep it for the context."""
        with self._free:
            self._free.wait_for(lambda: self._has_room(pixels))
            self._inside.append(pixels)
        try:
            yield
        finally:
            with self._free:
                self._inside.remove(pixels)
                # All, not one: room for a small image is not room for the one that would be woken.
                self._free.notify_all()

    def _has_room(self, pixels: int) -> bool:
        return not self._inside or (len(self._inside) < self._lanes and sum(self._inside) + pixels <= self._pixels)


@contextmanager
def shared_processor(device: str, tasks: int) -> Iterator[int]:
    """Divide the processor among images, not among the pieces of one image: that keeps all of it busy.

    Yields how many images to segment at once. Meanwhile PyTorch uses so many threads for each that together they are
    as many as it was set to before.
    """
    import torch  # a run needs it anyway, a plan does not

    if device != "cpu":
        yield max(min(GRAPHICS_LANES, os.cpu_count() or 1, tasks), 1)
        return
    threads = torch.get_num_threads()
    lanes = max(min(threads, MOST_LANES, tasks), 1)
    # For all of the process: the number of threads is no property of a network, and is put back at the end.
    torch.set_num_threads(threads // lanes)
    try:
        yield lanes
    finally:
        torch.set_num_threads(threads)

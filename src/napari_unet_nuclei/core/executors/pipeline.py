"""Works on several images at once, so that while one is read or written the network and the decoding go on.

Every image goes its way in a thread of its own, of which there are few; only that many segment at the same time as the
processor has room for, and what they report is passed on in the thread that asked for the run.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from napari_unet_nuclei.core.progress import Advanced, Cancelled, Event, Progress

TaskType = TypeVar("TaskType")
ResultType = TypeVar("ResultType")

WAITING_ROOM = 1
"""Images that are read, measured or written while others are segmented; more of them get in the others' way."""

PIXELS_AT_ONCE = 64 * 2**20
"""Pixels that are segmented at the same time, by all; an image that is larger is segmented alone."""

MOST_LANES = 4
"""Images segmented at once on the processor."""

GRAPHICS_LANES = 8
"""The same on a graphics card, where decoding takes many times as long as the network; no more than there are cores."""


@dataclass(frozen=True)
class _Said:
    """What a thread has to say of its task: an event, or that it has ended."""

    number: int
    event: Event | None = None
    ended: Future[Any] | None = None


@dataclass(frozen=True)
class _LaneProgress:
    """Progress of one task, which stops it when the run stops."""

    number: int
    said: queue.SimpleQueue[_Said]
    stopping: threading.Event
    finish_requested: bool = False

    def report(self, event: Event) -> None:
        if self.stopping.is_set():
            raise Cancelled
        self.said.put(_Said(self.number, event=event))


class Turns:
    """Lets in as many images as the processor has room for, by number and by pixels.

    Parameters
    ----------
    lanes : int
        Images at once.
    pixels : int
        Pixels at once; a larger image waits until it is alone.
    """

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
                self._free.notify_all()

    def _has_room(self, pixels: int) -> bool:
        return not self._inside or (len(self._inside) < self._lanes and sum(self._inside) + pixels <= self._pixels)


@contextmanager
def shared_processor(device: str, tasks: int) -> Iterator[int]:
    """Divide the processor among images instead of among the pieces of one, which keeps all of it busy.

    Parameters
    ----------
    device : str
        Name of the device that the network runs on.
    tasks : int
        Images there are.

    Yields
    ------
    int
        Images to segment at once. Meanwhile PyTorch uses so many threads for each that together they are as many as
        it was set to before.
    """
    import torch  # a run needs it anyway, a plan does not

    if device != "cpu":
        yield max(min(GRAPHICS_LANES, os.cpu_count() or 1, tasks), 1)
        return
    threads = torch.get_num_threads()
    lanes = max(min(threads, MOST_LANES, tasks), 1)
    torch.set_num_threads(threads // lanes)
    try:
        yield lanes
    finally:
        torch.set_num_threads(threads)


class Pipeline(Generic[TaskType, ResultType]):
    """Runs tasks in threads and reports on them as one job.

    Parameters
    ----------
    work : callable
        Does one task, and reports to the `Progress` that it is given.
    names : sequence of str
        What is being worked on, by task, for people.
    progress : Progress
        Hears how many tasks are done and what is being done now; called in the thread that calls `run`.
    """

    def __init__(
        self, work: Callable[[TaskType, Progress], ResultType], names: Sequence[str], progress: Progress
    ) -> None:
        self._work = work
        self._names = names
        self._progress = progress
        self._said: queue.SimpleQueue[_Said] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._shares = [0.0] * len(names)
        self._done = 0

    def run(self, tasks: Sequence[TaskType], threads: int, on_result: Callable[[ResultType], None]) -> list[ResultType]:
        """Do all tasks; returns their results in the order of the tasks.

        Parameters
        ----------
        tasks : sequence
        threads : int
            Tasks in hand at once.
        on_result : callable
            Hears of every result as soon as it is there.

        Raises
        ------
        Cancelled
            As soon as the tasks in hand have stopped, each at its next report.
        Exception
            Whatever a task raised first; the others are stopped.
        """
        results: dict[int, ResultType] = {}
        with ThreadPoolExecutor(threads, thread_name_prefix="nuclei-batch") as pool:
            for number, task in enumerate(tasks):
                self._start(number, task, pool)
            try:
                while len(results) < len(tasks):
                    said = self._hear()
                    if said.ended is None:
                        self._pass_on(said.number, said.event)
                        continue
                    results[said.number] = said.ended.result()
                    self._count(said.number)
                    on_result(results[said.number])
            finally:
                self._stopping.set()
                pool.shutdown(wait=False, cancel_futures=True)
        return [results[number] for number in range(len(tasks))]

    def _start(self, number: int, task: TaskType, pool: ThreadPoolExecutor) -> None:
        """Let a thread of the pool do one task when it comes to it."""
        progress = _LaneProgress(number, self._said, self._stopping)
        ended = pool.submit(self._work, task, progress)
        ended.add_done_callback(lambda future: self._said.put(_Said(number, ended=future)))

    def _hear(self) -> _Said:
        """Wait for a thread to say something; in short waits, since Windows lets nobody interrupt a long one."""
        while True:
            try:
                return self._said.get(timeout=0.5)
            except queue.Empty:
                continue

    def _pass_on(self, number: int, event: Event | None) -> None:
        """Report a task's progress as the run's; what it has to notice stands in its result."""
        if isinstance(event, Advanced):
            self._shares[number] = max(self._shares[number], event.fraction)
            self._report(f"{self._names[number]}, {event.message}")

    def _count(self, number: int) -> None:
        self._shares[number] = 1.0
        self._done += 1
        self._report(self._names[number])

    def _report(self, what: str) -> None:
        total = len(self._names)
        self._progress.report(Advanced(sum(self._shares) / total, f"{self._done} of {total} done · {what}"))

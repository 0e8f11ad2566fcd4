from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from napari_unet_nuclei.core.executors.pipeline import MOST_LANES, Pipeline, Turns, shared_processor
from napari_unet_nuclei.core.progress import Advanced, Cancelled, Progress, Silent

PATIENCE = 20.0


def run(
    work: Callable, tasks: list, progress: Progress | None = None, threads: int = 3, heard: list | None = None
) -> list:
    pipeline = Pipeline(work, [str(task) for task in tasks], progress or Silent())
    return pipeline.run(tasks, threads, (heard if heard is not None else []).append)


def test_tasks_overlap_and_results_keep_their_order() -> None:
    together = threading.Barrier(3, timeout=PATIENCE)

    def work(task: int, progress: Progress) -> int:
        together.wait()  # none gets further until three are at it
        return task * task

    heard: list[int] = []
    assert run(work, list(range(6)), heard=heard) == [0, 1, 4, 9, 16, 25]
    assert sorted(heard) == [0, 1, 4, 9, 16, 25]


def test_progress_counts_names_what_is_done_and_never_falls(recording) -> None:
    def work(task: str, progress: Progress) -> str:
        for step in range(4):
            progress.report(Advanced(step / 4, f"tile {step + 1} of 4"))
        return task

    progress = recording()
    run(work, ["a.png", "b.png"], progress, threads=1)
    messages = [event.message for event in progress.events]
    assert messages[0] == "0 of 2 done · a.png, tile 1 of 4"
    assert "1 of 2 done · b.png, tile 4 of 4" in messages
    assert progress.fractions[-1] == 1.0


def test_reports_and_results_come_in_the_thread_that_asked() -> None:
    here = threading.get_ident()
    threads = set()

    class Listening(Silent):
        def report(self, event: object) -> None:
            threads.add(threading.get_ident())

    def work(task: int, progress: Progress) -> int:
        progress.report(Advanced(0.5, "half"))
        return threading.get_ident()

    pipeline: Pipeline[int, int] = Pipeline(work, ["a", "b"], Listening())
    workers = pipeline.run([1, 2], 2, lambda result: threads.add(threading.get_ident()))
    assert threads == {here}
    assert here not in workers


def test_cancelling_stops_every_task_at_its_next_report(recording) -> None:
    stopped = []

    def work(task: int, progress: Progress) -> None:
        try:
            while True:
                progress.report(Advanced(0.1, "on and on"))
        except Cancelled:
            stopped.append(task)
            raise

    with pytest.raises(Cancelled):
        run(work, list(range(9)), recording(cancel_after=20))
    assert sorted(stopped) == [0, 1, 2]


def test_what_ends_one_task_ends_the_run_and_the_waiting_never_start() -> None:
    started = []

    def work(task: int, progress: Progress) -> None:
        started.append(task)
        if task == 1:
            raise OSError("no room")
        if task != 0:
            while True:
                progress.report(Advanced(0.1, "on and on"))

    with pytest.raises(OSError, match="no room"):
        run(work, list(range(50)), threads=2)
    assert len(started) < 6


def test_no_more_images_have_their_turn_than_there_are_lanes() -> None:
    turns, inside, most = Turns(lanes=2), [], []

    def work(number: int) -> None:
        with turns(10):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(200)))
    assert max(most) <= 2


def test_an_image_larger_than_the_memory_for_all_waits_until_it_is_alone() -> None:
    turns, small_is_in, large_was_in, order = Turns(4, pixels=100), threading.Event(), threading.Event(), []

    def small() -> None:
        with turns(60):
            small_is_in.set()
            order.append("small in")
            assert not large_was_in.wait(0.05), "both were in"
            order.append("small out")

    def large() -> None:
        small_is_in.wait(PATIENCE)
        with turns(10_000):
            large_was_in.set()
            order.append("large in")

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(small), pool.submit(large)]:
            future.result()
    assert order == ["small in", "small out", "large in"]


def test_a_turn_ends_when_its_image_fails() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="bad"), turns(1):
        raise ValueError("bad")
    with turns(1):
        pass


@pytest.mark.parametrize(("threads", "tasks"), [(1, 9), (2, 9), (3, 9), (8, 9), (64, 9), (8, 1), (8, 2)])
def test_lanes_and_their_threads_together_are_as_many_as_before(threads: int, tasks: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with shared_processor("cpu", tasks) as lanes:
            assert 1 <= lanes <= min(MOST_LANES, tasks)
            assert threads / 2 < lanes * torch.get_num_threads() <= threads or threads == lanes == 1
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)

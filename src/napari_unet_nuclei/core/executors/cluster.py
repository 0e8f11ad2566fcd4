"""Run tasks on the workers of a Dask scheduler: of one that is running already, or of processes on this computer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from napari_unet_nuclei.core.errors import ClusterError
from napari_unet_nuclei.core.executors.executors import Executor, ResultType, Serial, TaskType, Work
from napari_unet_nuclei.core.executors.malloc import keep_freed_memory
from napari_unet_nuclei.core.progress import Advanced, Cancelled, Event, Progress

if TYPE_CHECKING:
    from distributed import Client, Future

PACKAGE = "napari-unet-nuclei"

CONNECTING = 20
"""Seconds to wait for a scheduler's answer."""

_LISTENING = 0.2
"""Seconds between two looks at whether the user has cancelled."""


@dataclass(frozen=True)
class Cluster:
    """Tasks on the workers of a Dask scheduler; made by `dask_cluster`."""

    client: Client
    elsewhere = True

    def map(
        self,
        work: Work[TaskType, ResultType],
        tasks: Sequence[TaskType],
        title: str,
        progress: Progress,
        on_result: Callable[[ResultType], None] = lambda result: None,
        names: Sequence[str] = (),
    ) -> list[ResultType]:
        """As `Executor`; workers do not pass their progress on, so that only what is done is reported."""
        from distributed import Event as Flag

        # Known to the scheduler by name: futures can be cancelled only before they run, and workers have to be told.
        # Impure, or Dask would answer a task that it has seen before from memory, though its files may be gone.
        stop = f"nuclei-stop-{uuid4().hex}"
        places = {
            self.client.submit(_do_remotely, work, task, stop, pure=False): place for place, task in enumerate(tasks)
        }
        try:
            results = self._collect(places, title, progress, on_result)
        except BaseException:  # Ctrl+C too: the workers would go on for hours
            Flag(stop, client=self.client).set()
            self.client.cancel(list(places), reason="the run has stopped")
            raise
        return [results[place] for place in range(len(tasks))]

    def _collect(
        self, places: dict[Future[Any], int], title: str, progress: Progress, on_result: Callable[[Any], None]
    ) -> dict[int, Any]:
        """Wait for all tasks, or for the first that fails; drop each future when its result is here, to free memory."""
        from distributed import wait

        total = len(places)
        results: dict[int, Any] = {}
        while places:
            progress.report(Advanced(len(results) / total, f"{title}: {len(results)} of {total} done"))
            # In short waits: each report is a chance to cancel, and a scheduler that is gone does not answer at all.
            try:
                done, _ = wait(list(places), timeout=_LISTENING, return_when="FIRST_COMPLETED")
            except TimeoutError:
                self._check_alive()
                continue
            for future in done:
                place = places[future]
                results[place] = _result(future)
                del places[future]
                on_result(results[place])
        return results

    def _check_alive(self) -> None:
        if self.client.status not in ("running", "connecting"):
            raise ClusterError("The connection to the Dask scheduler is lost. What is done is kept: run it again.")


def _result(future: Future[Any]) -> Any:
    """Return a task's result, or raise what it raised; say in the user's words what failed in the cluster itself."""
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise ClusterError(
            f"Several workers were lost over the same piece of work ({error}). They may have too little memory: see "
            "their logs. What is done is kept: run it again."
        ) from error
    except CancelledError as error:
        raise ClusterError("The Dask scheduler was stopped. What is done is kept: run it again.") from error


def _do_remotely(work: Work[TaskType, ResultType], task: TaskType, stop: str) -> ResultType:
    """Run a task in a worker's process."""
    # Here and not when the worker starts, which is Dask's; the second call does nothing.
    keep_freed_memory()
    return work(task, _RemoteProgress(stop))


@dataclass
class _RemoteProgress:
    """Progress in a worker, which asks the scheduler now and then whether the run has stopped."""

    stop: str
    finish_requested: bool = False
    _looked: float = field(default_factory=time.monotonic)

    def report(self, event: Event) -> None:
        from distributed import Event as Flag

        # Not at every report: asking takes a round trip through the network.
        if time.monotonic() - self._looked > _LISTENING:
            self._looked = time.monotonic()
            if Flag(self.stop).is_set():
                raise Cancelled


@contextmanager
def dask_cluster(scheduler: str = "", workers: int = 0) -> Iterator[Cluster]:
    """Connect to a running Dask scheduler, or start workers on this computer.

    Parameters
    ----------
    scheduler : str
        Address of the scheduler, such as ``tcp://host:8786``. For ``tls://host:8786`` Dask's own configuration names
        the certificates. Anyone who can reach a scheduler can run programs on its workers.
    workers : int
        Without an address: number of single-threaded processes to start. They listen to this computer only and end
        with the context.

    Yields
    ------
    Cluster
        An executor for `segment_slide` and `segment_folder`.

    Raises
    ------
    ClusterError
        If Dask is not installed, the scheduler does not answer, or its workers lack this package.

    Examples
    --------
    In a script, put the call under ``if __name__ == "__main__":``, because workers import the script.

    >>> import tifffile
    >>> from napari_unet_nuclei import dask_cluster, fluorescent_nuclei, segment_slide
    >>> tifffile.imwrite("slide.tif", fluorescent_nuclei(shape=(256, 256), count=20).image)
    >>> with dask_cluster(workers=1) as cluster:
    ...     result = segment_slide("slide.tif", "slide_labels.ome.zarr", executor=cluster)
    >>> result.count > 0
    True
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ClusterError(
            "Working in several processes or on several computers requires Dask, which is not installed: "
            'pip install "napari-unet-nuclei[distributed]".'
        ) from error
    if not scheduler:
        with (
            # Dask's limit is for results that workers hold in memory; ours are files.
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                memory_limit=0,
                env={"MALLOC_ARENA_MAX": "1"},  # too late for `keep_freed_memory`: a worker's threads run already
            ) as cluster,
            Client(cluster) as client,
        ):
            yield Cluster(client)
        return
    try:
        client = Client(scheduler, timeout=CONNECTING)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(f"There is no Dask scheduler at {scheduler} ({error}). Check its address.") from error
    except (TypeError, RuntimeError) as error:  # which Dask raises where certificates are missing
        if not scheduler.startswith("tls:"):
            raise
        raise ClusterError(
            f"{scheduler} asks for certificates, and Dask's configuration here names none: see the page on clusters "
            "in the documentation."
        ) from error
    with client:
        _check_workers(client)
        yield Cluster(client)


@contextmanager
def executor_for(scheduler: str, workers: int) -> Iterator[Executor]:
    """Choose where tasks run: in this process, unless an address or a number of workers is given."""
    if not (scheduler or workers):
        yield Serial()
        return
    with dask_cluster(scheduler, workers) as cluster:
        yield cluster


def _check_workers(client: Client) -> None:
    """Require all workers to have this version of the package: another one may label the same image differently."""
    try:
        versions: dict[str, Any] = client.run(version, PACKAGE)
    except PackageNotFoundError as error:
        raise ClusterError(f"A worker lacks {PACKAGE}. Install {PACKAGE} {version(PACKAGE)} on all of them.") from error
    if not versions:
        raise ClusterError("The Dask scheduler has no workers. Start some: dask worker ADDRESS.")
    others = {one for one in versions.values() if one != version(PACKAGE)}
    if others:
        raise ClusterError(
            f"Workers have {PACKAGE} {', '.join(sorted(others))}, here it is {version(PACKAGE)}: install the same."
        )

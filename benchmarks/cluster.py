"""One against two workers of one thread each: what a cluster gains where nothing else limits it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.blockwise import write_image
from benchmarks.child import in_child
from benchmarks.table import Table

MEGAPIXELS = 36
WORKERS = (1, 2)


def measure(megapixels: int = MEGAPIXELS) -> Table:
    rates, rows = {}, []
    for workers in WORKERS:
        wall, used = in_child(seconds, workers, megapixels, bound=False)
        rates[workers] = megapixels / wall
        against = rates[workers] / rates[WORKERS[0]]
        rows.append(
            (f"{workers}", f"{rates[workers]:.2f}", f"{against:.2f}", f"{used:.1f}", f"{used / wall / workers:.2f}")
        )
    return Table(
        "Workers",
        ("workers", "megapixels per second", "against one", "core-seconds of the workers", "share of time at work"),
        tuple(rows),
        f"An image of {megapixels} megapixels, blocks of 1024 px, workers of one thread each on this computer, which "
        "have loaded their libraries before. It tells something where as many cores are free as there are workers. "
        "More core-seconds for the same work: workers slow each other down at the memory. A lower share of time "
        "at work: they wait for each other, or for the processor.",
    )


def seconds(workers: int, megapixels: int) -> tuple[float, float]:
    """Return how long the image takes with so many workers, and their core-seconds, after a small one as a warm-up."""
    from napari_unet_nuclei.core.blocks.segment import segment_blockwise
    from napari_unet_nuclei.core.executors.cluster import dask_cluster
    from napari_unet_nuclei.core.image.axes import ImageSource
    from napari_unet_nuclei.core.image.io.read import read_image
    from napari_unet_nuclei.core.progress import Silent
    from napari_unet_nuclei.core.segment.request import SegmentRequest
    from napari_unet_nuclei.core.settings import SegmentSettings

    took = used = 0.0
    with tempfile.TemporaryDirectory() as folder, dask_cluster(workers=workers) as cluster:
        for name, size in (("warming", 4), ("measured", megapixels)):
            path = write_image(Path(folder, f"{name}.ome.zarr"), size)
            settings = SegmentSettings(device="cpu").changed(diameter=22.0)
            request = SegmentRequest(ImageSource(read_image(path).array, "YX"), settings, file=str(path))
            before = sum(cluster.client.run(time.process_time).values())
            started = time.perf_counter()
            segment_blockwise(request, Path(folder, f"{name}_labels.ome.zarr"), Silent(), block=1024, executor=cluster)
            took = time.perf_counter() - started
            used = sum(cluster.client.run(time.process_time).values()) - before
    return took, used

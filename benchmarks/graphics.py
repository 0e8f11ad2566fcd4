"""A graphics card: a folder against its slowest stage, nuclei against the processor's, and memory that runs short."""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from pathlib import Path

from benchmarks.child import in_child
from benchmarks.images import field, write_folder
from benchmarks.table import Table

IMAGES = 48
MEGAPIXELS = 1
LANES = (2, 4, 8, 16)
WORKERS = (4, 8, 16)
SHORT_MEGAPIXELS = 16
GIBIBYTES_LEFT = (8, 1, 0.5, 0.25, 0.05)


def measure() -> Table:
    with tempfile.TemporaryDirectory() as name:
        folder = write_folder(Path(name) / "images", IMAGES, MEGAPIXELS)
        alone, stages, nuclei, device = in_child(run, str(folder), str(Path(name) / "one"), 1, bound=False)
        cores = os.cpu_count() or 1
        network, others = stages["network"], alone - stages["network"]
        slowest = max(network, others / min(cores, IMAGES))
        rows = [("1", f"{alone:.2f}", f"{IMAGES / alone:.1f}", f"{alone / slowest:.2f}")]
        for lanes in (0, *LANES):
            wall, _, found, _ = in_child(run, str(folder), str(Path(name) / f"lanes {lanes}"), lanes, bound=False)
            assert found == nuclei, "nuclei must not depend on how many images are in hand"
            title = f"{lanes}" if lanes else "as the program chooses"
            rows.append((title, f"{wall:.2f}", f"{IMAGES / wall:.1f}", f"{wall / slowest:.2f}"))
        for workers in WORKERS if importlib.util.find_spec("distributed") else ():
            wall, found = in_child(
                run_workers, str(folder), str(Path(name) / f"workers {workers}"), workers, bound=False
            )
            assert found == nuclei, "nuclei must not depend on who does an image"
            rows.append((f"--workers {workers}", f"{wall:.2f}", f"{IMAGES / wall:.1f}", f"{wall / slowest:.2f}"))
    parts = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in stages.items())
    return Table(
        f"A folder of {IMAGES} images of {MEGAPIXELS} megapixel on {device}",
        ("images at once", "seconds", "images/s", "against the slowest stage"),
        tuple(rows),
        f"One image after the other: {parts}. The slowest stage takes {slowest:.2f} s: the network, or all else "
        f"divided by {cores} cores. Aim: at most 1.1 times that.",
    )


def agreement() -> Table:
    """Compare the nuclei that a card finds with those of the processor."""
    rows = [(name, f"{nuclei:,}", f"{same:.3f}") for name, nuclei, same in in_child(compare, bound=False)]
    return Table(
        "Nuclei of the card against those of the processor",
        ("image", "nuclei", "AP at IoU 0.9"),
        tuple(rows),
        "The card computes in float16, the processor in its fastest format. Aim: at least 0.99.",
    )


def shortage() -> Table:
    """Segment a large image while other programs hold most of the card's memory."""
    rows = [
        (f"{left:g} GiB", f"{seconds:.2f}", said, f"{same:.3f}")
        for left, seconds, said, same in in_child(run_short, bound=False)
    ]
    return Table(
        f"{SHORT_MEGAPIXELS} megapixels where the card's memory runs short",
        ("memory left", "seconds", "what is said", "AP at IoU 0.9"),
        tuple(rows),
        "Memory is really taken, so PyTorch really fails to allocate. AP is against the nuclei of the idle card.",
    )


def compare() -> list[tuple[str, int, float]]:
    """Segment drawn images on both devices; returns their names, numbers of nuclei, and how alike they are."""
    from napari_unet_nuclei import segment
    from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei, stained_tissue

    found = []
    for name, sample in (("fluorescence", fluorescent_nuclei(0, (1024, 1024))), ("tissue", stained_tissue())):
        card, processor = (segment(sample.image, axes=sample.axes, device=name).labels for name in ("auto", "cpu"))
        found.append((name, int(processor.max()), alike(processor, card)))
    return found


def run_short() -> list[tuple[float, float, str, float]]:
    """Segment with ever less memory; returns GiB left, seconds, what is said, and how alike the nuclei stay."""
    import torch

    from napari_unet_nuclei import segment

    image = field(SHORT_MEGAPIXELS)
    whole = segment(image, axes="YX", diameter=22.0).labels
    found = []
    for left in GIBIBYTES_LEFT:
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info()
        taken = torch.empty(max(int(free - left * 2**30), 0), dtype=torch.uint8, device="cuda")
        started = time.perf_counter()
        result = segment(image, axes="YX", diameter=22.0)
        said = " ".join(result.notices) or "nothing"
        found.append((left, time.perf_counter() - started, said, alike(whole, result.labels)))
        del taken
    return found


def alike(labels, others) -> float:
    """Average precision at IoU 0.9 of labels against others."""
    from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, match

    return float(match(labels, others).average_precision[IOU_THRESHOLDS.index(0.9)])


def run(folder: str, out: str, lanes: int) -> tuple[float, dict[str, float], int, str]:
    """Segment the folder on the preferred device; returns wall-clock seconds, those of each stage, nuclei, device.

    Parameters
    ----------
    folder, out : str
    lanes : int
        Images at once; 0 for as many as the program chooses. Stages add up to the whole only where it is 1.
    """
    import torch

    from napari_unet_nuclei import segment_folder
    from napari_unet_nuclei.core.executors import executors
    from napari_unet_nuclei.core.folder import one_image
    from napari_unet_nuclei.core.folder import run as batch_run
    from napari_unet_nuclei.core.segment import nuclei
    from napari_unet_nuclei.core.segment.network_runner import NetworkRunner

    stages: dict[str, float] = {}
    for place, name, stage in (
        (one_image, "hash_image", "reading"),
        (one_image, "read_image", "reading"),
        (NetworkRunner, "run", "network"),
        (nuclei, "decode_plane", "decoding"),
        (one_image, "measure_result", "measuring"),
        (one_image, "write_outputs", "writing"),
    ):
        setattr(place, name, timed(getattr(place, name), stage, stages))
    if lanes:
        executors.GRAPHICS_LANES = executors.MOST_LANES = lanes
    if lanes == 1:
        batch_run.WAITING_ROOM = 0
    warm_up()
    stages.clear()
    started = time.perf_counter()
    report = segment_folder(folder, out, diameter=22.0)
    seconds = time.perf_counter() - started
    device = report.succeeded[0].device if report.succeeded else f"{torch.cuda.device_count()} cards"
    return seconds, stages, sum(record.nuclei for record in report.records), device


def run_workers(folder: str, out: str, workers: int) -> tuple[float, int]:
    """Segment the folder with worker processes that share the device; returns seconds and nuclei."""
    from napari_unet_nuclei import dask_cluster, segment_folder

    with dask_cluster(workers=workers) as cluster:
        segment_folder(folder, f"{out} warming", diameter=22.0, executor=cluster)  # every worker loads everything
        started = time.perf_counter()
        report = segment_folder(folder, out, diameter=22.0, executor=cluster)
        return time.perf_counter() - started, sum(record.nuclei for record in report.records)


def warm_up() -> None:
    """Load everything, and let the card choose its algorithms."""
    from napari_unet_nuclei import segment

    segment(field(MEGAPIXELS), axes="YX", diameter=22.0)


def timed(function, stage: str, stages: dict[str, float]):
    """Let a function add its seconds to those of a stage."""

    def measured(*arguments, **named):
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            stages[stage] = stages.get(stage, 0.0) + time.perf_counter() - started

    return measured


if __name__ == "__main__":
    for table in (agreement, shortage, measure):
        print(table().markdown(), flush=True)

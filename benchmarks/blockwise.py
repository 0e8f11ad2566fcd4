"""Peak memory and time of images that are segmented block by block, each in a process of its own."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.child import in_child
from benchmarks.images import DIAMETER, field
from benchmarks.memory import highest_resident
from benchmarks.table import Table

MEGAPIXELS = (1, 16, 100, 400)


def measure(megapixels: tuple[int, ...] = MEGAPIXELS) -> Table:
    rows = []
    for size in megapixels:
        peak, seconds, nuclei = in_child(run, size)
        rows.append((f"{size}", f"{nuclei}", f"{peak / 1e9:.2f}", f"{seconds:.0f}", f"{seconds / size:.2f}"))
    return Table(
        "Images larger than memory",
        ("megapixels", "nuclei", "peak of the process GB", "seconds", "seconds per megapixel"),
        tuple(rows),
        "An OME-Zarr image of chunks of 1024 px is segmented into OME-Zarr labels, on the CPU, block after block of "
        "the usual size. Resident memory at its highest, with Python, PyTorch and everything else. Aim: at most 2 GB, "
        "whatever the size.",
    )


def run(megapixels: int) -> tuple[int, float, int]:
    """Return (bytes at the peak, seconds, nuclei)."""
    from napari_unet_nuclei.core.blocks.segment import segment_blockwise
    from napari_unet_nuclei.core.executors.malloc import keep_freed_memory
    from napari_unet_nuclei.core.image.axes import ImageSource
    from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
    from napari_unet_nuclei.core.progress import Silent
    from napari_unet_nuclei.core.segment.request import SegmentRequest
    from napari_unet_nuclei.core.settings import SegmentSettings

    keep_freed_memory()  # as the command line does
    with tempfile.TemporaryDirectory() as folder:
        path = write_image(Path(folder, "image.ome.zarr"), megapixels)
        array = read_ome_zarr(path).levels[0]
        request = SegmentRequest(ImageSource(array, "YX"), SegmentSettings(device="cpu"), file=str(path))
        started = time.perf_counter()
        result = segment_blockwise(request, Path(folder, "labels.ome.zarr"), Silent())
        seconds = time.perf_counter() - started
        assert 0.7 * DIAMETER < result.diameter < 1.4 * DIAMETER
    return highest_resident(), seconds, result.count


def write_image(path: Path, megapixels: int) -> Path:
    """Write a square image piece by piece, so that it never lies in memory."""
    import zarr

    piece = field(1)
    repeats = round(megapixels**0.5)
    side = repeats * len(piece)
    group = zarr.create_group(path)
    array = group.create_array("0", shape=(side, side), dtype=piece.dtype, chunks=piece.shape)
    for y in range(repeats):
        for x in range(repeats):
            array[y * len(piece) : (y + 1) * len(piece), x * len(piece) : (x + 1) * len(piece)] = np.asarray(piece)
    scale = [{"type": "scale", "scale": [0.3, 0.3]}]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    return path

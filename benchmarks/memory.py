"""Peak memory of a segmentation, each in a process of its own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from benchmarks.child import in_child
from benchmarks.images import field
from benchmarks.table import Table

MEGAPIXELS = (1, 16)


def measure() -> Table:
    rows = []
    for megapixels in MEGAPIXELS:
        ready, peak = in_child(peak_memory, megapixels)
        rows.append((f"{megapixels}", f"{peak / 1e9:.2f}", f"{(peak - ready) / 1e9:.2f}"))
    return Table(
        "Memory",
        ("megapixels", "peak of the process GB", "of which the run GB"),
        tuple(rows),
        "Resident memory at its highest, with Python, PyTorch, model, image, maps and labels; the run's part is what "
        "was added after PyTorch, the model and the image were there. Aim: 16 megapixels in at most 1.6 GB.",
    )


def peak_memory(megapixels: int) -> tuple[int, int]:
    """Return bytes (before the run, at the peak)."""
    from napari_unet_nuclei import load_model, segment

    load_model()
    image = field(megapixels)
    ready = highest_resident()
    segment(image, axes="YX")
    return ready, highest_resident()


def highest_resident() -> int:
    """Return the most bytes of memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():  # the counter below would include what the parent held when it made this process
        kilobytes = re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"))
        assert kilobytes is not None, "Linux counts this for every process"
        return int(kilobytes[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

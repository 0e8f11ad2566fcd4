"""Finds the number format in which this computer's processor is fastest, once, and keeps the answer.

Labels of two formats differ by pixels, so the answer must not depend on what else the computer is doing: it is timed on
one thread, in seconds of that thread alone, and then read from a file by all further processes.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from functools import cache
from pathlib import Path
from typing import get_args

import platformdirs
import torch
import torch.nn.functional as F

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.types import NumberFormat

FOLDER_VARIABLE = "NAPARI_UNET_NUCLEI_CACHE"

REPEATS = 15

GAIN = 1.15
"""bfloat16 must be faster by this factor: where it gains nothing, the more exact float32 is taken."""


@cache
def cpu_number_format() -> NumberFormat:
    """Return the number format for the network on this computer's processor.

    Timed by the first process that asks (some 20 ms) and kept in `cache_folder`, by processor and version of PyTorch.
    """
    computer = _computer()
    name = hashlib.sha256(json.dumps(computer, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_folder() / f"number-format-{name}.json"
    chosen = _read(path, computer)
    if not chosen:
        timed = faster_format(time_formats())
        chosen = _read(path, computer) or timed  # what another process has found meanwhile counts
        _keep(path, computer, chosen)
    return chosen


def cache_folder() -> Path:
    """Return the folder for what can be found again; the variable ``NAPARI_UNET_NUCLEI_CACHE`` names another one."""
    named = os.environ.get(FOLDER_VARIABLE, "")
    return Path(named) if named else platformdirs.user_cache_path("napari-unet-nuclei", appauthor=False)


def time_formats() -> dict[NumberFormat, float]:
    """Time one small convolution in every format, in seconds of one thread: the shortest of several.

    PyTorch's own query says yes also on processors that emulate bfloat16, three times slower than float32.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {number_format: _shortest(getattr(torch, number_format)) for number_format in get_args(NumberFormat)}
    finally:
        torch.set_num_threads(threads)


def faster_format(seconds: dict[NumberFormat, float]) -> NumberFormat:
    """Choose by how long a convolution takes.

    Examples
    --------
    >>> faster_format({"float32": 2.0, "bfloat16": 1.0}), faster_format({"float32": 2.0, "bfloat16": 1.9})
    ('bfloat16', 'float32')
    """
    return "bfloat16" if seconds["bfloat16"] * GAIN < seconds["float32"] else "float32"


def _shortest(precision: torch.dtype) -> float:
    """Time a 3x3 convolution with 32 channels on 96x96 pixels."""
    image = torch.zeros(1, 32, 96, 96, dtype=precision).to(memory_format=torch.channels_last)
    kernel = torch.zeros(32, 32, 3, 3, dtype=precision).to(memory_format=torch.channels_last)
    shortest = float("inf")
    with torch.inference_mode():
        F.conv2d(image, kernel, padding=1)  # the first call prepares the library
        for _ in range(REPEATS):
            start = time.thread_time()
            F.conv2d(image, kernel, padding=1)
            shortest = min(shortest, time.thread_time() - start)
    return shortest


def _computer() -> dict[str, str]:
    """Describe what the answer depends on; folders may be shared by computers of several kinds."""
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    """Name the processor; on Linux, where virtual ones share a name, with all that it says it can do."""
    try:
        listing = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", maxsplit=1)[0]
    except OSError:
        return f"{platform.processor()} {platform.machine()}"
    told = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "CPU part", "Features")
    lines = (line.partition(":") for line in listing.splitlines())
    return " ".join(value.strip() for name, _, value in lines if name.strip() in told)


def _read(path: Path, computer: dict[str, str]) -> NumberFormat | None:
    """Read what was found on such a computer; None where that cannot be told."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        known = kept["computer"] == computer and kept["number format"] in get_args(NumberFormat)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return kept["number format"] if known else None


def _keep(path: Path, computer: dict[str, str], chosen: NumberFormat) -> None:
    """Keep what was found; where nothing can be written, the next process finds it again."""
    try:
        with atomic(path) as partial:
            partial.write_text(json.dumps({"computer": computer, "number format": chosen}, indent=2), encoding="utf-8")
    except OutputFileError:
        return

"""Find the fastest number format for this computer's processor, once, and remember it.

Labels differ by pixels between formats, so the answer must not depend on the load of the computer: it is timed in CPU
seconds of a single thread, and all further processes read it from a file.
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
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.core.types import NumberFormat

FOLDER_VARIABLE = "NAPARI_UNET_NUCLEI_CACHE"

REPEATS = 15
"""Timed convolutions, of which the fastest counts."""

GAIN = 1.15
"""bfloat16 must be faster by this factor: if it gains nothing, the more accurate float32 is better."""


@cache
def cpu_number_format() -> NumberFormat:
    """Return the number format for the network on this computer's processor.

    Timed by the first process that asks (about 20 ms) and stored in `cache_folder` by processor and PyTorch version.
    """
    computer = _computer()
    name = hashlib.sha256(json.dumps(computer, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_folder() / f"number-format-{name}.json"
    chosen = _read(path, computer)
    if not chosen:
        timed = faster_format(time_formats())
        chosen = _read(path, computer) or timed  # another process may have stored an answer meanwhile
        _keep(path, computer, chosen)
    return chosen


def cache_folder() -> Path:
    """Return the folder for what can be recomputed; ``NAPARI_UNET_NUCLEI_CACHE`` overrides it."""
    named = os.environ.get(FOLDER_VARIABLE, "")
    return Path(named) if named else platformdirs.user_cache_path("napari-unet-nuclei", appauthor=False)


def time_formats() -> dict[NumberFormat, float]:
    """Time one small convolution in every format, in CPU seconds of one thread: the fastest of several.

    PyTorch reports bfloat16 as available even on processors that emulate it, three times slower than float32.
    """
    # With one thread, the answer does not depend on how many cores are busy.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {number_format: _shortest(getattr(torch, number_format)) for number_format in get_args(NumberFormat)}
    finally:
        torch.set_num_threads(threads)


def faster_format(seconds: dict[NumberFormat, float]) -> NumberFormat:
    """Choose a format by the durations of a convolution.

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
        F.conv2d(image, kernel, padding=1)  # warm-up: the first call initialises the library
        for _ in range(REPEATS):
            # CPU time of this thread, which stands still while other programs run.
            start = time.thread_time()
            F.conv2d(image, kernel, padding=1)
            shortest = min(shortest, time.thread_time() - start)
    return shortest


def _computer() -> dict[str, str]:
    """Describe what the answer depends on: different computers may share a home folder."""
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    """Name the processor; on Linux with all its features, because virtual processors share names."""
    try:
        listing = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", maxsplit=1)[0]
    except OSError:
        return f"{platform.processor()} {platform.machine()}"
    told = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "CPU part", "Features")
    lines = (line.partition(":") for line in listing.splitlines())
    # Only lines that never change: the clock rate in the listing does.
    return " ".join(value.strip() for name, _, value in lines if name.strip() in told)


def _read(path: Path, computer: dict[str, str]) -> NumberFormat | None:
    """Read the answer stored for this computer; None if there is none."""
    try:
        kept = read_json(path)
        known = kept["computer"] == computer and kept["number format"] in get_args(NumberFormat)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return kept["number format"] if known else None


def _keep(path: Path, computer: dict[str, str], chosen: NumberFormat) -> None:
    """Store the answer; if that is impossible, the next process times again."""
    try:
        with atomic(path) as partial:
            partial.write_text(json.dumps({"computer": computer, "number format": chosen}, indent=2), encoding="utf-8")
    except OutputFileError:
        return

"""How long a slider's new threshold takes to become new labels."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

from benchmarks.child import in_child
from benchmarks.images import field
from benchmarks.table import Table

MEGAPIXELS = (1, 4, 16)
POSITIONS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
LARGEST = 100
"""px² that the slider of the smallest nucleus stands for at 1."""


def measure() -> Table:
    rows = []
    for megapixels in MEGAPIXELS:
        for threshold in ("foreground", "split", "score", "min_size"):
            median, worst, nuclei = in_child(decoding_milliseconds, megapixels, threshold)
            rows.append((f"{megapixels}", threshold, f"{median:.0f}", f"{worst:.0f}", f"{nuclei}"))
    return Table(
        "From slider to labels",
        ("megapixels", "slider", "median ms", "worst ms", "nuclei"),
        tuple(rows),
        "Decoding of the cached maps at nine positions of the slider, of a plane that was prepared for all positions "
        "of the foreground; what the window adds is below, where it was measured. Aim at 1 megapixel: 20 ms for the "
        "foreground, 10 ms for the others, whose basins are kept.",
    )


def decoding_milliseconds(megapixels: int, threshold: str) -> tuple[float, float, int]:
    """Return the median and the longest time of one move, and the number of nuclei at the model's own values."""
    from napari_unet_nuclei import segment

    result = segment(field(megapixels), axes="YX")
    assert result.decoder is not None, "maps are kept"
    result.decoder.prepare(lambda: None)  # as the window does while nothing else is to be done
    result.decode(result.thresholds)
    times = []
    for position in POSITIONS:
        start = time.perf_counter()
        value = round(position * LARGEST) if threshold == "min_size" else position
        result.decode(replace(result.thresholds, **{threshold: value}))
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times), max(times), result.count

"""What this machine can do at most: the rate of one large convolution, against which the network is held."""

from __future__ import annotations

import time

from benchmarks.child import in_child
from benchmarks.table import Table

SIDE, CHANNELS = 512, 64
PRECISIONS = ("float32", "bfloat16")


def measure() -> Table:
    rates = in_child(convolution_rates)
    return Table(
        "The machine's ceiling",
        ("number format", "TFLOP/s"),
        tuple((name, f"{rates[name] / 1e12:.3f}") for name in PRECISIONS),
        f"Best rate of a 3×3 convolution with {CHANNELS} channels on {SIDE}×{SIDE} pixels, channels_last.",
    )


def convolution_rates() -> dict[str, float]:
    return {name: convolution_rate(name) for name in PRECISIONS}


def convolution_rate(precision: str, seconds: float = 1.5, device: str = "cpu") -> float:
    """Best rate in FLOP/s within some seconds; a multiplication and an addition are two."""
    import torch
    import torch.nn.functional as F

    dtype = getattr(torch, precision)
    layout = torch.channels_last
    image = torch.rand(1, CHANNELS, SIDE, SIDE, dtype=dtype, device=device).to(memory_format=layout)
    kernel = torch.rand(CHANNELS, CHANNELS, 3, 3, dtype=dtype, device=device).to(memory_format=layout)
    shortest = float("inf")
    end = time.perf_counter() + seconds
    with torch.inference_mode():
        F.conv2d(image, kernel, padding=1)
        while time.perf_counter() < end:
            start = time.perf_counter()
            F.conv2d(image, kernel, padding=1)
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            shortest = min(shortest, time.perf_counter() - start)
    return 2 * 9 * CHANNELS**2 * SIDE**2 / shortest

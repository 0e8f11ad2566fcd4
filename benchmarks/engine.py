"""Seconds per megapixel of a whole segmentation, where they go, and how near the network comes to the ceiling."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.ceiling import convolution_rate
from benchmarks.child import in_child
from benchmarks.images import DIAMETER, field
from benchmarks.table import Table

if TYPE_CHECKING:
    from napari_unet_nuclei.core.model.unet import UNet

RUNS = {1: 5, 16: 2}
"""Runs by megapixels; the median counts."""


def measure() -> Table:
    found = [in_child(segmentation_figures, megapixels, runs) for megapixels, runs in RUNS.items()]
    rows = tuple(
        (
            f"{figures['megapixels']}",
            f"{figures['network']:.3f}",
            f"{figures['decoding']:.3f}",
            f"{figures['total']:.3f}",
            f"{figures['automatic']:.3f}",
            f"{100 * figures['share']:.0f} %",
            f"{figures['gigaflop']:.1f}",
            f"{figures['nuclei']}",
        )
        for figures in found
    )
    heads = ("megapixels", "network s/MP", "decoding s/MP", "total s/MP", "size estimated s/MP", "share of ceiling")
    device = found[0]["device"]
    return Table(
        "Segmenting",
        (*heads, "GFLOP/MP", "nuclei"),
        rows,
        f"On {device} in {found[0]['precision']}; a megapixel is 2^20 pixels, nuclei are {DIAMETER:g} px wide, and the "
        "diameter is given but in the column where the size is estimated. The ceiling is timed before every run, in "
        "the same number format; the network's work in a halo counts as time but not as work. Aims: at most 90 "
        "GFLOP/MP at 50 % of the ceiling, and estimating the size adds at most 20 % at 1 megapixel.",
    )


def segmentation_figures(megapixels: int, runs: int) -> dict[str, Any]:
    """Median times per megapixel, in seconds, with the share of the ceiling."""
    from napari_unet_nuclei import load_model, segment
    from napari_unet_nuclei.core.model.device import choose_device
    from napari_unet_nuclei.core.segment import nuclei as engine
    from napari_unet_nuclei.core.segment.network_runner import NetworkRunner

    image = field(megapixels)
    device = choose_device()
    precision = str(device.precision).removeprefix("torch.")
    network, decoding = Stopwatch(NetworkRunner.run), Stopwatch(engine.decode_plane)
    segment(image[:512, :512], axes="YX")  # loads the model and warms up
    bundled = load_model().network
    work = gigaflop_per_megapixel(bundled.fold_normalisation()) * 1e9 * megapixels
    times: dict[str, list[float]] = {"network": [], "decoding": [], "total": [], "automatic": []}
    shares = []
    for _ in range(runs):
        ceiling = convolution_rate(precision, 0.7, device.name)
        with (
            patch.object(NetworkRunner, "run", network.timed()),
            patch.object(engine, "decode_plane", decoding.timed()),
        ):
            start = time.perf_counter()
            result = segment(image, axes="YX", diameter=DIAMETER)
            times["total"].append(time.perf_counter() - start)
        times["network"].append(network.reset())
        shares.append(work / times["network"][-1] / ceiling)
        times["decoding"].append(decoding.reset())
        start = time.perf_counter()
        segment(image, axes="YX")
        times["automatic"].append(time.perf_counter() - start)
    return {
        **{name: statistics.median(values) / megapixels for name, values in times.items()},
        "megapixels": megapixels,
        "gigaflop": work / 1e9 / megapixels,
        "share": statistics.median(shares),
        "nuclei": result.count,
        "device": result.device,
        "precision": precision,
    }


def gigaflop_per_megapixel(network: UNet) -> float:
    """Count a network's operations, a multiplication and an addition being two."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    side = 512
    with FlopCounterMode(display=False) as counted, torch.inference_mode():
        network(torch.zeros(1, network.architecture.in_channels, side, side))
    return counted.get_total_flops() * 2**20 / side**2 / 1e9


class Stopwatch:
    """Adds up the time spent in a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.seconds = 0.0

    def timed(self) -> Callable[..., Any]:
        """Return the function, which from now on adds its time."""

        def call(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return self.function(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - start

        return call

    def reset(self) -> float:
        """Return the seconds since the last reset."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds

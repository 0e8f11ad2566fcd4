"""What a network costs to run: its work, and its time beside what the machine can do at most."""

from __future__ import annotations

from benchmarks.ceiling import convolution_rate
from benchmarks.engine import gigaflop_per_megapixel

TIMED_RUNS = 5
SIDE = 1024


def costs(path: str) -> dict[str, float]:
    """Weights, work per megapixel, the fastest of some runs over a megapixel, and the ceiling beside it."""
    import time

    import torch

    from napari_unet_nuclei.core.model.device import choose_device
    from napari_unet_nuclei.core.model.registry import load_model

    model, device = load_model(path), choose_device()
    weights = sum(value.numel() for value in model.network.parameters())
    gigaflop = gigaflop_per_megapixel(model.network)
    network = device.place(model.network.fold_normalisation())
    image = torch.rand(1, model.card.architecture.in_channels, SIDE, SIDE).to(device.name, device.precision)
    image = image.to(memory_format=torch.channels_last)
    fastest, ceiling = float("inf"), 0.0
    with torch.inference_mode():
        for _ in range(TIMED_RUNS):
            ceiling = max(ceiling, convolution_rate(str(device.precision).removeprefix("torch."), 0.4, device.name))
            start = time.perf_counter()
            network(image).float().cpu()
            fastest = min(fastest, time.perf_counter() - start)
    return {"weights": weights, "gigaflop": gigaflop, "seconds": fastest * 2**20 / SIDE**2, "ceiling": ceiling}

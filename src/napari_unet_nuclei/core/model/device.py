"""Choose where the network runs, and in which number format it is fastest there."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import nn

from napari_unet_nuclei.core.errors import DeviceError


@dataclass(frozen=True)
class Device:
    """A device that can run the network.

    Attributes
    ----------
    name : str
        As PyTorch names it: ``cpu``, ``cuda:0``, ``mps``.
    title : str
        For people: the graphics card's or processor's name.
    precision : torch.dtype
        Number format of the convolutions.
    """

    name: str
    title: str
    precision: torch.dtype

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network here, in this precision and in the memory layout that is fastest for convolutions."""
        placed: nn.Module = network.to(self.name, self.precision).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        return placed


def choose_device(request: str = "auto") -> Device:
    """Find the device that was asked for; ``auto`` takes cuda, mps, cpu in that order.

    Parameters
    ----------
    request : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises
    ------
    DeviceError
        If there is no such device on this computer.
    """
    available = available_devices()
    name = {"cuda": "cuda:0", "auto": available[0]}.get(request, request)
    if name not in available:
        raise DeviceError(f"There is no device '{request}' on this computer. Choose one of: {', '.join(available)}.")
    if name == "cpu":
        return Device(name, platform.processor() or platform.machine(), fastest_cpu_precision())
    title = torch.cuda.get_device_name(name) if name.startswith("cuda") else "Apple graphics processor"
    return Device(name, title, torch.float16)


def available_devices() -> tuple[str, ...]:
    """Names of the devices of this computer, the preferred one first; ``cpu`` is always there and last."""
    graphics = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        graphics.append("mps")
    return (*graphics, "cpu")


@cache
def fastest_cpu_precision() -> torch.dtype:
    """Time one small convolution in float32 and bfloat16 (at most 50 ms, once per process) and name the faster.

    PyTorch's own query says yes also on processors that emulate bfloat16, three times slower than float32.
    """
    seconds = {precision: _convolution_seconds(precision) for precision in (torch.float32, torch.bfloat16)}
    return min(seconds, key=seconds.__getitem__)


def _convolution_seconds(precision: torch.dtype, budget: float = 0.02) -> float:
    """Shortest time of a 3x3 convolution with 32 channels on 96x96 pixels, within about ``budget`` seconds."""
    image = torch.zeros(1, 32, 96, 96, dtype=precision).to(memory_format=torch.channels_last)
    kernel = torch.zeros(32, 32, 3, 3, dtype=precision).to(memory_format=torch.channels_last)
    shortest = float("inf")
    end = time.perf_counter() + budget
    with torch.inference_mode():
        F.conv2d(image[..., :8, :8], kernel)  # the first call prepares the library
        while True:
            start = time.perf_counter()
            F.conv2d(image, kernel, padding=1)
            now = time.perf_counter()
            shortest = min(shortest, now - start)
            if now > end:
                return shortest

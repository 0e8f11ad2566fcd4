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

TIMING_BUDGET = 0.03
"""Seconds that the choice of the number format may take."""


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

    PyTorch's own query says yes also on processors that emulate bfloat16, three times slower than float32. The two
    take turns, so that another program that wants the processor slows both.
    """
    trials = {precision: _Trial(precision) for precision in (torch.float32, torch.bfloat16)}
    end = time.perf_counter() + TIMING_BUDGET
    while time.perf_counter() < end:
        for trial in trials.values():
            trial.run()
    return min(trials, key=lambda precision: trials[precision].shortest)


class _Trial:
    """A 3x3 convolution with 32 channels on 96x96 pixels, and the shortest time that it took so far, in seconds."""

    def __init__(self, precision: torch.dtype) -> None:
        self._image = torch.zeros(1, 32, 96, 96, dtype=precision).to(memory_format=torch.channels_last)
        self._kernel = torch.zeros(32, 32, 3, 3, dtype=precision).to(memory_format=torch.channels_last)
        self.shortest = float("inf")
        with torch.inference_mode():
            F.conv2d(self._image[..., :8, :8], self._kernel)  # the first call prepares the library

    def run(self) -> None:
        """Time one convolution."""
        start = time.perf_counter()
        with torch.inference_mode():
            F.conv2d(self._image, self._kernel, padding=1)
        self.shortest = min(self.shortest, time.perf_counter() - start)

"""A simulated device whose memory holds only small tiles, and a plane to segment on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.normalise import IntensityRange
from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.samples.drawing import camera, draw_nuclei
from tests.helpers.tiny import GREY

GRAPHICS = "cpu:0"
"""PyTorch takes this for the processor, and the engine for another device."""


CPU_SHORTAGE = (
    "[enforce fail at alloc_cpu.cpp:115] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
)


class Limited(nn.Module):
    """A network on a device that has no memory for more than so many pixels."""

    def __init__(self, network: nn.Module, pixels: int, error: Exception | None) -> None:
        super().__init__()
        self.network, self.pixels, self.error = network, pixels, error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-1] * x.shape[-2] > self.pixels:
            raise self.error or RuntimeError(CPU_SHORTAGE)
        return self.network(x)


@dataclass(frozen=True)
class SmallDevice(Device):
    """Simulated: a device that runs out of memory above ``pixels``."""

    pixels: int = 0
    error: Exception | None = None

    def place(self, network: nn.Module) -> nn.Module:
        return Limited(super().place(network), self.pixels, self.error)


def small_device(name: str, side: int, error: Exception | None = None) -> SmallDevice:
    return SmallDevice(name, "simulated", torch.float32, side**2, error)


def reader(shape: tuple[int, int] = (300, 420)) -> PlaneReader:
    light, _ = draw_nuclei(shape, 22, 60, np.random.default_rng(0))
    source = ImageSource(camera(light, np.random.default_rng(0)), "YX")
    return PlaneReader(source, (), (0, shape[0], 0, shape[1]), GREY, (IntensityRange(100, 700),))

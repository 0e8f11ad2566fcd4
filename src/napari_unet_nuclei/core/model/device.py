"""Choose where the network runs, and the number format that is fastest there."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace

import torch
from torch import nn

from napari_unet_nuclei.core.errors import DeviceError
from napari_unet_nuclei.core.model.number_format import cpu_number_format
from napari_unet_nuclei.core.types import NumberFormat


@dataclass(frozen=True)
class Device:
    """A device that can run the network."""

    name: str  # as PyTorch names it: `cpu`, `cuda:0`, `xpu:0`, `mps`
    title: str  # name of the graphics card or processor, for people
    precision: torch.dtype  # number format of the convolutions

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network to the device, in its precision and the memory layout that is fastest for convolutions."""
        placed: nn.Module = network.to(self.name, self.precision).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        return placed

    def using(self, number_format: NumberFormat | None) -> Device:
        """Return this device with another number format if it is a processor; graphics cards keep their own."""
        if number_format is None or self.name != "cpu":
            return self
        return replace(self, precision=getattr(torch, number_format))


def choose_device(request: str = "auto") -> Device:
    """Find a device by its PyTorch name; ``auto`` prefers cuda, then xpu (Intel), then mps (Apple), then cpu.

    Raise DeviceError if there is no such device on this computer.
    """
    available = available_devices()
    name = {"cuda": "cuda:0", "xpu": "xpu:0", "auto": available[0]}.get(request, request)
    if name not in available:
        raise DeviceError(f"There is no device '{request}' on this computer. Choose one of: {', '.join(available)}.")
    if name == "cpu":
        return processor(cpu_number_format())
    # Not bfloat16, which older graphics cards lack.
    return Device(name, _title_of_graphics(name), torch.float16)


def processor(number_format: NumberFormat) -> Device:
    """Return this computer's processor, with a number format."""
    return Device("cpu", platform.processor() or platform.machine(), getattr(torch, number_format))


def available_devices() -> tuple[str, ...]:
    """Names of this computer's devices, in order of preference; ``cpu`` is always the last one."""
    graphics = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    graphics += [f"xpu:{index}" for index in range(torch.xpu.device_count())]
    if torch.backends.mps.is_available():
        graphics.append("mps")
    return (*graphics, "cpu")


def _title_of_graphics(name: str) -> str:
    if name == "mps":
        return "Apple graphics processor"
    kind = torch.cuda if name.startswith("cuda") else torch.xpu
    return str(kind.get_device_name(name))

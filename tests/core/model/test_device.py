from __future__ import annotations

import pytest
import torch

from napari_unet_nuclei.core.errors import DeviceError
from napari_unet_nuclei.core.model.device import Device, available_devices, choose_device
from tests.helpers.tiny import tiny_network


def test_the_processor_is_always_there_and_last():
    assert available_devices()[-1] == "cpu"
    assert choose_device("cpu").name == "cpu"


def test_the_preferred_device_is_chosen_and_has_a_name_for_people():
    device = choose_device("auto")
    assert device.name == available_devices()[0]
    assert device.title


@pytest.mark.parametrize("request_", ["cuda:99", "tpu", "", "CPU"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(request_):
    with pytest.raises(DeviceError, match="cpu"):
        choose_device(request_)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this computer has CUDA")
def test_cuda_without_a_graphics_card_is_refused():
    with pytest.raises(DeviceError):
        choose_device("cuda")


def test_graphics_of_intel_that_are_simulated_come_before_the_processor(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 2)
    monkeypatch.setattr(torch.xpu, "get_device_name", lambda name: f"Arc {name}")
    assert available_devices()[:2] == ("xpu:0", "xpu:1")
    assert choose_device("auto") == choose_device("xpu") == Device("xpu:0", "Arc xpu:0", torch.float16)
    assert choose_device("xpu:1").title == "Arc xpu:1"


def test_a_run_decides_on_the_number_format_of_processors_alone():
    processor = Device("cpu", "the processor", torch.float32)
    assert processor.using("bfloat16").precision == torch.bfloat16
    assert processor.using(None) is processor
    graphics = Device("cuda:0", "a graphics card", torch.float16)
    assert graphics.using("bfloat16") is graphics


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_network_is_placed_in_precision_and_layout(precision):
    placed = Device("cpu", "the processor", precision).place(tiny_network())
    weight = placed.heads.weight
    assert weight.dtype == precision
    assert weight.is_contiguous(memory_format=torch.channels_last)

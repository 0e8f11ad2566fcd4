from __future__ import annotations

import time

import pytest
import torch

from napari_unet_nuclei.core.errors import DeviceError
from napari_unet_nuclei.core.model.device import Device, available_devices, choose_device, fastest_cpu_precision
from tests.core.tiny import tiny_network


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


def test_the_faster_precision_is_found_once_and_quickly():
    fastest_cpu_precision.cache_clear()
    start = time.process_time()
    precision = fastest_cpu_precision()
    assert time.process_time() - start < 0.5  # 50 ms alone; tests share their processor
    assert precision in (torch.float32, torch.bfloat16)
    assert fastest_cpu_precision() is precision


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_network_is_placed_in_precision_and_layout(precision):
    placed = Device("cpu", "the processor", precision).place(tiny_network())
    weight = placed.heads.weight
    assert weight.dtype == precision
    assert weight.is_contiguous(memory_format=torch.channels_last)

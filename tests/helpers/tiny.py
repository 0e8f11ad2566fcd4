"""Networks and models so small that a test can afford them: random weights, every part of the real thing."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from napari_unet_nuclei.core.image.plane import PlaneLook, Signal
from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model, save_model
from napari_unet_nuclei.core.model.unet import UNet

TINY = Architecture(base_width=4, depth=2)
TINY_CLASSES = Architecture(base_width=4, depth=2, heads=("classes",), classes=3)
CLASS_NAMES = ("sky", "road", "car")
FLOAT32 = Device("cpu", "the processor", torch.float32)
GREY = PlaneLook("fluorescence", (Signal("intensity", (0,)),), "only channel")
"""How an image of one channel is read."""


def tiny_network(architecture: Architecture = TINY, seed: int = 0) -> UNet:
    """Random weights, and batch norms that have seen something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = UNet(architecture)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.3, 1.5)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def tiny_model(name: str = "tiny", architecture: Architecture = TINY, seed: int = 0) -> Model:
    return Model(ModelCard(name=name, architecture=architecture), tiny_network(architecture, seed))


def write_tiny_model(path: Path, name: str = "tiny", architecture: Architecture = TINY, seed: int = 0) -> ModelCard:
    return save_model(path, tiny_model(name, architecture, seed))


def tiny_class_model(architecture: Architecture = TINY_CLASSES, seed: int = 0) -> Model:
    """A model for classes whose network gives all three of them."""
    network = tiny_network(architecture, seed)
    card = ModelCard(name="tiny classes", task="semantic", classes=CLASS_NAMES, architecture=architecture)
    return Model(card, network)

"""Start a network from the weights of a model that may have been trained with other input channels."""

from __future__ import annotations

import torch

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.card import Architecture
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet

FIRST_WEIGHTS = "encoder.0.first.convolution.weight"
"""The only tensor whose shape depends on the number of input channels."""


def start_from(model: Model, architecture: Architecture) -> UNet:
    """Return a network in evaluation mode that gives the same output as ``model`` if all its input channels are equal.

    With the same number of channels, the weights are copied. Otherwise the filters of the first convolution are summed
    over its channels, repeated for every new channel and divided by their number, as Carreira and Zisserman 2017 (*Quo
    vadis, action recognition?*, CVPR) inflate the filters of images to videos.

    Raise ModelFileError if the architectures differ in anything but ``in_channels``.
    """
    own = model.card.architecture
    if own.model_copy(update={"in_channels": architecture.in_channels}) != architecture:
        raise ModelFileError(
            f"The network of '{model.card.name}' differs in architecture from the one to be trained, so training "
            "cannot start from it. Leave out the options that change the network, or the model to start from."
        )
    wanted = architecture.in_channels
    weights = dict(model.network.state_dict())
    if wanted != own.in_channels:
        # With a space-to-depth stem every channel has several inputs, one after the other.
        of_one = sum(weights[FIRST_WEIGHTS].chunk(own.in_channels, dim=1))
        weights[FIRST_WEIGHTS] = torch.cat([of_one] * wanted, dim=1) / wanted
    network = UNet(architecture)
    network.load_state_dict(weights)
    return network.eval()

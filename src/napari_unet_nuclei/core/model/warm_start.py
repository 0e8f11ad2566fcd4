"""Start a network from the weights of a model that was trained on images of other channels."""

from __future__ import annotations

import torch

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.card import Architecture
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet

FIRST_WEIGHTS = "encoder.0.first.convolution.weight"
"""The only tensor whose shape depends on the number of input channels."""


def start_from(model: Model, architecture: Architecture) -> UNet:
    """Return a network of ``architecture`` that answers like ``model`` where all its input channels show the same.

    Parameters
    ----------
    model : Model
        May take another number of channels than the architecture.
    architecture : Architecture
        Like the model's but for ``in_channels``.

    Raises
    ------
    ModelFileError
        If the model's network is of another shape.

    Notes
    -----
    With as many channels, the weights are the model's. With another number, the filters of the first convolution are
    summed over its channels, repeated for each new one and divided by their number, as Carreira and Zisserman 2017
    (*Quo vadis, action recognition?*, CVPR) repeat those of images for the frames of a film.
    """
    own = model.card.architecture
    if own.model_copy(update={"in_channels": architecture.in_channels}) != architecture:
        raise ModelFileError(
            f"The network of '{model.card.name}' has another shape than the one that is to be trained, so its weights "
            "cannot be its start. Leave out the options that change the network, or the model to start from."
        )
    wanted = architecture.in_channels
    weights = dict(model.network.state_dict())
    if wanted != own.in_channels:
        # A stem that trades resolution for depth gives several inputs per channel, those of one channel in a row.
        of_one = sum(weights[FIRST_WEIGHTS].chunk(own.in_channels, dim=1))
        weights[FIRST_WEIGHTS] = torch.cat([of_one] * wanted, dim=1) / wanted
    network = UNet(architecture)
    network.load_state_dict(weights)
    return network.eval()

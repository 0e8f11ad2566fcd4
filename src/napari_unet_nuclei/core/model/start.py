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
        Takes one channel, or as many as the architecture.
    architecture : Architecture
        Like the model's but for ``in_channels``.

    Raises
    ------
    ModelFileError
        If the model's network is of another shape.

    Notes
    -----
    The filters of the first convolution are repeated for each channel and divided by their number, as Carreira and
    Zisserman 2017 (*Quo vadis, action recognition?*, CVPR) repeat those of images for the frames of a film.
    """
    own = model.card.architecture
    if own.model_copy(update={"in_channels": architecture.in_channels}) != architecture or own.in_channels not in (
        1,
        architecture.in_channels,
    ):
        raise ModelFileError(
            f"The network of '{model.card.name}' has another shape than the one that is to be trained, so its weights "
            "cannot be its start. Leave out the options that change the network, or the model to start from."
        )
    repeats = architecture.in_channels // own.in_channels
    weights = dict(model.network.state_dict())
    weights[FIRST_WEIGHTS] = torch.cat([weights[FIRST_WEIGHTS]] * repeats, dim=1) / repeats
    network = UNet(architecture)
    network.load_state_dict(weights)
    return network.eval()

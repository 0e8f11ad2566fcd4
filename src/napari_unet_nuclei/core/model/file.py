"""Model files: safetensors with the card in the header. Nothing is unpickled and no code is run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.model.card import ModelCard, read_card
from napari_unet_nuclei.core.model.unet import UNet


@dataclass(frozen=True)
class Model:
    """A network with its card.

    Attributes
    ----------
    card : ModelCard
    network : UNet
        float32, on the CPU, in evaluation mode; never changed after loading.
    """

    card: ModelCard
    network: UNet


def save_model(path: Path, model: Model) -> ModelCard:
    """Write a model file atomically, weights as float16, and return the card with the weights' hash.

    Raises
    ------
    ModelFileError
        If a weight does not fit into float16.
    OutputFileError
        If the file cannot be written.
    """
    tensors = {
        name: value.half() if value.is_floating_point() else value for name, value in model.network.state_dict().items()
    }
    if not all(torch.isfinite(value).all() for value in tensors.values() if value.is_floating_point()):
        raise ModelFileError(f"The weights of '{model.card.name}' are too large for a model file: training diverged.")
    card = model.card.model_copy(update={"weights_hash": hash_weights(tensors)})
    content = save({name: value.contiguous() for name, value in tensors.items()}, {"card": card.model_dump_json()})
    with atomic(path) as temporary:
        temporary.write_bytes(content)
    return card


def read_model(path: Path) -> Model:
    """Load a model file after checking its size, card, tensor shapes and hash.

    Raises
    ------
    ModelFileError
        If any of them is not what it should be; the message says which.
    """
    card = read_card(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"The model file {path} is damaged: {error}.") from error
    with torch.device("meta"):
        expected = {name: value.shape for name, value in UNet(card.architecture).state_dict().items()}
    if {name: value.shape for name, value in tensors.items()} != expected:
        raise ModelFileError(f"The weights in {path} do not fit the network that its card describes.")
    if hash_weights(tensors) != card.weights_hash:
        raise ModelFileError(f"The weights in {path} were changed after the model was saved. Get the file again.")
    network = UNet(card.architecture)
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    )
    return Model(card, network.eval())


def hash_weights(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of all tensors in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())  # numpy lacks bfloat16
    return digest.hexdigest()

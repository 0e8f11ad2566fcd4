"""Model files: safetensors with the card in the header. Nothing is unpickled, and no code is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.card import NOT_TRAINABLE, ModelCard, read_card
from napari_unet_nuclei.core.model.header import hash_tensors, read_header
from napari_unet_nuclei.core.model.onnx_design import OnnxDesign
from napari_unet_nuclei.core.model.onnx_network import OnnxNetwork
from napari_unet_nuclei.core.model.unet import UNet

FIRST_WEIGHTS = "encoder.0.first.convolution.weight"
"""The only tensor whose shape depends on the number of input channels."""

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Model:
    """A network with its card.

    Attributes
    ----------
    card : ModelCard
    network : UNet or OnnxNetwork
        float32, on the CPU, in evaluation mode; never changed after loading. An `OnnxNetwork` comes from elsewhere.
    """

    card: ModelCard
    network: UNet | OnnxNetwork

    @property
    def unet(self) -> UNet:
        """The network, if it is one of this program; raise ModelFileError for one from elsewhere."""
        if not isinstance(self.network, UNet):
            raise ModelFileError(NOT_TRAINABLE.format(name=self.card.name))
        return self.network


def save_model(path: Path, model: Model) -> ModelCard:
    """Write a model file atomically, with weights in float16 if they fit; return its card with the hash of the weights.

    Raise ModelFileError if a weight is not a number; OutputFileError if the file cannot be written.
    """
    tensors = {name: _compact(value) for name, value in model.network.state_dict().items()}
    if not all(torch.isfinite(value).all() for value in tensors.values() if value.is_floating_point()):
        raise ModelFileError(f"The weights of '{model.card.name}' are not all numbers: training diverged.")
    # safetensors refuses views of other memory layouts, such as channels-last.
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    with atomic(path) as temporary:
        # Twice: the card in the header states the hash of the tensors behind it, which does not cover the header.
        temporary.write_bytes(save(tensors))
        card = model.card.model_copy(update={"weights_hash": hash_tensors(temporary)})
        temporary.write_bytes(save(tensors, {"card": card.model_dump_json()}))
    return card


def _compact(value: Tensor) -> Tensor:
    """Return a tensor in float16, or as it is where that is too small, as for the variances of some deep levels."""
    half = value.half() if value.is_floating_point() else value
    return half if torch.isfinite(half).all() else value


def read_model(path: Path) -> Model:
    """Load a model file; check its size, card, tensor shapes and hash.

    Raise ModelFileError if a check fails; the message says which.
    """
    card = read_card(path)
    read_header(path)  # which says in words what is damaged
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"The model file {path} is damaged: {error}.") from error
    if isinstance(card.architecture, OnnxDesign):
        return _read_onnx(path, card, card.architecture, tensors)
    # On "meta" the expected network takes no memory: shapes are checked before any is allocated.
    with torch.device("meta"):
        expected = {name: value.shape for name, value in UNet(card.architecture).state_dict().items()}
    if {name: value.shape for name, value in tensors.items()} != expected:
        raise ModelFileError(f"The weights in {path} do not fit the network that its card describes.")
    if not all(torch.isfinite(value).all() for value in tensors.values() if value.is_floating_point()):
        raise ModelFileError(f"The weights in {path} are not all numbers: its training went wrong. Use another model.")
    _check_hash(path, card)
    network = UNet(card.architecture)
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    )
    return Model(card, network.eval())


def _read_onnx(path: Path, card: ModelCard, design: OnnxDesign, tensors: dict[str, Tensor]) -> Model:
    """Make a model of the graph in a file."""
    if {name: (value.dtype, value.ndim) for name, value in tensors.items()} != {"onnx": (torch.uint8, 1)}:
        raise ModelFileError(f"The weights in {path} do not fit the network that its card describes.")
    _check_hash(path, card)
    return Model(card, OnnxNetwork(tensors["onnx"].numpy().tobytes(), design).eval())


def _check_hash(path: Path, card: ModelCard) -> None:
    if hash_tensors(path) != card.weights_hash:
        raise ModelFileError(f"The weights in {path} were changed after the model was saved. Get the file again.")


def start_from(model: Model, architecture: Architecture) -> UNet:
    """Return a network in evaluation mode that gives the same output as ``model`` if all its input channels are equal.

    With another number of input channels, the filters of the first convolution are summed over its channels, repeated
    for every new channel and divided by their number, as Carreira and Zisserman 2017 (*Quo vadis, action
    recognition?*, CVPR) inflate the filters of images to videos. With one pooling more, the new deepest level has
    random weights and no effect until training gives it one, as Chen, Goodfellow and Shlens 2016 (*Net2Net*, ICLR)
    deepen a network.

    Raise ModelFileError if the architectures differ in anything else.
    """
    own = model.card.trainable
    deeper = architecture.depth == own.depth + 1
    if architecture != own.model_copy(update={"in_channels": architecture.in_channels, "depth": own.depth + deeper}):
        raise ModelFileError(
            f"The network of '{model.card.name}' differs in architecture from the one to be trained, so training "
            "cannot start from it. Leave out the options that change the network, or the model to start from. One "
            "pooling more and other input channels are allowed."
        )
    weights = dict(model.unet.state_dict())
    if architecture.in_channels != own.in_channels:
        # With a space-to-depth stem every channel has several inputs, one after the other.
        of_one = sum(weights[FIRST_WEIGHTS].chunk(own.in_channels, dim=1))
        weights[FIRST_WEIGHTS] = torch.cat([of_one] * architecture.in_channels, dim=1) / architecture.in_channels
    network = UNet(architecture)
    if deeper:
        weights = network.state_dict() | weights | _passing(weights, own.depth, network)
    network.load_state_dict(weights)
    return network.eval()


def _passing(weights: Weights, level: int, network: UNet) -> Weights:
    """Return weights with which a level's decoder passes on what its encoder found, and ignores what is below."""
    passing: Weights = {}
    for part in ("first", "second"):
        convolution, norm = f"decoder.{level}.{part}.convolution", f"decoder.{level}.{part}.norm"
        # Output n is input n alone; the skip connection comes first among the inputs.
        kernel = nn.init.dirac_(torch.empty_like(network.state_dict()[f"{convolution}.weight"]))
        passing[f"{convolution}.weight"] = kernel
        if network.architecture.normalisation == "none":
            passing[f"{convolution}.bias"] = torch.zeros(len(kernel))
            continue
        # In training, batch norm uses the statistics of the batch. It passes on what has those that it restores itself,
        # so these are set to what is expected of the encoder, whose last batch norm says it.
        mean, variance = rectified(
            weights[f"encoder.{level}.second.norm.bias"], weights[f"encoder.{level}.second.norm.weight"]
        )
        passing |= {f"{norm}.running_mean": mean, f"{norm}.running_var": variance}
        passing |= {f"{norm}.bias": mean, f"{norm}.weight": (variance + nn.BatchNorm2d(1).eps).sqrt()}
    return passing


def rectified(mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of max(x, 0) for normally distributed x, all Tensors of one shape.

    Examples
    --------
    >>> mean, variance = rectified(torch.zeros(1), torch.ones(1))
    >>> round(float(mean), 3), round(float(variance), 3)
    (0.399, 0.341)
    """
    spread = deviation.abs().clamp(min=1e-6)
    standard = torch.distributions.Normal(0.0, 1.0)
    above, density = standard.cdf(mean / spread), standard.log_prob(mean / spread).exp()
    average = mean * above + spread * density
    square = (mean**2 + spread**2) * above + mean * spread * density
    return average, (square - average**2).clamp(min=0)

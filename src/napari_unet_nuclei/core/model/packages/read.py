"""Read a BioImage.IO package as a model, and execute nothing of it."""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_plane, quantise
from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.card import LARGEST_FILE, ModelCard, card_of
from napari_unet_nuclei.core.model.extra import extra_module
from napari_unet_nuclei.core.model.file import Model, save_model
from napari_unet_nuclei.core.model.onnx_design import OnnxOutput
from napari_unet_nuclei.core.model.onnx_network import OnnxNetwork
from napari_unet_nuclei.core.model.packages.archive import LARGEST_TENSOR, Archive, open_archive
from napari_unet_nuclei.core.model.packages.arrays import read_array
from napari_unet_nuclei.core.model.packages.content import model_name, own_card_text, read_content
from napari_unet_nuclei.core.model.packages.design import understand
from napari_unet_nuclei.core.model.packages.state_dict import read_state_dict
from napari_unet_nuclei.core.model.packages.tensors import Given, Member, Tensors, member_of, read_tensors
from napari_unet_nuclei.core.model.packages.yaml_text import PURPOSE
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Notice, Progress
from napari_unet_nuclei.core.quantity import quantity

DIAMETER = 22.0
"""Pixels; of nuclei where the package does not show any."""

NOT_IMPORTED = {
    "torchscript": "TorchScript is code, which is never run",
    "pytorch_state_dict": "a state dict needs the Python file of its network, which is code and is never run",
    "keras_hdf5": "Keras needs TensorFlow, and its files can hold code",
    "keras_v3": "Keras needs its own program, and its files can hold code",
    "tensorflow_js": "TensorFlow is not part of this program",
    "tensorflow_saved_model_bundle": "TensorFlow is not part of this program, and its files can hold code",
}
"""Why other forms of weights cannot be imported."""

TOLERANCE = 0.02
"""Of the range of a map: how far values may be off, as other programs and processors round differently."""

MOST_OFF = 0.01
"""Share of pixels that may be further off."""

SLACK = 0.05
"""How far maps may leave the range from 0 to 1, by rounding or as a linear output does."""

FEWEST = 3
"""Nuclei in the test image from which their size is taken for the model's."""


def read_package(path: Path, progress: Progress) -> Model:
    """Read a package; guesses, and what the test image showed, are reported as notices.

    Raise ModelFileError, which says what would work, if the package is damaged, not safe, or of another kind.
    """
    with open_archive(path) as archive:
        content = read_content(archive)
        text = own_card_text(content)
        if text:
            return _own_model(archive, content, card_of(text, path))
        return _foreign_model(archive, content, progress)


def _own_model(archive: Archive, content: Given, card: ModelCard) -> Model:
    """Read one of our own exports: the weights are exact, and must be those that the card names."""
    weights = content.get("weights")
    entry = weights.get("pytorch_state_dict") if isinstance(weights, Mapping) else None
    member = member_of(entry) if entry else None
    if member is None or not isinstance(card.architecture, Architecture):
        raise ModelFileError(f"{archive.path.name} lacks the weights (a state dict) of its model. Export it again.")
    tensors = read_state_dict(archive.read(member.name, LARGEST_FILE, member.sha256))
    network = _network_of(card.architecture, tensors, archive.path)
    with tempfile.TemporaryDirectory() as folder:
        saved = save_model(Path(folder) / "model.safetensors", Model(card, network))
    if saved.weights_hash != card.weights_hash:
        raise ModelFileError(f"The weights in {archive.path.name} are not those of its card. Get the package again.")
    return Model(card, network)


def _network_of(architecture: Architecture, tensors: Mapping[str, Tensor], path: Path) -> UNet:
    with torch.device("meta"):  # takes no memory
        expected = {name: (value.shape, value.dtype) for name, value in UNet(architecture).state_dict().items()}
    if {name: (value.shape, value.dtype) for name, value in tensors.items()} != expected:
        raise ModelFileError(f"The weights in {path.name} do not fit the network that its card describes.")
    if not all(torch.isfinite(value).all() for value in tensors.values()):
        raise ModelFileError(f"The weights in {path.name} are not all numbers. Get the package again.")
    network = UNet(architecture)
    network.load_state_dict(dict(tensors))
    return network.eval()


def _foreign_model(archive: Archive, content: dict[str, Any], progress: Progress) -> Model:
    """Read the model of another program: its ONNX graph, called as its description says."""
    member = _onnx_member(content, archive.path)
    content = _checked(content, archive.path)
    tensors = read_tensors(content)
    understood = understand(tensors)
    graph = archive.read(member.name, LARGEST_FILE, member.sha256)
    network = OnnxNetwork(graph, understood.design).eval()
    trial = _trial(archive, tensors, network)
    remarks = (*understood.remarks, Notice(trial.remark))
    if not member.sha256:
        remarks = (*remarks, Notice("No hash of the weights is stated: they were taken as they are."))
    for remark in remarks:
        progress.report(replace(remark, message=f"{archive.path.name}: {remark.message}"))
    card = ModelCard(
        name=model_name(content, archive.path),
        description=_about(content),
        architecture=understood.design,
        diameter=trial.diameter or DIAMETER,
        limits=" ".join(one.message for one in understood.remarks),
        licence=str(content.get("license") or ""),
        parent=f"BioImage.IO package {content.get('id') or archive.path.name}"[:200],
    )
    return Model(card, network)


def _onnx_member(content: Given, path: Path) -> Member:
    weights = content.get("weights")
    weights = weights if isinstance(weights, Mapping) else {}
    entry = weights.get("onnx")
    member = member_of(entry) if entry else None
    if member is None:
        forms = [f"{name} ({NOT_IMPORTED.get(str(name), 'unknown')})" for name, value in weights.items() if value]
        raise ModelFileError(
            f"{path.name} holds weights as {'; '.join(forms) or 'nothing'}. Weights in ONNX form are needed: ask its "
            "authors for a package that has them too."
        )
    if isinstance(entry, Mapping) and entry.get("external_data"):
        raise ModelFileError(
            f"{path.name} keeps the weights of its ONNX network in another file, which is never opened. Export it as "
            "one ONNX file."
        )
    return member


def _checked(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Let the specification's own checker look at a description, without a network; return it with all defaults."""
    if any(given.get("output_of") for given in _mappings(content.get("inputs"))):
        raise ModelFileError(f"The model in {path.name} takes the output of another model, which cannot be imported.")
    spec = extra_module("bioimageio.spec", PURPOSE)
    context = spec.ValidationContext(perform_io_checks=False, log_warnings=False, disable_cache=True)
    logging.getLogger("bioimageio").setLevel(logging.ERROR)
    described = spec.build_description(copy.deepcopy(content), context=context)
    if isinstance(described, spec.InvalidDescr):
        raise ModelFileError(
            f"The description in {path.name} does not keep to the BioImage.IO format: {_reason(described)}. Its "
            "authors can check it with bioimageio.spec."
        )
    return dict(described.model_dump(mode="json"))


def _reason(described: Any) -> str:
    """Return the first problem that the specification's checker names."""
    errors = [error for detail in described.validation_summary.details for error in detail.errors]
    if not errors:
        return "unknown"
    return f"{'.'.join(map(str, errors[0].loc))}: {errors[0].msg}"[:300]


def _trial(archive: Archive, tensors: Tensors, network: OnnxNetwork) -> Trial:
    source, outputs = tensors.input.test, [output.test for output in tensors.outputs]
    if source is None or any(one is None for one in outputs):
        return Trial(0.0, "It has no test image, so that nothing could be tried.")
    image, *expected = (
        read_array(archive.read(one.name, LARGEST_TENSOR, one.sha256), one.name)
        for one in (source, *outputs)
        if one is not None
    )
    return try_network(network, image, expected)


def _about(content: Given) -> str:
    """Say in a few words what the model is, and whose."""
    authors = ", ".join(str(one.get("name", "")) for one in _mappings(content.get("authors")))
    cited = "; ".join(
        " ".join(str(part) for part in (one.get("text"), one.get("doi") or one.get("url")) if part)
        for one in _mappings(content.get("cite"))
    )
    parts = (
        str(content.get("description") or ""),
        f"By {authors}." if authors else "",
        f"Cite {cited}." if cited else "",
    )
    return " ".join(part for part in parts if part)[:4000]


def _mappings(values: object) -> list[Given]:
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, Sequence) else []


@dataclass(frozen=True)
class Trial:
    """What the test image has shown: how large nuclei are, in pixels, 0 where there are none; and words about it."""

    diameter: float
    remark: str


def try_network(network: OnnxNetwork, image: NDArray[np.generic], expected: list[NDArray[np.generic]]) -> Trial:
    """Compare a network's outputs on a test image, both as the package stores them, with the package's own.

    Raise ModelFileError if they differ, or the maps are no probabilities.
    """
    design = network.design
    if image.ndim != len(design.axes):
        raise ModelFileError(f"The test image has {image.ndim} axes, but the description names '{design.axes}'.")
    channels = _to_channels(image, design.axes)
    if len(channels) != design.in_channels or any(
        rule.allowed(size) != size for rule, size in zip((design.rows, design.columns), channels.shape[1:], strict=True)
    ):
        raise ModelFileError(f"The test image, of shape {image.shape}, is not of a size that the description allows.")
    fitted = design.preprocessing.fit(list(channels))
    prepared = np.stack([one.normalise(channel) for one, channel in zip(fitted, channels, strict=True)])
    outputs = network.outputs_of(prepared)
    for output, found, wanted in zip(design.outputs, outputs, expected, strict=False):
        _compare(output, found, _to_channels(wanted, output.axes) if wanted.ndim == len(output.axes) else wanted)
    maps = quantise(network.maps_of(prepared))
    card = ModelCard(name="trial", architecture=design)
    thresholds = DecodeThresholds(card.thresholds.foreground, card.thresholds.split, int(card.thresholds.min_size))
    labels = decode_plane(maps, thresholds).labels
    areas = np.bincount(labels.ravel())[1:]
    if len(areas) < FEWEST:
        return Trial(0.0, "The test image shows too few nuclei to tell how large they are for this model.")
    diameter = round(2 * float(np.sqrt(np.median(areas) / np.pi)), 1)
    count = quantity(len(areas), "nucleus", "nuclei")
    return Trial(diameter, f"In its test image the model finds {count}, with a diameter of {diameter:g} px.")


def _to_channels(image: NDArray[np.generic], axes: str) -> NDArray[np.float64]:
    """Bring a tensor to (C, Y, X): the first of each other axis."""
    first = image[tuple(slice(None) if letter in "cyx" else 0 for letter in axes)]
    kept = [letter for letter in axes if letter in "cyx"]
    ordered = np.transpose(first, [kept.index(letter) for letter in "cyx" if letter in kept])
    return np.asarray(ordered if "c" in kept else ordered[None], np.float64)


def _compare(output: OnnxOutput, found: NDArray[np.generic], wanted: NDArray[np.generic]) -> None:
    if wanted.shape != found.shape:
        raise ModelFileError(
            f"The network gives maps of shape {found.shape} for the test image, where the package has {wanted.shape}."
        )
    for one, raw, stored in zip(output.maps, found, wanted, strict=True):
        if one.name is None:
            continue
        made = raw.astype(np.float64)
        for step in one.steps:
            made = step.apply(made)
        low, high = float(np.nanmin(made)), float(np.nanmax(made))
        if not (low >= -SLACK and high <= 1 + SLACK):
            raise ModelFileError(
                f"The map of {one.name} goes from {low:.3g} to {high:.3g} in the test image, but maps from 0 to 1 are "
                "needed. Add the step 'sigmoid' to the package if these are logits, or 'scale_linear' to its output."
            )
        off = np.abs(made - stored.astype(np.float64)) > TOLERANCE
        if off.mean() > MOST_OFF:
            raise ModelFileError(
                f"The network gives another map of {one.name} for the test image than the package says "
                f"({off.mean():.0%} "
                "of the pixels are off), so that it would not work as its authors mean. Get the package again, or ask "
                "them for one that passes its own test."
            )

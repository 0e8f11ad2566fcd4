"""Model files of every kind, spoiled: our own, with networks of ours and ONNX graphs, and BioImage.IO packages."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from random import Random

import torch

from endurance.bounded import WrongRead
from endurance.spoiling import (
    members_of,
    spoiled_bytes,
    spoiled_head,
    spoiled_json,
    spoiled_text,
    spoiled_value,
    spoiled_zip,
    zip_of,
)
from endurance.tally import Tally
from endurance.trials import Case, file_spoiled, try_cases
from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.file import Model, read_model, save_model
from napari_unet_nuclei.core.model.header import hash_tensors, read_header
from napari_unet_nuclei.core.model.onnx_network import OnnxNetwork
from napari_unet_nuclei.core.model.packages.notes import PackageNotes
from napari_unet_nuclei.core.model.packages.write import write_package as export_package
from napari_unet_nuclei.core.model.registry import ModelRegistry, load_model
from tests.helpers.onnx_graphs import blurring_graph, design_of
from tests.helpers.packages import described, older_described, write_package
from tests.helpers.tiny import write_tiny_model

OURS, PACKAGE = "model.safetensors", "model.zip"

SIDE = 64
"""Of the image that a model which was read is tried on, in pixels."""


def run(share: float, kept: Path) -> Tally:
    """Spoil model files, import them, and run what was imported."""
    return try_cases("Model files", CASES, share, kept)


def make_ours(folder: Path) -> None:
    """Write a model with a network of ours."""
    write_tiny_model(folder / OURS)


def make_onnx(folder: Path) -> None:
    """Write a model with a graph from elsewhere."""
    design = design_of()
    save_model(
        folder / OURS, Model(ModelCard(name="foreign", architecture=design), OnnxNetwork(blurring_graph(), design))
    )


def make_export(folder: Path) -> None:
    """Write a package of a model of ours: weights as a state dict, among others."""
    own = folder / OURS
    write_tiny_model(own)
    export_package(folder / PACKAGE, read_model(own), PackageNotes(authors=("A. Uthor",), licence="CC-BY-4.0"))
    own.unlink()


def read_ours(folder: Path) -> None:
    """Import a model file, load it, and run it."""
    _use(folder, folder / OURS)


def read_zip(folder: Path) -> None:
    """Import a package, and run its model."""
    _use(folder, folder / PACKAGE)


def _use(folder: Path, path: Path) -> None:
    registry = ModelRegistry(folder / "models", folder / "none")
    entry = registry.add(path, "imported")
    model = load_model("imported", registry)
    if model.card != entry.card or [one.name for one in registry.list()] != ["imported"]:
        raise WrongRead("the model that was imported is not the one that is listed")
    channels = model.card.architecture.in_channels
    with torch.inference_mode():
        maps = model.network(torch.rand(1, channels, SIDE, SIDE))
    if not torch.isfinite(maps).all() and not isinstance(model.network, OnnxNetwork):
        raise WrongRead("the network gives what is no number")


def spoil_header(folder: Path, drawn: Random) -> None:
    """Change what the header says of tensors or of the model, in a file that is whole and whose hash is right."""
    path = folder / OURS
    header, content = read_header(path), path.read_bytes()
    card = json.loads(header.metadata["card"])
    tensors, weights = header.tensors, content[header.start :]
    if drawn.random() < 0.7:
        card = spoiled_value(card, drawn)
    else:
        tensors = spoiled_value(tensors, drawn)
    _write(path, card, tensors, weights)
    if isinstance(card, dict) and drawn.random() < 0.8:
        try:
            _write(path, {**card, "weights_hash": hash_tensors(path)}, tensors, weights)
        except (ModelFileError, AttributeError):
            return  # so spoiled that it has no hash


def _write(path: Path, card: object, tensors: object, weights: bytes) -> None:
    described = tensors if isinstance(tensors, dict) else {"": tensors}
    text = json.dumps({"__metadata__": {"card": json.dumps(card)}, **described}).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + weights)


def spoil_weights(folder: Path, drawn: Random) -> None:
    """Change the weights, or the graph, of a file that is whole and whose hash is right."""
    path = folder / OURS
    header, content = read_header(path), path.read_bytes()
    [place] = header.tensors.values()
    graph = spoiled_bytes(content[header.start :], drawn)
    tensors = {"onnx": {**place, "shape": [len(graph)], "data_offsets": [0, len(graph)]}}
    card = json.loads(header.metadata["card"])
    _write(path, card, tensors, graph)
    _write(path, {**card, "weights_hash": hash_tensors(path)}, tensors, graph)


def spoil_package(folder: Path, drawn: Random) -> None:
    """Spoil a package as a file, or a member of it, mostly with hashes that do not tell."""
    path = folder / PACKAGE
    content = path.read_bytes()
    ways = {
        ".yaml": (_spoiled_description,),
        ".json": (spoiled_json,),
        ".pt": (spoiled_bytes, spoiled_head, _spoiled_inside),
    }
    spoiled = spoiled_zip(content, drawn, ways)
    path.write_bytes(spoiled if drawn.random() < 0.2 else _with_hashes(content, spoiled))


def _spoiled_description(content: bytes, drawn: Random) -> bytes:
    """Spoil a description: one of the tests' is JSON, which is YAML as well, and one of ours is not."""
    return (spoiled_json if content.startswith(b"{") else spoiled_text)(content, drawn)


def _spoiled_inside(content: bytes, drawn: Random) -> bytes:
    """Spoil a member of a state dict, which is a zip file itself."""
    return spoiled_zip(content, drawn, {})


def _with_hashes(content: bytes, spoiled: bytes) -> bytes:
    """Return a spoiled package that states the hashes of what it holds now."""
    try:
        members = members_of(spoiled)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, ValueError):
        return spoiled  # no zip file any more
    for name, good in members_of(content).items():
        old, new = (hashlib.sha256(one).hexdigest().encode() for one in (good, members.get(name, good)))
        members = {other: one.replace(old, new) if other.endswith(".yaml") else one for other, one in members.items()}
    return zip_of(members)


CASES = (
    Case("model file, bytes", 3000, make_ours, file_spoiled(spoiled_bytes, spoiled_head), read_ours),
    Case("model file, header", 3000, make_ours, spoil_header, read_ours),
    Case("model file with ONNX, bytes", 500, make_onnx, file_spoiled(spoiled_bytes, spoiled_head), read_ours),
    Case("model file with ONNX, header", 500, make_onnx, spoil_header, read_ours),
    Case("model file with ONNX, graph", 1000, make_onnx, spoil_weights, read_ours),
    Case("BioImage.IO 0.5", 800, lambda folder: write_package(folder / PACKAGE, described()), spoil_package, read_zip),
    Case(
        "BioImage.IO 0.4",
        800,
        lambda folder: write_package(folder / PACKAGE, older_described()),
        spoil_package,
        read_zip,
    ),
    Case("BioImage.IO, our export", 800, make_export, spoil_package, read_zip),
)

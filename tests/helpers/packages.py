"""BioImage.IO packages in all forms that the format allows, made in a moment."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet_nuclei.core.model.packages.arrays import array_bytes
from tests.helpers.onnx_graphs import glowing_graph
from tests.helpers.samples import fluorescent_nuclei

Description = dict[str, Any]

SIDE = 96
IMAGE = fluorescent_nuclei(shape=(SIDE, SIDE), count=8, diameter=18, seed=3).image.astype(np.float32)[None, None]
"""The test image: eight nuclei, some of them touching."""


def scaled(low: float = 1.0, high: float = 99.8, eps: float = 1e-6) -> np.ndarray:
    """The test image, as `scale_range` prepares it."""
    bottom, top = np.percentile(IMAGE, (low, high))
    return (IMAGE - bottom) / (top - bottom + eps)


def glowing_maps(prepared: np.ndarray) -> np.ndarray:
    """What `glowing_graph` makes of a prepared image."""
    logits = np.concatenate([20 * prepared - 7, -20 * prepared - 40], axis=1)
    return ((1 + np.tanh(logits / 2)) / 2).astype(np.float32)


def about() -> Description:
    """What both versions say alike, new each time: tests change it."""
    return {
        "type": "model",
        "name": "Glowing things",
        "description": "Finds what glows.",
        "authors": [{"name": "Ada Lovelace"}],
        "cite": [{"text": "On engines", "doi": "10.5281/zenodo.123456"}],
        "license": "CC-BY-4.0",
        "documentation": "README.md",
    }


def described() -> Description:
    """A description in version 0.5: percentiles, sizes in steps of 16, named channels."""
    return {
        "format_version": "0.5.3",
        **about(),
        "inputs": [
            {
                "id": "raw",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": ["dna"]},
                    {"type": "space", "id": "y", "size": {"min": 32, "step": 16}},
                    {"type": "space", "id": "x", "size": {"min": 32, "step": 16}},
                ],
                "test_tensor": {"source": "input.npy"},
                "data": {"type": "float32"},
                "preprocessing": [
                    {
                        "id": "scale_range",
                        "kwargs": {"axes": ["y", "x"], "min_percentile": 1.0, "max_percentile": 99.8},
                    }
                ],
            }
        ],
        "outputs": [
            {
                "id": "maps",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": ["foreground", "boundary"]},
                    *(
                        {"type": "space", "id": name, "size": {"tensor_id": "raw", "axis_id": name}, "halo": 8}
                        for name in "yx"
                    ),
                ],
                "test_tensor": {"source": "output.npy"},
                "data": {"type": "float32"},
            }
        ],
        "weights": {"onnx": {"source": "network.onnx", "opset_version": 17}},
    }


def older_described() -> Description:
    """The same in version 0.4."""
    return {
        "format_version": "0.4.10",
        **about(),
        "timestamp": "2024-02-03T04:05:06",
        "tags": [],
        "covers": [],
        "inputs": [
            {
                "name": "raw",
                "axes": "bcyx",
                "data_type": "float32",
                "shape": {"min": [1, 1, 32, 32], "step": [0, 0, 16, 16]},
                "preprocessing": [
                    {
                        "name": "scale_range",
                        "kwargs": {"mode": "per_sample", "axes": "yx", "min_percentile": 1.0, "max_percentile": 99.8},
                    }
                ],
            }
        ],
        "outputs": [
            {
                "name": "maps",
                "axes": "bcyx",
                "data_type": "float32",
                "shape": {"reference_tensor": "raw", "scale": [1, 0, 1, 1], "offset": [0, 1, 0, 0]},
                "halo": [0, 0, 8, 8],
            }
        ],
        "test_inputs": ["input.npy"],
        "test_outputs": ["output.npy"],
        "weights": {"onnx": {"source": "network.onnx", "opset_version": 17}},
    }


def members(**changes: bytes) -> dict[str, bytes]:
    """The files beside the description; ``changes`` by name with "_" for "."."""
    files = {
        "README.md": b"# Glowing things\n\n## Validation\n\nLook.\n",
        "network.onnx": glowing_graph(),
        "input.npy": array_bytes(IMAGE),
        "output.npy": array_bytes(glowing_maps(scaled())),
    }
    return {**files, **{name.replace("_", "."): content for name, content in changes.items()}}


def write_package(
    path: Path,
    description: Mapping[str, Any] | str | None = None,
    files: Mapping[str, bytes] | None = None,
    name: str = "rdf.yaml",
) -> Path:
    """Write a package; of weights without a hash, the hash is added."""
    files = members() if files is None else files
    if not isinstance(description, str):
        given: Any = copy.deepcopy(dict(described() if description is None else description))
        for entry in given.get("weights", {}).values():
            content = files.get(str(entry.get("source")))
            if content is not None:
                entry.setdefault("sha256", hashlib.sha256(content).hexdigest())
        description = json.dumps(given)  # which is YAML as well
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, description)
        for member, content in files.items():
            archive.writestr(member, content)
    return path


def changed(change: Callable[[Description], object], older: bool = False) -> Description:
    """A description with a change made to it."""
    description = older_described() if older else described()
    change(description)
    return description


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """A zip file, for weights that are one."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()

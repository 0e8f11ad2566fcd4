"""Write a model as a BioImage.IO package, and let the specification's own checker judge it."""

from __future__ import annotations

import hashlib
import inspect
import io
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.image.steps import Range, Steps
from napari_unet_nuclei.core.image.tiling import round_up
from napari_unet_nuclei.core.model import unet
from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.extra import extra_module
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.packages import published
from napari_unet_nuclei.core.model.packages.arrays import array_bytes
from napari_unet_nuclei.core.model.packages.content import OURS
from napari_unet_nuclei.core.model.packages.notes import PackageNotes
from napari_unet_nuclei.core.model.packages.published import PublishedUNet
from napari_unet_nuclei.core.model.packages.state_dict import write_state_dict
from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei

FORMAT = "0.5.3"
"""Version of the format: the oldest with all that is needed, so that most programs read it."""

OPSET = 17
"""Of the operators in the ONNX graph."""

DESCRIPTION, README, COVER = (
    "rdf.yaml",
    "README.md",
    "cover.png",
)  # the one name of a description that all programs read
INPUT, OUTPUT, WEIGHTS, GRAPH, SOURCE = "test_input.npy", "test_output.npy", "weights.pt", "weights.onnx", "unet.py"

EPSILON = 1e-6
SMALLEST_TEST = 256
"""Pixels along each side of the test image, at least."""

CITED = {
    "text": "Ronneberger, Fischer, Brox 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation",
    "doi": "10.1007/978-3-319-24574-4_28",
}

LICENCES = {
    "CC0": "CC0-1.0",
    "CC BY 4.0": "CC-BY-4.0",
    "CC BY-SA 4.0": "CC-BY-SA-4.0",
    "CC BY-NC 4.0": "CC-BY-NC-4.0",
    "MIT LICENSE": "MIT",
    "APACHE 2.0": "Apache-2.0",
    "BSD 3-CLAUSE": "BSD-3-Clause",
}
"""Identifiers (SPDX) of licences as people write them."""

SHORTEST_NAME = 5
LONGEST_DESCRIPTION = 1024
"""Characters that the format allows."""

INPUTS = {
    "nuclei": "the nuclear signal, bright on dark: a fluorescence channel as it is; of stained tissue the density of "
    "haematoxylin (colour deconvolution); of grey transmitted light the optical density",
    "density": "the same as the first in fluorescence and in grey pictures; of stained tissue the mean optical density "
    "of red, green and blue",
}

MAPS = {
    "foreground": "probability that the pixel lies in a nucleus",
    "border": "probability that two nuclei lie within 2 px",
    "distance": "distance to the outline of the nucleus, over its largest value in that nucleus",
    "size": "log2 of the diameter of the nucleus over {diameter:g} px",
}


DECODED = (
    "napari-unet-nuclei makes nuclei of these maps: a threshold on the foreground, then basins of distance minus "
    "border, "
    "joined unless the notch between them is deep. It reads this package back, weights and thresholds unchanged."
)


@dataclass(frozen=True)
class _Sides:
    """Sides of inputs: the least, the step, and the pixels at each edge that see what is beyond it."""

    least: int
    step: int
    halo: int

    @staticmethod
    def of(architecture: Architecture) -> _Sides:
        step = architecture.stride
        halo = round_up(architecture.receptive_radius, step)  # programs add it to images, whose sizes must stay allowed
        return _Sides(round_up(2 * halo + step, step), step, halo)

    @property
    def test(self) -> int:
        return max(round_up(SMALLEST_TEST, self.step), self.least)


def write_package(path: Path, model: Model, notes: PackageNotes) -> None:
    """Write a package of one of our own models.

    Raise ModelFileError if the model came from elsewhere, its licence or authors are not said, or the checker finds
    anything wrong; OutputFileError if the file cannot be written.
    """
    spec = extra_module("bioimageio.spec", "A BioImage.IO package")
    card, architecture = model.card, model.card.trainable
    if not notes.authors:
        raise ModelFileError(
            f"A package names its authors, which the card of '{card.name}' does not. Say who made the model (--author)."
        )
    notes = notes.model_copy(update={"licence": notes.licence or _licence(card)})  # before any work
    files = _files(model.unet, card, architecture)
    description = _describe(card, architecture, notes, files)
    with atomic(path) as partial:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {DESCRIPTION: _yaml(description), **files}.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        _check(partial, card, spec)


def _files(network: unet.UNet, card: ModelCard, architecture: Architecture) -> dict[str, bytes]:
    """Return all members but the description."""
    sides = _Sides.of(architecture)
    built = PublishedUNet(**architecture.model_dump(mode="json"))
    built.load_state_dict(network.state_dict())
    built.eval()
    image = _test_image(architecture, sides.test)
    steps = Steps((Range(low=card.percentiles[0], high=card.percentiles[1], eps=EPSILON),))
    prepared = np.stack([one.normalise(c) for one, c in zip(steps.fit(list(image)), image, strict=True)])[None]
    with torch.inference_mode():
        maps = built(torch.from_numpy(prepared)).numpy()
    return {
        README: readme(card, architecture).encode(),
        SOURCE: source_text().encode(),
        WEIGHTS: write_state_dict(network.state_dict()),
        GRAPH: _graph(built, torch.from_numpy(prepared)),
        INPUT: array_bytes(image[None]),
        OUTPUT: array_bytes(maps),
        COVER: _cover(image[0], maps[0]),
    }


def source_text() -> str:
    """Return one Python file with the whole network, which needs PyTorch and nothing of this program."""
    network, wrapper = (inspect.getsource(module) for module in (unet, published))
    # What the second one imports is there: PyTorch by the first, and the network is the first.
    return f"{network.rstrip()}\n\n\n{wrapper[wrapper.index('class ') :]}"


def _test_image(architecture: Architecture, side: int) -> NDArray[np.float32]:
    """Draw nuclei (C, side, side), the same in every channel and every time."""
    count = side**2 // 1600
    drawn = fluorescent_nuclei(shape=(side, side), count=count, seed=0).image
    return np.repeat(np.asarray(drawn, np.float32)[None], architecture.in_channels, axis=0)


def _graph(network: PublishedUNet, example: torch.Tensor) -> bytes:
    """Return the network as an ONNX graph for images of any size."""
    extra_module("onnx", "A network in ONNX form")
    axes = {0: "batch", 2: "y", 3: "x"}
    file = io.BytesIO()
    export: Any = torch.onnx.export  # a file in memory will do, whatever its annotation says
    with warnings.catch_warnings():
        # Of this way to export: the newer one needs a package more, and makes the same graph.
        warnings.simplefilter("ignore")
        export(
            network,
            (example,),
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=["input"],
            output_names=["maps"],
            dynamic_axes={"input": axes, "maps": axes},
        )
    return file.getvalue()


def _cover(image: NDArray[np.float32], maps: NDArray[np.float32]) -> bytes:
    """Draw the test image beside its maps, twice as wide as high."""
    low, high = np.percentile(image, (1, 99.8))
    grey = np.repeat(np.clip((image - low) / (high - low), 0, 1)[..., None], 3, axis=2)
    shown = np.zeros((3, *image.shape), np.float32)
    shown[: min(len(maps), 3)] = maps[:3]
    both = np.concatenate((grey, np.clip(np.moveaxis(shown, 0, 2), 0, 1)), axis=1)
    return bytes(imageio.imwrite("<bytes>", (both * 255).astype(np.uint8), extension=".png"))


def _describe(
    card: ModelCard, architecture: Architecture, notes: PackageNotes, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Return the description of a package."""
    sides = _Sides.of(architecture)
    low, high = card.percentiles
    space = [{"type": "space", "id": name, "size": {"min": sides.least, "step": sides.step}} for name in "yx"]
    followed = [
        {"type": "space", "id": name, "size": {"tensor_id": "input", "axis_id": name, "offset": 0}, "halo": sides.halo}
        for name in "yx"
    ]
    task = "semantic-segmentation" if card.classes else "instance-segmentation"
    return {
        "format_version": FORMAT,
        "type": "model",
        "name": _name(card.name),
        "description": (card.description or f"A model of napari-unet-nuclei, {card.purpose}.")[:LONGEST_DESCRIPTION],
        "authors": [{"name": name} for name in notes.authors],
        "cite": [CITED, *_cited(card)],
        "license": notes.licence,
        "tags": ["nuclei", "segmentation", task, "unet", "2d", "pytorch", "napari", *card.kinds],
        "documentation": README,
        "covers": [COVER],
        "inputs": [
            {
                "id": "input",
                "description": "The signals in which nuclei are bright, as the README says.",
                "axes": [{"type": "batch"}, {"type": "channel", "channel_names": _inputs(card, architecture)}, *space],
                "test_tensor": _member(INPUT, files),
                "data": {"type": "float32"},
                "preprocessing": [
                    {
                        "id": "scale_range",
                        "kwargs": {"axes": ["y", "x"], "min_percentile": low, "max_percentile": high, "eps": EPSILON},
                    }
                ],
            }
        ],
        "outputs": [
            {
                "id": "maps",
                "description": "What the network predicts for every pixel, as the README says.",
                "axes": [{"type": "batch"}, {"type": "channel", "channel_names": _outputs(card)}, *followed],
                "test_tensor": _member(OUTPUT, files),
                "data": {"type": "float32"},
            }
        ],
        "weights": _weights(architecture, files),
        "config": {
            # Models of the collection have a nickname, and deepImageJ reads none without one.
            "bioimageio": {"nickname": _nickname(card.name)},
            # The whole card: this program reads the package back without loss.
            OURS: {"card": card.model_dump_json()},
        },
    }


def _weights(architecture: Architecture, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the entries of both forms of the weights."""
    built = {"callable": PublishedUNet.__name__, "kwargs": architecture.model_dump(mode="json")}
    return {
        "pytorch_state_dict": {
            **_member(WEIGHTS, files),
            "architecture": {**_member(SOURCE, files), **built},
            "pytorch_version": torch.__version__.partition("+")[0],
        },
        "onnx": {**_member(GRAPH, files), "opset_version": OPSET, "parent": "pytorch_state_dict"},
    }


def _member(name: str, files: Mapping[str, bytes]) -> dict[str, str]:
    """Return a reference to a file in the package."""
    return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}


def _name(name: str) -> str:
    """Return a name that the format allows."""
    plain = re.sub(r"[^A-Za-z0-9_+() -]", " ", name)
    return plain if len(plain) >= SHORTEST_NAME else f"{plain} (nuclei)"


def _nickname(name: str) -> str:
    """Return a name in the form of nicknames: words of small letters and digits, joined by dashes."""
    return "-".join(re.findall(r"[a-z0-9]+", name.lower())) or "nuclei"


def _inputs(card: ModelCard, architecture: Architecture) -> list[str]:
    names = card.network_inputs.names
    return list(names) or [f"channel{number}" for number in range(architecture.in_channels)]


def _outputs(card: ModelCard) -> list[str]:
    return list(card.classes or card.architecture.heads)


def _cited(card: ModelCard) -> list[dict[str, str]]:
    """Return the data sets that say where they are published."""
    cited = {}
    for source in card.training.datasets:
        doi = re.search(r"10\.\d{4,9}/[^\s;,]+", source.credit)
        zenodo = re.search(r"[Zz]enodo (\d{5,})", source.credit)
        where = doi.group() if doi else f"10.5281/zenodo.{zenodo.group(1)}" if zenodo else ""
        if where:
            cited[where] = {"text": source.credit, "doi": where}
    return list(cited.values())


def _licence(card: ModelCard) -> str:
    """Return the identifier of a card's licence; raise ModelFileError where it does not say one."""
    said = card.licence.partition(";")[0].strip()
    if not said:
        raise ModelFileError(
            f"A package states its licence, which the card of '{card.name}' does not. Say it (--licence), for instance "
            "CC-BY-4.0."
        )
    return LICENCES.get(said.upper(), said)


def _yaml(content: dict[str, Any]) -> bytes:
    yaml = extra_module("ruyaml", "A BioImage.IO package").YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    file = io.BytesIO()
    yaml.dump(content, file)
    return file.getvalue()


def _check(path: Path, card: ModelCard, spec: Any) -> None:
    """Let the specification's checker load the package, all files and hashes included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        described = spec.load_description(path, perform_io_checks=True)
    if isinstance(described, spec.InvalidDescr):
        problems = [
            f"{'.'.join(map(str, error.loc))}: {error.msg}"
            for detail in described.validation_summary.details
            for error in detail.errors
        ]
        raise ModelFileError(
            f"'{card.name}' cannot be described in the BioImage.IO format: {'; '.join(problems[:3])[:600]}."
        )


def readme(card: ModelCard, architecture: Architecture) -> str:
    """Return the card as Markdown."""
    low, high = card.percentiles
    return "\n".join(
        (
            f"# {card.name}",
            "",
            card.description or "A model of napari-unet-nuclei.",
            "",
            "## Use",
            "",
            _purpose(card),
            "",
            *_list("Input channels", _input_lines(card, architecture)),
            "",
            f"Percentiles {low:g} and {high:g} of every channel become 0 and 1 (in the package: scale_range).",
            "",
            *_list("Maps", _map_lines(card, architecture)),
            "",
            DECODED,
            "",
            "## Known limits",
            "",
            card.limits or "Not stated.",
            "",
            "## Validation",
            "",
            *(_list("Measured", [f"{name}: {value}" for name, value in card.measured.items()]) or ["Not stated."]),
            "",
            "To validate the model on images of your own: `napari-unet-nuclei evaluate PREDICTIONS LABELS`.",
            "",
            "## Training data",
            "",
            *(_list("", [str(source) for source in card.training.datasets]) or ["Not stated."]),
            "",
            "## Origin",
            "",
            *_list("", _origin(card)),
            "",
        )
    )


def _purpose(card: ModelCard) -> str:
    if card.classes:
        return f"Tells the class of every pixel: {', '.join(card.classes)}."
    return (
        f"For {' and '.join(card.kinds)} images, scaled so that nuclei have a diameter of about {card.diameter:g} px."
    )


def _input_lines(card: ModelCard, architecture: Architecture) -> list[str]:
    names = card.network_inputs.names
    if not names:
        return [f"the image's own channels, {architecture.in_channels} of them"]
    return [f"{name}: {INPUTS[name]}" for name in names]


def _map_lines(card: ModelCard, architecture: Architecture) -> list[str]:
    if card.classes:
        return [f"{name}: probability of this class" for name in card.classes]
    return [f"{head}: {MAPS[head].format(diameter=card.diameter)}" for head in architecture.heads]


def _origin(card: ModelCard) -> list[str]:
    stated = {
        "Licence": card.licence,
        "Fine-tuned from": card.parent,
        "Made by": card.training.command,
        "Hash of the weights (SHA-256 over names, shapes and bytes)": card.weights_hash,
    }
    return [f"{name}: {text}" for name, text in stated.items() if text]


def _list(title: str, rows: list[str]) -> list[str]:
    if not rows:
        return []
    return [*([f"{title}:", ""] if title else []), *(f"- {row}" for row in rows)]

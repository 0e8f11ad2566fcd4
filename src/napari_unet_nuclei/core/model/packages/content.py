"""What a package says of itself, before anything else of it is read; needs no PyTorch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.card import ModelCard, card_of
from napari_unet_nuclei.core.model.packages.archive import Archive, open_archive
from napari_unet_nuclei.core.model.packages.tensors import Given
from napari_unet_nuclei.core.model.packages.yaml_text import read_yaml

OURS = "napari_unet_nuclei"
"""Key of our own card in a description's ``config``."""

VERSIONS = ("0.4", "0.5")

LONGEST_NAME = 60


def read_content(archive: Archive) -> dict[str, Any]:
    """Read the description of a model; raise ModelFileError if it is none, or of another version of the format."""
    content = read_yaml(archive.description(), archive.path.name)
    kind, version = content.get("type", "model"), str(content.get("format_version", ""))
    if kind != "model" or not version.startswith(VERSIONS):
        raise ModelFileError(
            f"{archive.path.name} is not a model in version 0.4 or 0.5 of the BioImage.IO format, but a {kind} in "
            f"version {version or 'unknown'}. Convert it with bioimageio.spec."
        )
    return content


def own_card_text(content: Given) -> str:
    """Return the card that this program has put into a package, as JSON; empty in packages of others."""
    config = content.get("config")
    ours = config.get(OURS) if isinstance(config, Mapping) else None
    text = ours.get("card") if isinstance(ours, Mapping) else None
    return text if isinstance(text, str) else ""


def model_name(content: Given, path: Path) -> str:
    """Return a name for the model of another program that the registry takes."""
    name = re.sub(r"[^A-Za-z0-9 ._-]+", " ", str(content.get("name") or path.stem))
    return re.sub(" +", " ", name).strip(" ._-")[:LONGEST_NAME].strip(" ._-") or "imported"


def look_into(path: Path) -> ModelCard | str:
    """Return the card of a package of ours, or the name of the model in one of another program.

    Raise ModelFileError if the package cannot be read.
    """
    with open_archive(path) as archive:
        content = read_content(archive)
        text = own_card_text(content)
        return card_of(text, path) if text else model_name(content, path)

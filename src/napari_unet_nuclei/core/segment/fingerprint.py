"""Tells whether work was done already: by what an image holds and what was asked of it, never by dates."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.ome_zarr import LABELS_GROUP
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import SegmentSettings

_WITHOUT_EFFECT = {"device", "tile"}  # on the labels
_SAID_OF_A_MODEL = {"schema_version", "name", "description", "training", "metrics", "limits", "licence", "parent"}
_ZARR_METADATA = frozenset({"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"})


def hash_image(path: Path) -> str:
    """SHA-256 of a file; of a folder (OME-Zarr) that of its metadata and its chunks' names, sizes and times.

    Raises
    ------
    ImageFileError
        If it cannot be read.
    """
    try:
        return _hash_folder(path) if path.is_dir() else _hash_file(path)
    except PermissionError as error:
        raise ImageFileError(f"{path} may not be read (permission denied): check its permissions.") from error
    except FileNotFoundError as error:
        raise ImageFileError(f"{path} does not exist: check the name.") from error
    except OSError as error:
        raise ImageFileError(f"{path} cannot be read ({error.strerror or error}): copy it again.") from error


def hash_request(template: RequestTemplate) -> str:
    """SHA-256 of everything but the image that labels depend on: model, settings, choice of planes, this program.

    Where and in which tiles the network runs is left out.

    Raises
    ------
    UnknownModelError, ModelFileError
        If there is no such model.
    """
    asked = {
        "program": version("napari-unet-nuclei"),
        "model": _effective(default_registry().find(template.model).card),
        "settings": _effective_settings(template.settings),
        "axes": template.axes,
        "plane": dict(template.plane),
        "region": template.region,
        "series": template.series,
        "projection": template.projection,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _effective(card: ModelCard) -> dict[str, object]:
    """What of a card shows in the labels: not its name, nor what people say of it."""
    return card.model_dump(mode="json", exclude=_SAID_OF_A_MODEL)


def _effective_settings(settings: SegmentSettings) -> dict[str, object]:
    """What of the settings shows in the labels: not the device, and no number that is automatic."""
    values = settings.model_dump(exclude=_WITHOUT_EFFECT)
    return {name: value for name, value in values.items() if not values.get(f"{name}_auto", False)}


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name.startswith(f"{LABELS_GROUP}/"):  # what is known of the image, and not part of it
            continue
        if path.name in _ZARR_METADATA:
            digest.update(f"{name}\n{_hash_file(path)}\n".encode())
        else:
            state = path.stat()
            digest.update(f"{name}\n{state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()

"""Tell whether work was done before: by what an image holds and what was asked of it, never by dates.

A setting that is added counts by itself. One that does not change the labels is named in `WITHOUT_EFFECT`, and nowhere
else: entered twice, it would once be forgotten, and finished runs would start over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.files.regular import open_regular
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.ome_zarr import LABELS_GROUP, read_ome_zarr
from napari_unet_nuclei.core.image.io.tiff.ome import member_files
from napari_unet_nuclei.core.image.io.zarr_store import archive_of, is_remote
from napari_unet_nuclei.core.image.sample import sampled_rows
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.types import Region

WITHOUT_EFFECT = {"device", "tile"}
"""Settings that do not change the labels: where the network runs, and in which pieces."""

_SAID_OF_A_MODEL = {"schema_version", "name", "description", "training", "metrics", "limits", "licence", "parent"}
_ZARR_METADATA = frozenset({"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"})


def hash_image(path: Path) -> str:
    """SHA-256 of a file, or of all files that hold its image (OME-TIFF sets).

    Of a folder (OME-Zarr) that of its metadata and its chunks' names, sizes and times; at an address, that of its
    metadata and its coarsest level.
    """
    try:
        if is_remote(path):
            return _hash_remote(path)
        if path.is_dir():
            return _hash_folder(path)
        archive = archive_of(path)
        if archive is not None:
            return hashlib.sha256(f"{_hash_file(archive[0])} {archive[1]}".encode()).hexdigest()
        members = member_files(path)
        return _hash_file(path) if members == (path,) else _hash_files(members)
    except PermissionError as error:
        raise ImageFileError(f"{path} may not be read (permission denied): check its permissions.") from error
    except FileNotFoundError as error:
        raise ImageFileError(f"{path} does not exist: check the name.") from error
    except OSError as error:
        raise ImageFileError(f"{path} cannot be read ({error.strerror or error}): copy it again.") from error


def hash_pixels(
    source: ImageSource, indices: Sequence[tuple[int, ...]], channels: Sequence[int], region: Region
) -> str:
    """SHA-256 over shapes and pixels of some channels of planes; of a sample of their rows where too large."""
    height, width = region[1] - region[0], region[3] - region[2]
    # All of a slide is not read only to name it; one that was edited differs in its sampled rows nearly always.
    parts = (region,) if len(indices) * height * width <= CACHED_PIXELS else sampled_rows(region)
    digest = hashlib.sha256()
    for index in indices:
        # The shape as well: bytes alone are the same for 2 x 6 and 3 x 4 pixels.
        digest.update(str((height, width)).encode())
        for channel in channels:
            for part in parts:
                digest.update(source.read(index, channel, part).tobytes())
    return digest.hexdigest()


def fingerprint(described: Mapping[str, object], settings: Mapping[str, object]) -> str:
    """SHA-256 of plain JSON values, of the settings that change labels, and of this program's version."""
    effective = {name: value for name, value in settings.items() if name not in WITHOUT_EFFECT}
    # The version too: a later one may find other nuclei. Keys are sorted, or their order would count.
    values = {"program": version("napari-unet-nuclei"), "settings": effective, **described}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def hash_request(template: RequestTemplate) -> str:
    """Fingerprint of everything but the image that labels depend on: model, settings, choice of planes, this program.

    Numbers that are automatic are left out, and of the model its name and what people say of it.
    """
    described = {
        "model": default_registry().find(template.model).card.model_dump(mode="json", exclude=_SAID_OF_A_MODEL),
        "axes": template.axes,
        "plane": dict(template.plane),
        "region": template.region,
        "series": template.series,
    }
    settings = template.settings.model_dump()
    # What stands beside a ticked "automatic" is left over from before, and has no effect.
    return fingerprint(
        described, {name: value for name, value in settings.items() if not settings.get(f"{name}_auto", False)}
    )


def _hash_file(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_files(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{_hash_file(path)}\n".encode())
    return digest.hexdigest()


def _hash_remote(path: Path) -> str:
    image = read_ome_zarr(path)
    coarsest = image.levels[-1]
    described = [str(image.axes), *(str(level.metadata.to_dict()) for level in image.levels)]
    pixels = np.ascontiguousarray(coarsest[...]) if coarsest.size <= CACHED_PIXELS else np.empty(0)
    return hashlib.sha256("\n".join(described).encode() + pixels.tobytes()).hexdigest()


def _hash_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    # Sorted, since file systems list in any order; of chunks the state only, which may be terabytes to read.
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name.startswith(f"{LABELS_GROUP}/"):  # what is known of the image, and not part of it
            continue
        if path.name in _ZARR_METADATA:
            digest.update(f"{name}\n{_hash_file(path)}\n".encode(errors="surrogateescape"))
        else:
            state = path.stat()
            digest.update(f"{name}\n{state.st_size} {state.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()

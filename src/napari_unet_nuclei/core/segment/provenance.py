"""How a result was made, in plain JSON values: what a methods section and a second run need."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader, read_channel, sample_pixels
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS

PACKAGES = ("napari-unet-nuclei", "numpy", "scipy", "scikit-image", "torch")


def describe_run(
    request: SegmentRequest,
    card: ModelCard,
    look: PlaneLook,
    device: Device,
    diameter: float,
    readers: Sequence[PlaneReader],
) -> dict[str, Any]:
    """Write down a run.

    Returns
    -------
    dict
        model, model_hash, settings, channel, inverted, diameter (px), plane, region, axes, pixel_size_um (y, x), file,
        image_hash, device, precision, versions, time (UTC); of a model for classes, their names by id as well.
    """
    return {
        "model": card.name,
        **({"classes": list(card.classes)} if card.classes else {}),
        "model_hash": card.weights_hash,
        "settings": request.settings.model_dump(),
        "channel": look.channel_name,
        "inverted": look.inverted,
        "diameter": round(diameter, 3),
        "plane": list(request.plane),
        "region": list(request.region) if request.region else None,
        "axes": request.source.axes,
        "pixel_size_um": [request.pixel_size.y, request.pixel_size.x],
        "file": request.file,
        "image_hash": hash_pixels(readers),
        "device": f"{device.name} ({device.title})",
        "precision": str(device.precision).removeprefix("torch."),
        "versions": {name: _version(name) for name in PACKAGES},
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def hash_pixels(readers: Sequence[PlaneReader]) -> str:
    """SHA-256 over shapes and pixels of the channels that were read; of a sample of their rows where too large."""
    total = sum(int(np.prod(reader.shape)) for reader in readers)
    read = read_channel if total <= CACHED_PIXELS else sample_pixels
    digest = hashlib.sha256()
    for reader in readers:
        digest.update(str(reader.shape).encode())
        for channel in dict.fromkeys(reader.channels):
            digest.update(np.ascontiguousarray(read(reader.source, reader.index, channel, reader.region)).tobytes())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"

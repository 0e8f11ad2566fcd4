"""How a result was made, in plain JSON values: what a methods section and a second run need."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader
from napari_unet_nuclei.core.image.sample import sampled_rows
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS
from napari_unet_nuclei.core.types import Region

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
        model, model_hash, settings, kind, channel (its name), channels (the numbers of those read), diameter (px),
        plane, region, axes, pixel_size_um (y, x), file, image_hash, device, precision, versions, time (UTC); of a model
        for classes, their names by id as well.
    """
    return {
        "model": card.name,
        **({"classes": list(card.classes)} if card.classes else {}),
        "model_hash": card.weights_hash,
        "settings": request.settings.model_dump(),
        "kind": look.kind,
        "channel": look.name,
        "channels": list(look.channels),
        "diameter": round(diameter, 3),
        "plane": list(request.plane),
        "region": list(request.region) if request.region else None,
        "axes": request.source.axes,
        "pixel_size_um": [request.pixel_size.y, request.pixel_size.x],
        "file": request.file,
        "image_hash": hash_pixels(
            request.source, [reader.index for reader in readers], look.channels, readers[0].region
        ),
        "device": f"{device.name} ({device.title})",
        "precision": str(device.precision).removeprefix("torch."),
        "versions": {name: _version(name) for name in PACKAGES},
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def hash_pixels(
    source: ImageSource, indices: Sequence[tuple[int, ...]], channels: Sequence[int], region: Region
) -> str:
    """SHA-256 over shapes and pixels of some channels of planes; of a sample of their rows where too large."""
    height, width = region[1] - region[0], region[3] - region[2]
    parts = (region,) if len(indices) * height * width <= CACHED_PIXELS else sampled_rows(region)
    digest = hashlib.sha256()
    for index in indices:
        digest.update(str((height, width)).encode())
        for channel in channels:
            for part in parts:
                digest.update(source.read(index, channel, part).tobytes())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"

"""How a result was made, in plain JSON values: what a methods section and a second run need.

The one description of a run; results in memory and in stores, records and reports read from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.segment.fingerprint import hash_pixels
from napari_unet_nuclei.core.segment.request import SegmentRequest

PACKAGES = ("napari-unet-nuclei", "numpy", "scipy", "scikit-image", "torch")


def describe_run(
    request: SegmentRequest,
    card: ModelCard,
    look: PlaneLook,
    device: Device,
    diameter: float,
    readers: Sequence[PlaneReader],
) -> dict[str, Any]:
    """Describe a run; ``pixel_size_um`` is (y, x), ``diameter`` in px, ``channels`` are the numbers of those read."""
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
        **({"projected": request.projected.planes} if request.projected else {}),
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


@cache  # a search through all installed packages: a tenth of the time that a small image takes
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # from a copy without metadata, as programs are frozen
        return "unknown"

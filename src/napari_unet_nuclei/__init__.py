"""Segment cell nuclei with a pretrained U-Net: in napari, on the command line, and from Python."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_unet_nuclei.core.folder.run import segment_files
    from napari_unet_nuclei.core.labels.measure.measure import measure
    from napari_unet_nuclei.core.model.registry import load_model
    from napari_unet_nuclei.core.segment.result import SegmentResult
    from napari_unet_nuclei.core.segment.run import segment
    from napari_unet_nuclei.core.segment.template import RequestTemplate
    from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings

__version__: str
__all__ = [
    "BatchSettings",
    "RequestTemplate",
    "SegmentResult",
    "SegmentSettings",
    "__version__",
    "load_model",
    "measure",
    "segment",
    "segment_files",
]

_HOMES = {
    "BatchSettings": "core.settings",
    "RequestTemplate": "core.segment.template",
    "SegmentResult": "core.segment.result",
    "SegmentSettings": "core.settings",
    "load_model": "core.model.registry",
    "measure": "core.labels.measure.measure",
    "segment": "core.segment.run",
    "segment_files": "core.folder.run",
}


def __getattr__(name: str) -> object:
    """Import public names when they are first used: importing the package must load neither torch nor napari."""
    if name == "__version__":
        from importlib.metadata import version  # slow to import, and seldom asked for

        return version("napari-unet-nuclei")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

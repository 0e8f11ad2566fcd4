"""Write a run as a command or as Python, so that its result can be reproduced without a window."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.segment.table_path import table_path
from napari_unet_nuclei.gui.viewer.source_file import SourceFile

OUTPUT_FOLDER = "nuclei"
"""Output folder in a copied command."""


def command_line(request: SegmentRequest, file: SourceFile) -> str:
    """Return the command that segments the same pixels in the same way.

    Parameters
    ----------
    request : SegmentRequest
        For the whole image in ``file``.
    file : SourceFile
        The file that the image was read from.
    """
    words = ["napari-unet-nuclei", "segment", file.path, "--out", OUTPUT_FOLDER]
    if request.model != AUTOMATIC:
        words += ["--model", request.model]
    if request.given_axes != file.axes:
        words += ["--axes", request.given_axes]
    if request.plane:
        pairs = zip(request.source.leading_axes, request.plane, strict=True)
        words += ["--plane", ",".join(f"{letter}={index}" for letter, index in pairs if index is not None)]
    if request.region:
        y0, y1, x0, x1 = request.region
        words += ["--region", f"{y0}:{y1},{x0}:{x1}"]
    for name, value in given_settings(request, file).items():
        option = name.replace("_", "-")
        words += [f"--{'' if value else 'no-'}{option}"] if isinstance(value, bool) else [f"--{option}", str(value)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def python_call(request: SegmentRequest, file: SourceFile) -> str:
    """Return the Python code that segments the same pixels in the same way; arguments as for `command_line`."""
    return _python("segment", request, file, {})


def stored_python_call(request: SegmentRequest, file: SourceFile, store: Path) -> str:
    """Return the Python code that writes the same labels to a store, block by block."""
    return _python("segment_slide", request, file, {"out": str(store), "table": str(table_path(store))})


def _python(verb: str, request: SegmentRequest, file: SourceFile, outputs: dict[str, str]) -> str:
    """Return a call of a public function, which reads everything else from the file."""
    arguments: dict[str, object] = {**outputs, "model": request.model}
    arguments |= {"axes": request.given_axes} if request.given_axes != file.axes else {}
    arguments |= {"plane": request.plane} if request.plane else {}
    arguments |= {"region": request.region} if request.region else {}
    arguments |= given_settings(request, file)
    listed = "".join(f", {name}={value!r}" for name, value in arguments.items())
    return f"from napari_unet_nuclei import {verb}\n\nresult = {verb}({file.path!r}{listed})\n"


def given_settings(request: SegmentRequest, file: SourceFile) -> dict[str, Any]:
    """Return the settings that differ from the defaults, by name, without the automatic ones.

    A diameter in µm is converted to pixels if the layer's pixel size differs from the file's.
    """
    settings = request.settings
    if not settings.diameter_auto and settings.diameter_unit == "µm" and request.pixel_size != file.pixel_size:
        per_pixel = float(np.sqrt(request.pixel_size.y * request.pixel_size.x))
        settings = settings.changed(diameter=settings.diameter / per_pixel, diameter_unit="px")
    return {name: value for name, value in settings.model_dump().items() if _is_given(settings, name)}


def _is_given(settings: SegmentSettings, name: str) -> bool:
    """Return whether a setting must be given: one with a switch if that is off, any other if it was changed."""
    fields = SegmentSettings.model_fields
    if name.endswith("_auto"):
        return False
    if f"{name}_auto" in fields:
        return not getattr(settings, f"{name}_auto")
    if name == "diameter_unit" and settings.diameter_auto:
        return False
    return bool(getattr(settings, name) != fields[name].default)

"""The same run as a command and as Python: what the dock copies, so that a result can be repeated without a window."""

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
from napari_unet_nuclei.gui.segment.save_labels import table_path
from napari_unet_nuclei.gui.viewer.source_file import SourceFile

OUTPUT_FOLDER = "nuclei"
"""Folder that a copied command writes to."""

PYTHON_TEMPLATE = """\
from pathlib import Path

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.image.io.read import read_image

image = read_image(Path({path!r}))
result = segment({arguments})
"""

STORED_TEMPLATE = """\
from pathlib import Path

from napari_unet_nuclei import SegmentSettings
from napari_unet_nuclei.core.blocks.segment import segment_blockwise
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.request import SegmentRequest

image = read_image(Path({path!r}))
settings = SegmentSettings().changed({settings})
request = SegmentRequest(image.source({axes}), settings, {arguments})
result = segment_blockwise(
    request, Path({store!r}), Silent(), table=Path({table!r}), channel_names=image.channel_names
)
"""


def command_line(request: SegmentRequest, file: SourceFile) -> str:
    """Return the command that segments the same pixels in the same way.

    Parameters
    ----------
    request : SegmentRequest
        Of the whole of what ``file`` holds.
    file : SourceFile
        The file that the image came from.
    """
    words = ["napari-unet-nuclei", "segment", file.path, "--out", OUTPUT_FOLDER]
    if request.model != AUTOMATIC:
        words += ["--model", request.model]
    if request.source.axes != file.axes:
        words += ["--axes", request.source.axes]
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
    """Return the Python that segments the same pixels in the same way.

    Parameters
    ----------
    request, file
        As for `command_line`.
    """
    values = {"axes": _axes(request, file), **_part(request)}
    names_decide = request.source.channels > 1 and not request.source.is_colour
    for what in ("channel_names", "channel_colours") if names_decide else ():
        values |= {what: f"image.{what}"} if getattr(file, what) else {}
    values |= {name: repr(value) for name, value in given_settings(request, file).items()}
    arguments = f"image.array, {request.model!r}, {_listed(values)}"
    return PYTHON_TEMPLATE.format(path=file.path, arguments=arguments)


def stored_python_call(request: SegmentRequest, file: SourceFile, store: Path) -> str:
    """Return the Python that writes the same labels to disk block by block.

    Parameters
    ----------
    request, file
        As for `command_line`.
    store : Path
        Where the labels are.
    """
    arguments = {"model": repr(request.model), **_part(request), "file": "str(image.path)"}
    return STORED_TEMPLATE.format(
        path=file.path,
        settings=_listed({name: repr(value) for name, value in given_settings(request, file).items()}),
        axes=_axes(request, file),
        arguments=_listed(arguments),
        store=str(store),
        table=str(table_path(store)),
    )


def _axes(request: SegmentRequest, file: SourceFile) -> str:
    return "image.axes" if request.source.axes == file.axes else repr(request.source.axes)


def _part(request: SegmentRequest) -> dict[str, str]:
    """What of an image is segmented, as arguments."""
    values = {"pixel_size": "image.pixel_size"}
    values |= {"plane": repr(request.plane)} if request.plane else {}
    return values | ({"region": repr(request.region)} if request.region else {})


def _listed(arguments: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in arguments.items())


def given_settings(request: SegmentRequest, file: SourceFile) -> dict[str, Any]:
    """Return the settings that differ from the defaults, by name; automatic ones are left out.

    A diameter in µm is given in pixels where the layer's pixel size is not the file's.
    """
    settings = request.settings
    if not settings.diameter_auto and settings.diameter_unit == "µm" and request.pixel_size != file.pixel_size:
        per_pixel = float(np.sqrt(request.pixel_size.y * request.pixel_size.x))
        settings = settings.changed(diameter=settings.diameter / per_pixel, diameter_unit="px")
    return {name: value for name, value in settings.model_dump().items() if _is_given(settings, name)}


def _is_given(settings: SegmentSettings, name: str) -> bool:
    """Tell whether a setting must be said: numbers that can be automatic where they are not, others where changed."""
    fields = SegmentSettings.model_fields
    if name.endswith("_auto"):
        return False
    if f"{name}_auto" in fields:
        return not getattr(settings, f"{name}_auto")
    if name == "diameter_unit" and settings.diameter_auto:
        return False
    return bool(getattr(settings, name) != fields[name].default)

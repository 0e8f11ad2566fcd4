"""An image file and its labels as layers in the same place, with pixel size, channels and plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.types import AnyArray
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY, table_features

_RGB_SAMPLES = (3, 4)


@dataclass(frozen=True, eq=False)
class ShownFile:
    """An image with its labels and table.

    Attributes
    ----------
    file : ImageFile
    labels : ndarray, shape (leading axes, Y, X)
    labels_axes : str
    origin : tuple of int
        Index in the image of the labels' first pixel.
    table : pandas.DataFrame
    provenance : dict
    images, levels : tuple of array_like
        All levels of image and labels that stay on disk, the finest first; else empty.
    """

    file: ImageFile
    labels: AnyArray
    labels_axes: str
    origin: tuple[int, ...]
    table: pd.DataFrame
    provenance: dict[str, Any] = field(default_factory=dict)
    images: tuple[AnyArray, ...] = ()
    levels: tuple[AnyArray, ...] = ()


def image_array(file: ImageFile, template: RequestTemplate) -> AnyArray:
    """Return the array of the image layers: colours last, and grey without its opacity."""
    source = file.source(template.axes)
    if "S" not in source.axes:
        return source.array
    array = np.moveaxis(np.asarray(source.array), source.axes.index("S"), -1)
    return array if array.shape[-1] in _RGB_SAMPLES else array[..., 0]


def image_arguments(file: ImageFile, template: RequestTemplate) -> dict[str, Any]:
    """Return the arguments of the image layers, one per channel, all except the array."""
    source = file.source(template.axes)
    axes = source.axes.replace("S", "")
    spatial = axes.replace("C", "")
    arguments: dict[str, Any] = {"name": file.path.name, **_placed(spatial, file.pixel_size, (0,) * len(spatial))}
    if "S" in source.axes and source.array.shape[source.axes.index("S")] in _RGB_SAMPLES:
        arguments |= {"rgb": True}
    if "C" in axes:
        count = source.channels
        names = file.channel_names or [str(channel) for channel in range(count)]
        arguments |= {"channel_axis": axes.index("C"), "name": [f"{file.path.name} {name}" for name in names]}
    return arguments


def labels_arguments(shown: ShownFile) -> dict[str, Any]:
    """Return the arguments of the labels layer, all except the array."""
    metadata = {"provenance": shown.provenance, "origin": shown.origin, "axes": shown.labels_axes}
    return {
        "name": f"{shown.file.path.name} labels",
        "features": table_features(shown.table) if "label" in shown.table else pd.DataFrame(),
        "metadata": {METADATA_KEY: metadata},
        **_placed(shown.labels_axes, shown.file.pixel_size, shown.origin),
    }


def _placed(axes: str, pixel_size: PixelSize, origin: Sequence[int]) -> dict[str, Any]:
    """Return scale, position and units of a layer, in pixels if the pixel size is unknown."""
    sizes = {"Y": pixel_size.y, "X": pixel_size.x, "Z": pixel_size.z} if pixel_size.known else {}
    scale = [sizes.get(letter) or 1.0 for letter in axes]
    return {
        "scale": scale,
        "translate": [first * step for first, step in zip(origin, scale, strict=True)],
        "units": ["um" if sizes.get(letter) else "pixel" for letter in axes],
        "axis_labels": _labels_of(axes),
    }


def _labels_of(axes: str) -> list[str]:
    """Return axis labels as napari writes them; they must be unique."""
    return [letter.lower() if letter != "Q" else f"axis {i}" for i, letter in enumerate(axes)]

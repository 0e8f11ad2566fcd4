"""A small image that is large enough for several blocks, and requests to label it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import zarr

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.helpers.samples import fluorescent_nuclei

IMAGE = fluorescent_nuclei(shape=(170, 220), diameter=22, count=26).image
SETTINGS = SegmentSettings(device="cpu")
BLOCK = 80


def request(image: np.ndarray = IMAGE, axes: str = "YX", **given: object) -> SegmentRequest:
    settings = SETTINGS.changed(
        **{name: given.pop(name) for name in list(given) if name in SegmentSettings.model_fields}
    )
    return SegmentRequest(ImageSource(image, axes), settings, **given)


def labels_of(folder: Path, level: int = 0) -> np.ndarray:
    return zarr.open_array(folder / str(level), mode="r")[:]


def write_image(folder: Path, zarr_format: int, pixels: np.ndarray = IMAGE, letters: str = "YX") -> Path:
    group = zarr.create_group(folder, zarr_format=zarr_format)
    group.create_array("0", data=pixels)
    space = {"type": "space", "unit": "micrometer"}
    axes = [{"name": name, **(space if name in "zyx" else {"type": "channel"})} for name in letters.lower()]
    scale = [{"type": "scale", "scale": [0.3 if name in "YX" else 1.0 for name in letters]}]
    described = {"multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]}
    group.attrs.update({"ome": {"version": "0.5", **described}} if zarr_format == 3 else described)
    return folder


def request_of(path: Path, **given: object) -> SegmentRequest:
    image = read_ome_zarr(path)
    return replace(request(image.levels[0], image.letters, **given), file=str(path), pixel_size=image.pixel_size)

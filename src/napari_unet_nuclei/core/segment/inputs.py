"""Turns what Python callers pass as an image (array, pyramid, open file or path) into a request."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.image.axes import guess_axes
from napari_unet_nuclei.core.image.io.image_file import ImageFile, named_source
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import AnyArray, Region


def make_request(
    image: AnyArray | Sequence[AnyArray] | ImageFile | Path | str,
    model: str | Path,
    settings: Mapping[str, object],
    *,
    axes: str = "",
    level: int = 0,
    series: int = 0,
    channel_names: Sequence[str] = (),
    channel_colours: Sequence[str] = (),
    pixel_size: PixelSize | None = None,
    plane: tuple[int | None, ...] = (),
    region: Region | None = None,
) -> SegmentRequest:
    """Build a request; whatever is not given is taken from the file, if there is one. Parameters as for `segment`."""
    if not isinstance(model, str | os.PathLike):
        raise SettingsError(f"The model is a {type(model).__name__}: give its name, or the path of its file.")
    if isinstance(image, str | os.PathLike):
        image = read_image(Path(image), series)
    file = ""
    remarks: tuple[str, ...] = ()
    if isinstance(image, ImageFile):
        axes, pixel_size = axes or image.axes, pixel_size or image.pixel_size
        channel_names = channel_names or image.channel_names
        channel_colours = channel_colours or image.channel_colours
        image, file, remarks = image.array, str(image.path), image.remarks
    array: AnyArray = image[level] if isinstance(image, Sequence) else image
    axes = axes or guess_axes(tuple(array.shape), array.dtype)
    return SegmentRequest(
        source=named_source(array, axes, tuple(channel_names), tuple(channel_colours)),
        settings=SegmentSettings().changed(**settings),
        model=str(model),
        plane=plane,
        region=region,
        pixel_size=pixel_size or PixelSize(),
        file=file,
        remarks=remarks,
    )

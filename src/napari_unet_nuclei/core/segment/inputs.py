"""Turns what Python callers pass as an image (array, pyramid, open file or path) into a request."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.image.arrays import find_axes, take_array
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.colour import without_blank_opacity
from napari_unet_nuclei.core.image.io.image_file import ImageFile, named_source
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.segment.projection import projected
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import AnyArray, Region

LEAST_AXES = 2
"""Of a plane, which can be read in one way only."""

GUESSED_AXES = (
    "The array does not say what its axes are: they were taken to be {axes} (T time, Z planes, C channels). "
    "Name them where they are others (axes)."
)
"""Remark on an array of several planes or channels."""


def make_request(
    image: AnyArray | Sequence[AnyArray] | ImageFile | Path | str,
    model: str | Path,
    settings: Mapping[str, object],
    *,
    axes: str = "",
    level: int = 0,
    series: int | None = None,
    channel_names: Sequence[str] = (),
    channel_colours: Sequence[str] = (),
    pixel_size: PixelSize | None = None,
    plane: tuple[int | None, ...] = (),
    region: Region | None = None,
) -> SegmentRequest:
    """Build a request; whatever is not given is taken from the file, if there is one. Parameters as for `segment`."""
    if not isinstance(model, str | os.PathLike):
        raise SettingsError(f"The model is a {type(model).__name__}: give its name, or the path of its file.")
    if not isinstance(pixel_size, PixelSize | None):
        raise SettingsError(f"The pixel size is {pixel_size!r}: give PixelSize(y, x), in µm.")
    if not isinstance(plane, tuple | list):
        raise SettingsError(f"The plane is {plane!r}: give a tuple with an index, or None, for each leading axis.")
    axes = str(axes).upper()
    if isinstance(image, str | os.PathLike):
        image = read_image(Path(image), series)
    file = ""
    remarks: tuple[str, ...] = ()
    if isinstance(image, ImageFile):
        if level:
            raise ImageShapeError(f"{image.path} is read at its finest level: there is no level {level} to choose.")
        source, file, remarks = image.source(axes), str(image.path), image.all_remarks(axes)
        pixel_size = pixel_size or image.pixel_size
    else:
        named = take_array(image, level)
        array, said = named.array, axes or named.axes
        axes = said or find_axes(array)
        if not said and len(axes.removesuffix("S")) > LEAST_AXES:
            remarks = (GUESSED_AXES.format(axes=axes),)
        if isinstance(array, np.ndarray):
            array = without_blank_opacity(array, axes)
        source = named_source(array, axes, named.channel_names, ())
    source = _with_names(source, tuple(channel_names), tuple(channel_colours))
    chosen = SegmentSettings().changed(**settings)
    request = SegmentRequest(
        source=source,
        settings=chosen,
        model=str(model),
        plane=plane,
        region=region,
        pixel_size=pixel_size or PixelSize(),
        file=file,
        remarks=remarks,
    )
    return projected(request)


def _with_names(source: ImageSource, names: tuple[str, ...], colours: tuple[str, ...]) -> ImageSource:
    """Give channels the names and colours that the caller says; raise if there is not one for each."""
    for said, what in ((names, "names"), (colours, "colours")):
        if said and (len(said) != source.channels or source.is_colour):
            kind = "a colour picture, whose channels have names" if source.is_colour else f"{source.channels} channels"
            raise ImageShapeError(f"{len(said)} {what} of channels were given, but the image has {kind}.")
    return replace(
        source,
        channel_names=names or source.channel_names,
        channel_colours=colours or source.channel_colours,
    )

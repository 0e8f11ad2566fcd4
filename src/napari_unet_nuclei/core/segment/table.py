"""The table of a segmentation: its nuclei measured in every channel of their image, or the areas of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.classes.class_table import measure_classes
from napari_unet_nuclei.core.image.axes import COLOUR_NAMES, ImageSource
from napari_unet_nuclei.core.image.kind import ChosenKind, ColourLight, colour_light
from napari_unet_nuclei.core.image.stain import DAB, HAEMATOXYLIN, optical_density, stain_density
from napari_unet_nuclei.core.labels.measure.measure import measure
from napari_unet_nuclei.core.progress import Progress, Silent
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SegmentedChannel:
    """One channel of the part of an image that was segmented, read plane by plane when `measure` asks.

    Attributes
    ----------
    source : ImageSource
    channel : int
    origin : tuple of int
        Index in the image of the first pixel, along the labels' axes.
    shape : tuple of int
        That of the labels.
    """

    source: ImageSource
    channel: int
    origin: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the image."""
        dtype: np.dtype[Any] = np.dtype(self.source.array.dtype)
        return dtype

    def __getitem__(self, index: tuple[int, ...]) -> NDArray[np.floating]:
        """Read the plane (Y, X) of a leading index."""
        leading = tuple(first + i for first, i in zip(self.origin[:-2], index, strict=True))
        (y, x), (height, width) = self.origin[-2:], self.shape[-2:]
        return self.source.read(leading, self.channel, (y, y + height, x, x + width))


@dataclass(frozen=True)
class SeparatedStain:
    """Optical density of one stain in a colour picture of transmitted light, read plane by plane as `measure` asks.

    Attributes
    ----------
    colours : tuple of SegmentedChannel
        Red, green and blue.
    stain : int
        `HAEMATOXYLIN` or `DAB`.
    white : float
        Intensity of light that nothing has absorbed.
    """

    colours: tuple[SegmentedChannel, ...]
    stain: int
    white: float

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the labels."""
        return self.colours[0].shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of densities."""
        return np.dtype(np.float32)

    def __getitem__(self, index: tuple[int, ...]) -> NDArray[np.floating]:
        """Separate the stain in the plane (Y, X) of a leading index."""
        return stain_density(np.stack([optical_density(one[index], self.white) for one in self.colours]), self.stain)


STAINS = {"haematoxylin_od": HAEMATOXYLIN, "dab_od": DAB}
"""What columns of stains are called, and the stains."""


def stain_images(
    source: ImageSource,
    origin: tuple[int, ...],
    shape: tuple[int, ...],
    kind: ChosenKind = "auto",
    light: ColourLight | None = None,
) -> dict[str, SeparatedStain]:
    """Return the stains of an image to be measured, by name; none of an image that shows no stains.

    Parameters
    ----------
    source : ImageSource
    origin, shape : tuple of int
        As in `SegmentedChannel`.
    kind : {"auto", "fluorescence", "brightfield"}
        Of image, where it is known.
    light : ColourLight, optional
        As `colour_light` found it for the whole image, where it was asked before.
    """
    if light is None and 0 not in shape:
        (y, x), (height, width) = origin[-2:], shape[-2:]
        middle = np.unravel_index(int(np.prod(shape[:-2])) // 2, shape[:-2]) if shape[:-2] else ()
        index = tuple(first + int(i) for first, i in zip(origin[:-2], middle, strict=True))
        light = colour_light(source, index, (y, y + height, x, x + width), kind)
    if light is None:
        return {}
    colours = tuple(SegmentedChannel(source, channel, origin, shape) for channel in light.channels)
    return {name: SeparatedStain(colours, stain, light.white) for name, stain in STAINS.items()}


def measure_result(
    result: SegmentResult, request: SegmentRequest, channel_names: Sequence[str] = (), progress: Progress | None = None
) -> pd.DataFrame:
    """Measure the nuclei of a segmentation, or its classes.

    Parameters
    ----------
    result : SegmentResult
    request : SegmentRequest
        What was asked for.
    channel_names : sequence of str
        As the file has them; may be empty, for the image's own.
    progress : Progress, optional

    Returns
    -------
    pandas.DataFrame
        As `measure` describes it, with each nucleus's ``score``; columns of intensities begin with the channel's
        name. Colour pictures of transmitted light also have ``haematoxylin_od_mean`` and ``dab_od_mean``, mean optical
        densities of the stains. Of classes as `measure_classes` describes it.
    """
    if result.classes:
        return measure_classes(
            result.labels,
            result.classes,
            axes=result.axes,
            pixel_size_y=request.pixel_size.y,
            pixel_size_x=request.pixel_size.x,
            origin=result.origin,
        )
    source = request.source
    channels = {
        name: SegmentedChannel(source, channel, result.origin, result.labels.shape)
        for channel, name in enumerate(column_names(source, channel_names))
    }
    table = measure(
        result.labels,
        channels,
        means=stain_images(source, result.origin, result.labels.shape, result.kind),
        axes=result.axes,
        pixel_size_y=request.pixel_size.y,
        pixel_size_x=request.pixel_size.x,
        origin=result.origin,
        maps=result.maps,
        progress=progress or Silent(),
    )
    places = table["label"].to_numpy(np.int64) - 1
    scored = places < len(result.scores)  # not those that a person added
    table["score"] = np.where(scored, np.append(result.scores, np.nan)[np.where(scored, places, -1)], np.nan)
    return table


def column_names(source: ImageSource, channel_names: Sequence[str] = ()) -> tuple[str, ...]:
    """Name the channels for the heads of columns, each differently.

    Examples
    --------
    >>> column_names(ImageSource(np.zeros((2, 8, 8)), "CYX")), column_names(ImageSource(np.zeros((8, 8)), "YX"))
    (('channel_0', 'channel_1'), ('intensity',))
    """
    channel_names = channel_names or source.channel_names
    if len(channel_names) == source.channels and len(set(channel_names)) == source.channels and all(channel_names):
        return tuple(channel_names)
    if source.channels == 1:
        return ("intensity",)
    if source.is_colour and source.channels == len(COLOUR_NAMES):
        return COLOUR_NAMES
    return tuple(f"channel_{channel}" for channel in range(source.channels))

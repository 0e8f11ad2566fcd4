"""The table of a segmentation: its nuclei measured in every channel of their image, or the areas of its classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import COLOUR_NAMES, ImageSource
from napari_unet_nuclei.core.image.kind import ChosenKind, ColourLight, colour_light
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.image.stain import DAB, HAEMATOXYLIN, optical_density, stain_density
from napari_unet_nuclei.core.labels.measure.measure import axis_columns, measure
from napari_unet_nuclei.core.labels.measure.volumes import measure_volumes
from napari_unet_nuclei.core.progress import Progress, Silent
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.settings import CellSettings
from napari_unet_nuclei.core.types import Labels


@dataclass(frozen=True)
class SegmentedChannel:
    """One channel of the part of an image that was segmented, read plane by plane when `measure` asks.

    ``shape`` is that of the labels, ``origin`` the index in the image of their first pixel.
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
class StoredIds:
    """Ids of nuclei in an image of one channel, read plane by plane, exactly as stored, when `measure` asks."""

    source: ImageSource

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths along the leading axes, Y and X."""
        return self.source.channel_shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the image."""
        dtype: np.dtype[Any] = np.dtype(self.source.array.dtype)
        return dtype

    def __getitem__(self, place: tuple[Any, ...]) -> NDArray[Any]:
        """Read the plane (Y, X) of a leading index, or a window of it by slices of rows and columns."""
        count, (height, width) = len(self.source.leading_shape), self.source.plane_shape
        index, window = place[:count], place[count:]
        if not window:
            return self.source.stored(index)
        (y0, y1, _), (x0, x1, _) = window[0].indices(height), window[1].indices(width)
        return self.source.stored(index, region=(y0, y1, x0, x1))


@dataclass(frozen=True)
class SeparatedStain:
    """Optical density of one stain in a colour picture of transmitted light, read plane by plane as `measure` asks.

    ``colours`` are red, green and blue; ``white`` is the intensity of light that nothing has absorbed.
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


ONLY_IN_PLANES = (
    "Spots are looked for plane by plane, and these nuclei extend through planes: give the positions of the spots "
    "instead, or let each plane stand by itself (planes each)."
)

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

    ``origin`` and ``shape`` as in `SegmentedChannel`; ``light`` as `colour_light` found it, where it was asked before.
    """
    if light is None and 0 not in shape:
        # One plane decides for all, or the stains of a stack would be separated plane by plane by another white.
        (y, x), (height, width) = origin[-2:], shape[-2:]
        middle = np.unravel_index(int(np.prod(shape[:-2])) // 2, shape[:-2]) if shape[:-2] else ()
        index = tuple(first + int(i) for first, i in zip(origin[:-2], middle, strict=True))
        light = colour_light(PlaneSample(source, index, (y, y + height, x, x + width)), kind)
    if light is None:
        return {}
    colours = tuple(SegmentedChannel(source, channel, origin, shape) for channel in light.channels)
    return {name: SeparatedStain(colours, stain, light.white) for name, stain in STAINS.items()}


def measure_result(
    result: SegmentResult,
    request: SegmentRequest,
    progress: Progress | None = None,
    around: CellSettings = CellSettings(),  # noqa: B008  # frozen
) -> pd.DataFrame:
    """Measure the nuclei of a segmentation as `measure` describes it, or its classes as `measure_classes` does.

    Each nucleus has its ``score``, and columns of intensities begin with the channel's name. Colour pictures of
    transmitted light also have ``haematoxylin_od_mean`` and ``dab_od_mean``, mean optical densities of the stains.
    Nuclei that extend through the planes of a stack are measured as `measure_volumes` describes it.
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
        for channel, name in enumerate(column_names(source))
    }
    if result.planes != "each":
        return with_scores(_measure_volumes(result, request, channels, progress or Silent(), around), result)
    table = measure(
        result.labels,
        channels,
        means=stain_images(source, result.origin, result.labels.shape, result.kind),
        axes=result.axes,
        pixel_size_y=request.pixel_size.y,
        pixel_size_x=request.pixel_size.x,
        origin=result.origin,
        maps=result.maps,
        around=around,
        progress=progress or Silent(),
    )
    return with_scores(table, result)


def _measure_volumes(
    result: SegmentResult,
    request: SegmentRequest,
    channels: Mapping[str, SegmentedChannel],
    progress: Progress,
    around: CellSettings,
) -> pd.DataFrame:
    """Measure nuclei that extend through planes; in µm where the spacing of planes is no guess."""
    size, spacing = request.pixel_size, result.provenance.get("z_spacing", {})
    # Joined nuclei need no spacing to be found, so that none was looked for.
    depth = float(spacing.get("um", size.z))
    # A stack of unknown axis, which the user said is one, is depth.
    axes = result.axes if "Z" in result.axes else result.axes.replace("Q", "Z")
    return measure_volumes(
        result.labels,
        channels,
        axes=axes,
        pixel_size_z=depth,
        pixel_size_y=size.y,
        pixel_size_x=size.x,
        spacing=float(spacing.get("pixels", 0.0)),
        origin=result.origin,
        around=around,
        progress=progress,
    )


def with_scores(table: pd.DataFrame, result: SegmentResult) -> pd.DataFrame:
    """Add the score of each nucleus of a table; nuclei that a person added have none (NaN)."""
    places = table["label"].to_numpy(np.int64) - 1
    # The place of those without is the last of all, where a NaN is appended.
    scored = places < len(result.scores)
    table["score"] = np.where(scored, np.append(result.scores, np.nan)[np.where(scored, places, -1)], np.nan)
    return table


def column_names(source: ImageSource) -> tuple[str, ...]:
    """Name the channels for the heads of columns, each differently.

    Examples
    --------
    >>> column_names(ImageSource(np.zeros((2, 8, 8)), "CYX")), column_names(ImageSource(np.zeros((8, 8)), "YX"))
    (('channel_0', 'channel_1'), ('intensity',))
    """
    names = source.channel_names
    if len(names) == source.channels and all(names):
        # Two channels of the same name would end in one column.
        told = tuple(f"{name}_{at}" if names.count(name) > 1 else name for at, name in enumerate(names))
        if len(set(told)) == len(told):
            return told
    if source.channels == 1:
        return ("intensity",)
    if source.is_colour and source.channels == len(COLOUR_NAMES):
        return COLOUR_NAMES
    return tuple(f"channel_{channel}" for channel in range(source.channels))


def measure_classes(
    classes: Labels,
    names: Sequence[str],
    *,
    axes: str = "",
    pixel_size_y: float = 0.0,
    pixel_size_x: float = 0.0,
    origin: tuple[int, ...] = (),
) -> pd.DataFrame:
    """Measure the area of every class (..., Y, X); parameters as for `measure`.

    Larger ids than there are names, which a user may have painted, have no name.

    Returns
    -------
    pandas.DataFrame
        One row per class and plane, including absent classes: ``label``, the class id; for leading axes
        ``t``, ``z`` and so on, the plane's index; ``class``, its name; ``area_px`` and ``area_um2``; ``share`` of the
        plane's pixels.

    Examples
    --------
    >>> measure_classes(np.array([[0, 0, 0, 1]]), ("sky", "road"))[["class", "area_px", "share"]].values.tolist()
    [['sky', 3, 0.75], ['road', 1, 0.25]]
    """
    if classes.min(initial=0) < 0:
        raise ImageShapeError("There are class ids below 0: classes are numbered from 0.")
    count = max(len(names), int(classes.max(initial=0)) + 1)
    leading = classes.shape[:-2]
    planes = classes.reshape(math.prod(leading), *classes.shape[-2:])
    # A row for classes that a plane lacks as well, so that planes can be compared without gaps.
    areas = np.stack([np.bincount(plane.ravel(), minlength=count) for plane in planes])
    index = np.stack(np.unravel_index(np.arange(len(planes)), leading or (1,)), axis=-1)[:, : len(leading)]
    first = origin[: len(leading)] or (0,) * len(leading)
    columns: dict[str, Any] = {"label": np.tile(np.arange(count), len(planes))}
    for axis, name in enumerate(axis_columns(axes[: len(leading)])):
        columns[name] = np.repeat(index[:, axis] + first[axis], count)
    columns["class"] = [*names, *[""] * (count - len(names))] * len(planes)
    columns["area_px"] = areas.ravel()
    pixel_area = pixel_size_y * pixel_size_x
    columns["area_um2"] = areas.ravel() * (pixel_area if pixel_area > 0 else np.nan)
    columns["share"] = (areas / max(planes[0].size, 1)).ravel()
    return pd.DataFrame(columns)

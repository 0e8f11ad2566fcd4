"""Requests to measure layers: made in the window's thread, carried out in another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.measure.areas import measure_areas
from napari_unet_nuclei.core.labels.measure.gate import POSITIVE, Gate
from napari_unet_nuclei.core.labels.measure.measure import axis_columns, measure
from napari_unet_nuclei.core.labels.measure.spots import find_in_planes
from napari_unet_nuclei.core.labels.measure.volumes import hold_volumes, measure_volumes
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.segment.table import ONLY_IN_PLANES, SegmentedChannel, StoredIds, stain_images
from napari_unet_nuclei.core.settings import CellSettings
from napari_unet_nuclei.core.types import NamedArea
from napari_unet_nuclei.gui.viewer.companion import alike
from napari_unet_nuclei.gui.viewer.followed_layer import with_track_columns
from napari_unet_nuclei.gui.viewer.labels_and_image import MeasuredLabels, describe_labels, image_under
from napari_unet_nuclei.gui.viewer.reviewed_layer import index_in, outline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image, Labels, Points, Shapes

FROM_NETWORK = ("confidence", "score")
"""Columns that come from the network and cannot be measured again from labels and images."""

_IDENTITIES = (["label", "area_px", "centroid_y", "centroid_x"], ["label", "voxels", "centroid_y", "centroid_x"])
"""Columns that tell an unchanged nucleus of a plane, and of a volume."""

_DIGITS = 6

NAME_COLUMNS = ("name", "region", "class")
"""Features of a shapes layer that may name its shapes; the first one that is there does."""

REGION_COLOUR = "#2ec4b6"
"""Of names of regions, seen over fluorescence and over stained tissue."""


@dataclass(frozen=True)
class MeasureRequest:
    """Snapshot of labels and images to measure.

    Attributes
    ----------
    labels : MeasuredLabels
    channels : mapping of str to SegmentedChannel
        What is measured, by the name used in columns.
    displaced : tuple of str
        Names of image layers that the viewer shows in another place than the labels.
    pixel_size : PixelSize
        Of the labels layer, else of the first image layer that has one.
    world : ndarray
        Matrix from positions in the table to world coordinates in the labels layer's units.
    pictures : mapping of str to SegmentedChannel
        One colour of each colour image, which may show stains, by the prefix of its columns.
    around : CellSettings
        Cells and rings that are drawn around the nuclei.
    cells : StoredIds, optional
        Cells of another origin, a copy.
    areas : tuple of NamedArea
        Regions, in pixels of the whole image.
    spots : mapping of str to ndarray
        Positions of spots in the whole image, by the prefix of their columns.
    spots_in : str
        Channel in which bright spots are looked for; empty for none.
    spot_diameter : float
        Their diameter in px.
    volumes : bool, optional
        Whether nuclei extend through planes; None to tell it by the ids.
    spacing : float
        Distance of the planes of volumes in pixels, where it is not known in µm; 0 for that of pixels.
    """

    labels: MeasuredLabels
    channels: Mapping[str, SegmentedChannel]
    displaced: tuple[str, ...]
    pixel_size: PixelSize
    world: NDArray[np.float64]
    pictures: Mapping[str, SegmentedChannel] = field(default_factory=dict)
    around: CellSettings = field(default_factory=CellSettings)
    cells: StoredIds | None = None
    areas: tuple[NamedArea, ...] = ()
    spots: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    spots_in: str = ""
    spot_diameter: float = 0.0
    volumes: bool | None = None
    spacing: float = 0.0

    @property
    def of_this_image(self) -> tuple[str, ...]:
        """What of a measurement belongs to its image, and means nothing for others."""
        has = {
            "regions": self.areas,
            "spots": self.spots or self.spots_in,
            "cells of another layer": self.cells,
        }
        return tuple(name for name, there in has.items() if there)

    @property
    def hints(self) -> str:
        """What the user should know before measuring."""
        size = self.pixel_size
        hints = [
            f"Pixel size {size.y:.4g} × {size.x:.4g} µm." if size.known else "No pixel size: columns in µm stay empty."
        ]
        if not self.channels:
            hints.append("No image is ticked: only sizes and shapes are measured.")
        hints += [
            f"⚠ '{name}' and the labels are in different places in the viewer; they are matched pixel by pixel."
            for name in self.displaced
        ]
        return "\n".join(hints)


@dataclass(frozen=True)
class MeasuredTable:
    """The table of a labels layer.

    Attributes
    ----------
    labels : MeasuredLabels
    table : pandas.DataFrame
        As `measure` describes it, with world coordinates in the layer's units.
    regions : pandas.DataFrame, optional
        A row per region, where there are some.
    """

    labels: MeasuredLabels
    table: pd.DataFrame
    regions: pd.DataFrame | None = None

    def position(self, row: int) -> NDArray[np.float64]:
        """Return the centroid of a row: leading axes, Y, X."""
        return np.array([*self.leading[row], *self.table[["centroid_y", "centroid_x"]].iloc[row]], float)

    def row_at(self, label: int, position: NDArray[np.float64]) -> int:
        """Return the row of a label, the one nearest to the plane of a position; -1 if there is none."""
        rows = np.flatnonzero(self.table["label"] == label)
        if not rows.size:
            return -1
        distances = np.abs(self.leading[rows] - position[:-2]).sum(axis=1)
        return int(rows[np.argmin(distances)])

    @property
    def leading(self) -> NDArray[np.int64]:
        """Index of the plane of each row, shape (rows, leading axes); of one that extends through planes its middle."""
        names = axis_columns(self.labels.axes[:-2])
        columns = [self.table[name] if name in self.table.columns else self.table[f"centroid_{name}"] for name in names]
        leading = np.zeros((len(self.table), len(names)), np.int64)
        for place, column in enumerate(columns):
            leading[:, place] = np.rint(column.to_numpy(np.float64))
        return leading

    def rows_in(self, index: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return which rows are of nuclei in a plane; its index is that in the whole image."""
        names = axis_columns(self.labels.axes[:-2])
        places = [place for place, name in enumerate(names) if name in self.table.columns]
        rows: NDArray[np.bool_] = (self.leading[:, places] == np.array(index)[places]).all(axis=1)
        return rows

    def gated(self, gate: Gate) -> MeasuredTable:
        """Return the table with the column of nuclei that are in a gate."""
        table: pd.DataFrame = self.table.drop(columns=POSITIVE, errors="ignore")
        return replace(self, table=table.assign(**{POSITIVE: gate.holds(table)}))


def ask(layer: Labels, images: Sequence[Image]) -> MeasureRequest:
    """Describe what is to be measured without reading a pixel; call it in the window's thread.

    Raises
    ------
    ImageShapeError
        If an image does not cover the labels; the message says which and why.
    """
    labels = describe_labels(layer)
    found = [image_under(image, labels) for image in images]
    # Last, as segmented: napari shows many files without their pixel size, which the dock that segmented them has read.
    sizes = (labels.place.pixel_size, *(image.pixel_size for image in found), labels.segmented_size)
    size = next((size for size in sizes if size.known), PixelSize())
    return MeasureRequest(
        labels=labels,
        channels={name: channel for image in found for name, channel in image.channels.items()},
        pictures={
            f"{image.name}_": next(iter(image.channels.values())) for image in found if image.source.rgb_channels
        },
        displaced=tuple(image.name for image in found if image.displaced),
        pixel_size=replace(size, z=labels.plane_distance or (0.0 if labels.is_spacing_told else size.z)),
        spacing=labels.plane_spacing,
        world=labels.place.matrix,
    )


def measure_layers(
    request: MeasureRequest, ids: StoredIds, features: pd.DataFrame, progress: Progress
) -> MeasuredTable:
    """Measure layers; call it in a thread, as it reads pixels.

    Parameters
    ----------
    request : MeasureRequest
    ids : StoredIds
        A copy of the labels.
    features : pandas.DataFrame
        Of the labels layer: nuclei that are unchanged since they were segmented keep confidence and score, and those
        that were followed over time their track, parent, generation and root.
    progress : Progress
    """
    stains = {
        f"{prefix}{name}": stain
        for prefix, colour in request.pictures.items()
        for name, stain in stain_images(colour.source, colour.origin, colour.shape).items()
    }
    if hold_volumes(ids, request.labels.axes) if request.volumes is None else request.volumes:
        return _measured_stacks(request, ids, features, progress)
    table = measure(
        ids,
        request.channels,
        means=stains,
        axes=request.labels.axes,
        pixel_size_y=request.pixel_size.y,
        pixel_size_x=request.pixel_size.x,
        origin=request.labels.place.origin,
        world=request.world,
        around=request.around,
        cells=request.cells,
        spots=_spots(request),
        progress=progress,
    )
    table = with_track_columns(with_network_columns(table, features), features)
    if not request.areas:
        return MeasuredTable(request.labels, table)
    return _with_regions(request, table, request.labels.shape)


def _measured_stacks(
    request: MeasureRequest, ids: StoredIds, features: pd.DataFrame, progress: Progress
) -> MeasuredTable:
    """Measure nuclei that extend through planes; spots are looked for in planes alone."""
    if request.spots_in:
        raise SettingsError(ONLY_IN_PLANES)
    size = request.pixel_size
    # An axis without a name was taken for depth when it was segmented.
    axes = request.labels.axes if "Z" in request.labels.axes else request.labels.axes.replace("Q", "Z")
    table = measure_volumes(
        ids,
        request.channels,
        axes=axes,
        pixel_size_z=size.z,
        pixel_size_y=size.y,
        pixel_size_x=size.x,
        spacing=request.spacing,
        origin=request.labels.place.origin,
        world=request.world,
        around=request.around,
        cells=request.cells,
        spots=request.spots,
        progress=progress,
    )
    table, shape = with_track_columns(with_network_columns(table, features), features), request.labels.shape
    stacks = tuple(length for length, letter in zip(shape, axes, strict=True) if letter != "Z")
    return _with_regions(request, table, stacks) if request.areas else MeasuredTable(request.labels, table)


def _with_regions(request: MeasureRequest, table: pd.DataFrame, shape: tuple[int, ...]) -> MeasuredTable:
    """Tell the region of each nucleus; ``shape`` is that of what has rows of its own, and Y and X."""
    table, regions = measure_areas(
        table,
        request.areas,
        shape,
        origin=request.labels.place.origin,
        pixel_size_y=request.pixel_size.y,
        pixel_size_x=request.pixel_size.x,
    )
    return MeasuredTable(request.labels, table, regions)


def _spots(request: MeasureRequest) -> dict[str, NDArray[np.float64]]:
    """Return the spots that are counted, among them those that are found in a channel."""
    spots = dict(request.spots)
    if request.spots_in:
        found = find_in_planes(request.channels[request.spots_in], request.spot_diameter)
        spots[f"{request.spots_in}_spots"] = found + np.array(request.labels.place.origin)
    return spots


def with_network_columns(table: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Copy the network's columns from an earlier table to the same nuclei, matched by label, area and centroid."""
    seen = [name for name in FROM_NETWORK if name in features.columns]
    shared = set(features.columns) & set(table.columns)
    identity = next((columns for columns in _IDENTITIES if set(columns) <= shared), None)
    if not seen or identity is None:
        return table
    # Centroids are rounded: measured in a window and in the whole plane, they differ in the last digit.
    known = features[seen].set_axis(pd.MultiIndex.from_frame(features[identity].round(_DIGITS)))
    rows = known[~known.index.duplicated()].reindex(pd.MultiIndex.from_frame(table[identity].round(_DIGITS)))
    return table.assign(**{name: rows[name].to_numpy() for name in seen})


def areas_of(viewer: Viewer, layer: Shapes, labels: MeasuredLabels) -> list[NamedArea]:
    """Return the areas drawn in a shapes layer; shapes of one name are one region, and lines are none.

    Positions are those of the whole image.

    Raises
    ------
    ImageShapeError
        If there is no area.
    """
    column = _name_column(layer)
    named: dict[str, list[tuple[NDArray[np.float64], ...]]] = {}
    for number, (corners, kind) in enumerate(zip(layer.data, layer.shape_type, strict=True)):
        ring = outline(np.asarray(corners, float), str(kind))
        if ring is None:
            continue
        given = str(layer.features[column].iloc[number]) if column else ""
        name = given if given not in ("", "nan", "None") else _numbered(number)
        index = index_in(viewer, layer, labels, ring)[:, labels.place.order[-2:]]
        named.setdefault(name, []).append((index + np.array(labels.place.origin[-2:]),))
    if not named:
        raise ImageShapeError(f"'{layer.name}' has no region: draw rectangles, ellipses or polygons in it.")
    return [NamedArea(name, tuple(polygons)) for name, polygons in named.items()]


def show_numbers(layer: Shapes) -> None:
    """Write on the picture what regions without names are called, unless the user has written something there."""
    written = set(map(str, np.ravel(layer.text.values))) - {""}  # one for all where nothing is written
    names = [_numbered(number) for number in range(layer.nshapes)]
    if not _name_column(layer) and written <= set(names):
        layer.text = {"string": {"array": names}, "size": 10, "color": REGION_COLOUR}


def _name_column(layer: Shapes) -> str:
    """Return the feature that names the shapes; empty if none does."""
    return next((name for name in NAME_COLUMNS if name in layer.features.columns), "")


def _numbered(number: int) -> str:
    return f"region {number + 1}"


def spots_of(viewer: Viewer, layer: Points, labels: MeasuredLabels) -> NDArray[np.float64]:
    """Return the points of a layer as positions in the whole image: leading axes, Y, X.

    Raises
    ------
    ImageShapeError
        If the points have fewer axes than the labels.
    """
    if layer.ndim < labels.place.layer.ndim:
        raise ImageShapeError(
            f"The points in '{layer.name}' have {layer.ndim} axes, the labels have {labels.place.layer.ndim}: "
            "say for every point on which plane it lies."
        )
    index = index_in(viewer, layer, labels, np.asarray(layer.data, float))
    return np.asarray(index[:, labels.place.order] + np.array(labels.place.origin))


def add_areas(viewer: Viewer, labels: MeasuredLabels, areas: Sequence[NamedArea], name: str) -> Shapes:
    """Add named regions as a shapes layer in the place of labels; holes are left out, as shapes have none."""
    from napari.layers import Shapes

    place = labels.place
    corners, names = [], []
    for area in areas:
        for ring, *_ in area.polygons:
            index = np.zeros((len(ring), place.layer.ndim))
            index[:, place.order[-2:]] = ring - np.array(place.origin[-2:])
            corners.append(index)
            names.append(area.name)
    layer = Shapes(
        corners,
        shape_type="polygon",
        name=name,
        features={"name": names},
        face_color="transparent",
        edge_color=REGION_COLOUR,
        text={"string": "{name}", "size": 10, "color": REGION_COLOUR},
        **alike(place.layer),
    )
    viewer.add_layer(layer)
    return layer

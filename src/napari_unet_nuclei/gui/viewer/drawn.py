"""What the user drew on labels, in pixels of the labels: named regions, and points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.types import NamedArea
from napari_unet_nuclei.gui.viewer.companion import alike
from napari_unet_nuclei.gui.viewer.labels_and_image import MeasuredLabels
from napari_unet_nuclei.gui.viewer.reviewed_layer import index_in, outline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Points, Shapes

NAME_COLUMNS = ("name", "region", "class")
"""Features of a shapes layer that may name its shapes; the first one that is there does."""

TEXT_COLOUR = "#2ec4b6"
"""Of names of regions, seen over fluorescence and over stained tissue."""


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
        layer.text = {"string": {"array": names}, "size": 10, "color": TEXT_COLOUR}


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
        edge_color=TEXT_COLOUR,
        text={"string": "{name}", "size": 10, "color": TEXT_COLOUR},
        **alike(place.layer),
    )
    viewer.add_layer(layer)
    return layer

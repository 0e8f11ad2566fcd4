"""Lines over the picture, in pixels of the labels beneath them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from napari.layers import Vectors
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import Index, Region
from napari_unet_nuclei.gui.viewer.companion import add_unselected, alike

if TYPE_CHECKING:
    from napari import Viewer

    from napari_unet_nuclei.gui.viewer.labels_and_image import Placed

Line: TypeAlias = NDArray[np.float64]
"""Points (N, 2) of a plane, (y, x) in pixels; a closed line repeats its first point."""


@dataclass(frozen=True)
class LineColours:
    """Colours of a frame around a nucleus, of one around a place where one may be missing, and of what is drawn."""

    found: str
    missed: str
    drawn: str


ON_DARK = LineColours("#ffe14d", "#ff9f1c", "#ffffff")
ON_BRIGHT = LineColours("#0038c8", "#d1002c", "#000000")

WIDTH = 2.0
"""Of a line, in canvas pixels."""

MARGIN = 3
"""Pixels between a nucleus and its frame."""

SETTLE = 50
"""Milliseconds after which the width of the lines follows the zoom."""


def rectangle(region: Region, margin: float = 0.0) -> Line:
    """Return the outline of a rectangle of pixels, widened by a margin."""
    # By half a pixel, as whole numbers are the centres of pixels and the outline runs along their edges.
    y0, y1, x0, x1 = np.array(region, float) - 0.5 + np.array([-margin, margin, -margin, margin])
    return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)])


def segments(lines: Sequence[Line]) -> NDArray[np.float64]:
    """Return the segments of lines as starts and directions, shape (N, 2, 2)."""
    parts = [np.stack([line[:-1], np.diff(line, axis=0)], axis=1) for line in lines if len(line) > 1]
    return np.concatenate(parts) if parts else np.empty((0, 2, 2))


def in_layer(place: Placed, index: Index, in_plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring segments in a plane to the layer's axes, shape (N, 2, ndim)."""
    result = np.zeros((len(in_plane), 2, place.layer.ndim))
    # Only starts get the plane's position: directions stay 0 there, as lines do not leave their plane.
    for axis, position in zip(place.order, index, strict=False):
        result[:, 0, axis] = position
    result[:, :, place.order[-2:]] = in_plane
    return result


def canvas_pixel(viewer: Viewer, place: Placed) -> float:
    """Return the size of a canvas pixel in pixels of the layer."""
    return 1 / max(place.canvas_pixels(viewer), 1e-9)


def set_width(layer: Vectors, viewer: Viewer, place: Placed) -> None:
    """Keep lines as wide on the screen: napari counts their width in pixels of the layer."""
    layer.edge_width = WIDTH * canvas_pixel(viewer, place)


def add_lines(viewer: Viewer, place: Placed, name: str) -> Vectors:
    """Add an empty layer of lines above all others; it does not become the active one."""
    ndim = place.layer.ndim
    layer = Vectors(np.empty((0, 2, ndim)), ndim=ndim, name=name, vector_style="line", **alike(place.layer))
    add_unselected(viewer, layer)
    return layer

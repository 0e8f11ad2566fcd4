"""Where labels were reviewed: shapes that the user draws, or whole planes that the user marks.

Both docks that ask for it, the one that corrects and the one that trains, read it here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.edit.polygon_fill import filled
from napari_unet_nuclei.core.labels.export.trace import trace_polygons
from napari_unet_nuclei.core.types import Mask
from napari_unet_nuclei.gui.viewer.measure_layers import MeasuredLabels, describe_labels
from napari_unet_nuclei.gui.viewer.shown import units_factors

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels, Layer

REVIEWED = "Reviewed"
"""Name of the shapes layer."""

PLANES_KEY = "reviewed planes"
"""Where a labels layer keeps in its metadata which planes were reviewed as a whole."""

OWNER_KEY = "reviewed labels"
"""Where a layer of ours keeps in its metadata which labels layer it belongs to."""

COLOUR = "#2ec4b6"
CURVE_POINTS = 64
"""Corners of the polygon that stands for an ellipse."""

_ALIKE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def reviewed_mask(viewer: Viewer, labels_layer: Labels, plane_index: tuple[int, ...] = ()) -> Mask | None:
    """Tell which pixels of a plane of labels were reviewed.

    Parameters
    ----------
    viewer : napari.Viewer
    labels_layer : napari.layers.Labels
    plane_index : tuple of int
        Index in the labels' array along its leading axes (all but Y, X and a channel axis); empty in a single plane.

    Returns
    -------
    ndarray of bool, shape (Y, X), or None
        None where nothing of the plane was reviewed.

    Raises
    ------
    ImageShapeError
        If the layer has fewer than two axes.
    """
    labels = describe_labels(labels_layer)
    shape = labels.shape[-2:]
    if is_plane_reviewed(labels_layer, plane_index):
        return np.ones(shape, bool)
    mask = np.zeros(shape, bool)
    for layer in reviewed_layers(viewer, labels_layer):
        for corners in _drawn(viewer, layer, labels, plane_index):
            _fill(mask, corners)
    return mask if mask.any() else None


def is_plane_reviewed(labels_layer: Labels, plane_index: tuple[int, ...] = ()) -> bool:
    """Tell whether a plane was marked as reviewed as a whole."""
    return tuple(plane_index) in labels_layer.metadata.get(PLANES_KEY, ())


def mark_plane(labels_layer: Labels, plane_index: tuple[int, ...] = (), *, reviewed: bool = True) -> None:
    """Mark a plane as reviewed as a whole, or no longer; the layer emits ``events.metadata``."""
    planes = set(labels_layer.metadata.get(PLANES_KEY, ()))
    planes = planes | {tuple(plane_index)} if reviewed else planes - {tuple(plane_index)}
    labels_layer.metadata = {**labels_layer.metadata, PLANES_KEY: tuple(sorted(planes))}


def reviewed_layers(viewer: Viewer, labels_layer: Labels) -> list[Shapes]:
    """List the shapes layers of some labels: the one made for them, and those of that name that the user made."""
    shapes = [layer for layer in viewer.layers if isinstance(layer, Shapes)]
    own = [layer for layer in shapes if layer.metadata.get(OWNER_KEY) == labels_layer.unique_id]
    return own + [layer for layer in shapes if layer.name == REVIEWED and OWNER_KEY not in layer.metadata]


def add_reviewed_layer(viewer: Viewer, labels_layer: Labels) -> Shapes:
    """Return the shapes layer of some labels, which is added in their very place where there is none.

    One that the user has made serves where it has as many axes. napari numbers the names of further layers; one of
    ours keeps in its metadata which labels it belongs to.
    """
    for layer in reviewed_layers(viewer, labels_layer):
        if layer.ndim == labels_layer.ndim:
            _follow_units(viewer, layer)
            return layer
    layer = Shapes(
        ndim=labels_layer.ndim,
        name=REVIEWED,
        face_color="transparent",
        edge_color=COLOUR,
        metadata={OWNER_KEY: labels_layer.unique_id},
        **alike(labels_layer),
    )
    viewer.add_layer(layer)
    _follow_units(viewer, layer)
    return layer


def _follow_units(viewer: Viewer, layer: Shapes) -> None:
    """Let a layer of ours count in the viewer's units: napari draws elsewhere in one that counts in others."""
    shown = viewer.dims.units
    if OWNER_KEY not in layer.metadata or shown is None or tuple(layer.units) == tuple(shown[-layer.ndim :]):
        return
    factors = units_factors(layer, viewer.dims)  # the same for axes that are turned into each other
    affine = np.array(layer.affine)
    affine[:-1] *= factors[:, np.newaxis]
    affine[:-1, :-1] /= factors
    layer.scale, layer.translate = layer.scale * factors, layer.translate * factors
    layer.units, layer.affine = shown[-layer.ndim :], affine


def show_reviewed(viewer: Viewer, labels_layer: Labels, plane_index: tuple[int, ...], mask: Mask) -> None:
    """Show as shapes, or as a marked plane, what was reviewed, e.g. when it was read from a file.

    Parameters
    ----------
    viewer, labels_layer, plane_index
        As for `reviewed_mask`.
    mask : ndarray of bool, shape (Y, X)
    """
    if mask.all():
        mark_plane(labels_layer, plane_index)
        return
    if not mask.any():
        return
    labels = describe_labels(labels_layer)
    layer = add_reviewed_layer(viewer, labels_layer)
    units = units_factors(labels_layer, viewer.dims) / units_factors(layer, viewer.dims)
    to_shapes = np.linalg.inv(matrix(layer)) @ np.diag([*units, 1.0]) @ matrix(labels_layer)
    for ring in _rings(mask):
        positions = np.zeros((len(ring), len(labels.shape)))
        positions[:, :-2] = plane_index
        positions[:, -2:] = ring
        index = np.zeros((len(ring), labels_layer.ndim))
        index[:, labels.place.order] = positions
        layer.add(_through(to_shapes, index), shape_type="polygon", edge_color=COLOUR, face_color="transparent")


def alike(layer: Layer) -> dict[str, Any]:
    """Return the spatial arguments of a layer in the very place of another one."""
    return {name: getattr(layer, name) for name in _ALIKE}


def matrix(layer: Layer) -> NDArray[np.float64]:
    """Return the matrix from a layer's array to the world in the layer's units, shape (ndim + 1, ndim + 1)."""
    start = np.array(layer.data_to_world(np.zeros(layer.ndim)), float)
    result = np.eye(layer.ndim + 1)
    result[:-1, -1] = start
    for axis, direction in enumerate(np.eye(layer.ndim)):
        result[:-1, axis] = np.array(layer.data_to_world(direction), float) - start
    return result


def _through(affine: NDArray[np.floating], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points (N, ndim)."""
    return np.asarray(points @ affine[:-1, :-1].T + affine[:-1, -1])


def _drawn(
    viewer: Viewer, layer: Shapes, labels: MeasuredLabels, plane_index: tuple[int, ...]
) -> Iterator[NDArray[np.float64]]:
    """Yield the outlines (corners, (y, x)) in pixels of labels of the areas that were drawn on a plane of them."""
    owner = labels.place.layer
    to_viewer, from_viewer = units_factors(layer, viewer.dims), units_factors(owner, viewer.dims)
    to_index = np.linalg.inv(matrix(owner))
    count = min(layer.ndim, owner.ndim)
    axes_drawn = set(range(owner.ndim - count, owner.ndim))
    order = labels.place.order
    leading = [(axis, index) for axis, index in zip(order, plane_index, strict=False) if axis in axes_drawn]
    for corners, kind in zip(layer.data, layer.shape_type, strict=True):
        outline = _outline(np.asarray(corners, float), str(kind))
        if outline is None:
            continue
        world = np.zeros((len(outline), owner.ndim))
        shared = (_through(matrix(layer), outline) * to_viewer)[:, -count:]
        world[:, -count:] = shared / from_viewer[-count:]
        index = _through(to_index, world)
        if all(np.rint(index[:, axis].mean()) == position for axis, position in leading):
            yield index[:, order[-2:]]


def _fill(mask: Mask, corners: NDArray[np.float64]) -> None:
    """Add an area to a mask, at the cost of the area."""
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, mask.shape)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, mask.shape)
    window = tuple(slice(start, max(stop, start)) for start, stop in zip(low.tolist(), high.tolist(), strict=True))
    mask[window] |= filled(mask[window].shape, corners - low)


def _outline(corners: NDArray[np.float64], kind: str) -> NDArray[np.float64] | None:
    """Return the corners of an area; None for lines, which have none."""
    if kind == "ellipse":
        middle, half = (corners[0] + corners[2]) / 2, ((corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2)
        turns = np.linspace(0, 2 * np.pi, CURVE_POINTS, endpoint=False)[:, np.newaxis]
        return np.asarray(middle + np.cos(turns) * half[0] + np.sin(turns) * half[1])
    return corners if kind in ("rectangle", "polygon") else None


def _rings(mask: Mask) -> Iterator[NDArray[np.float64]]:
    """Yield outlines (corners, (y, x)) that together fill a mask; pixel centres lie at whole numbers.

    Drawn areas have no holes, so what has one is cut in two there.
    """
    for _, pieces in trace_polygons(mask.astype(np.uint8)):
        hole = next((hole for piece in pieces for hole in piece.holes), None)
        if hole is None:
            yield from (np.asarray(piece.exterior[:, ::-1] - 0.5, float) for piece in pieces)
            return
        left = np.arange(mask.shape[1]) <= hole[:, 0].min()
        yield from _rings(mask & left)
        yield from _rings(mask & ~left)

"""Regions of labels that were reviewed: shapes that the user draws, or whole planes that the user marks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.edit.polygon_fill import filled
from napari_unet_nuclei.core.labels.export.trace import trace_polygons
from napari_unet_nuclei.core.types import Mask
from napari_unet_nuclei.gui.viewer.companion import alike
from napari_unet_nuclei.gui.viewer.labels_and_image import MeasuredLabels, describe_labels
from napari_unet_nuclei.gui.viewer.view import units_factors

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels, Layer

REVIEWED = "Reviewed"
"""Name of the shapes layer."""

PLANES_KEY = "reviewed planes"
"""Key in a labels layer's metadata: the planes that were reviewed as a whole."""

OWNER_KEY = "reviewed labels"
"""Key in the metadata of our shapes layer: the unique id of its labels layer."""

COLOUR = "#2ec4b6"
CURVE_POINTS = 64
"""Corners of the polygon that approximates an ellipse."""


def reviewed_mask(viewer: Viewer, labels_layer: Labels, plane_index: tuple[int, ...] = ()) -> Mask | None:
    """Return the reviewed pixels of a plane of labels.

    Parameters
    ----------
    viewer : napari.Viewer
    labels_layer : napari.layers.Labels
    plane_index : tuple of int
        Index in the labels' array along its leading axes (all but Y, X and a channel axis); empty in a single plane.

    Returns
    -------
    ndarray of bool, shape (Y, X), or None
        None if nothing of the plane was reviewed.

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
    """Return whether a plane was marked as reviewed as a whole."""
    return tuple(plane_index) in labels_layer.metadata.get(PLANES_KEY, ())


def mark_plane(labels_layer: Labels, plane_index: tuple[int, ...] = (), *, reviewed: bool = True) -> None:
    """Mark or unmark a plane as reviewed as a whole; the layer emits ``events.metadata``."""
    planes = set(labels_layer.metadata.get(PLANES_KEY, ()))
    planes = planes | {tuple(plane_index)} if reviewed else planes - {tuple(plane_index)}
    labels_layer.metadata = {**labels_layer.metadata, PLANES_KEY: tuple(sorted(planes))}


def reviewed_layers(viewer: Viewer, labels_layer: Labels) -> list[Shapes]:
    """Return the shapes layers of labels: the one created for them, and the user's own of the same name."""
    shapes = [layer for layer in viewer.layers if isinstance(layer, Shapes)]
    own = [layer for layer in shapes if layer.metadata.get(OWNER_KEY) == labels_layer.unique_id]
    return own + [layer for layer in shapes if layer.name == REVIEWED and OWNER_KEY not in layer.metadata]


def add_reviewed_layer(viewer: Viewer, labels_layer: Labels) -> Shapes:
    """Return the shapes layer of labels; add one in the same place if there is none.

    A layer that the user created is used if it has as many axes. Ours records in its metadata which labels it belongs
    to, as napari appends numbers to names that are taken.
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
    """Convert our layer to the viewer's units: in a layer with other units, napari draws shapes in the wrong place."""
    shown = viewer.dims.units
    if OWNER_KEY not in layer.metadata or shown is None or tuple(layer.units) == tuple(shown[-layer.ndim :]):
        return
    factors = units_factors(layer, viewer.dims)  # equal for axes that are rotated into each other
    affine = np.array(layer.affine)
    affine[:-1] *= factors[:, np.newaxis]
    affine[:-1, :-1] /= factors
    layer.scale, layer.translate = layer.scale * factors, layer.translate * factors
    layer.units, layer.affine = shown[-layer.ndim :], affine


def show_reviewed(viewer: Viewer, labels_layer: Labels, plane_index: tuple[int, ...], mask: Mask) -> None:
    """Show a reviewed region as shapes or as a marked plane, e.g. after reading it from a file.

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
    """Yield the outlines (corners, (y, x)) of the areas drawn on a plane of labels, in pixels of the labels."""
    owner = labels.place.layer
    axes_drawn = set(range(owner.ndim - min(layer.ndim, owner.ndim), owner.ndim))
    order = labels.place.order
    leading = [(axis, index) for axis, index in zip(order, plane_index, strict=False) if axis in axes_drawn]
    for corners, kind in zip(layer.data, layer.shape_type, strict=True):
        ring = outline(np.asarray(corners, float), str(kind))
        if ring is None:
            continue
        index = index_in(viewer, layer, labels, ring)
        if all(np.rint(index[:, axis].mean()) == position for axis, position in leading):
            yield index[:, order[-2:]]


def index_in(viewer: Viewer, layer: Layer, labels: MeasuredLabels, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points (N, layer.ndim) of a layer to indices (N, ndim) in labels; axes are aligned by the last one."""
    owner = labels.place.layer
    to_viewer, from_viewer = units_factors(layer, viewer.dims), units_factors(owner, viewer.dims)
    count = min(layer.ndim, owner.ndim)
    world = np.zeros((len(points), owner.ndim))
    world[:, -count:] = (_through(matrix(layer), points) * to_viewer)[:, -count:] / from_viewer[-count:]
    return _through(np.linalg.inv(matrix(owner)), world)


def _fill(mask: Mask, corners: NDArray[np.float64]) -> None:
    """Add an area to a mask; takes time in proportion to the area."""
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, mask.shape)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, mask.shape)
    window = tuple(slice(start, max(stop, start)) for start, stop in zip(low.tolist(), high.tolist(), strict=True))
    mask[window] |= filled(mask[window].shape, corners - low)


def outline(corners: NDArray[np.float64], kind: str) -> NDArray[np.float64] | None:
    """Return the corners of an area; None for lines and paths."""
    if kind == "ellipse":
        middle, half = (corners[0] + corners[2]) / 2, ((corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2)
        turns = np.linspace(0, 2 * np.pi, CURVE_POINTS, endpoint=False)[:, np.newaxis]
        return np.asarray(middle + np.cos(turns) * half[0] + np.sin(turns) * half[1])
    return corners if kind in ("rectangle", "polygon") else None


def _rings(mask: Mask) -> Iterator[NDArray[np.float64]]:
    """Yield outlines (corners, (y, x)) that together fill a mask; pixel centres are at integers.

    Shapes have no holes, so a region with a hole is cut in two there.
    """
    for _, pieces in trace_polygons(mask.astype(np.uint8)):
        hole = next((hole for piece in pieces for hole in piece.holes), None)
        if hole is None:
            yield from (np.asarray(piece.exterior[:, ::-1] - 0.5, float) for piece in pieces)
            return
        left = np.arange(mask.shape[1]) <= hole[:, 0].min()
        yield from _rings(mask & left)
        yield from _rings(mask & ~left)

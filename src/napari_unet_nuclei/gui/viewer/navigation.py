"""From a nucleus to its place in the viewer, and from a click in the viewer to the nucleus under it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.gui.viewer.shown import units_factors

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels, Layer

SMALLEST_ON_SCREEN = 40
"""A nucleus that is gone to is enlarged where it would take fewer canvas pixels than this."""

STEADY_HAND = 4
"""A press and release this many canvas pixels apart are a click, more are a drag."""


def go_to(viewer: Viewer, layer: Layer, position: NDArray[np.float64], diameter: float) -> None:
    """Bring a position into the middle of the view, on its plane, and large enough to be seen.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Layer
    position : ndarray, shape (layer.ndim,)
        World coordinates in the layer's units.
    diameter : float
        Of what is there, in the layer's units along its last axis.
    """
    factors = units_factors(layer, viewer.dims)
    point = np.array(viewer.dims.point, float)
    point[-layer.ndim :] = position * factors
    for axis in viewer.dims.not_displayed:
        viewer.dims.set_point(axis, point[axis])
    camera = viewer.scene.camera
    shown = point[list(viewer.dims.displayed)]
    camera.center = (*np.zeros(3 - len(shown)), *shown)
    on_screen = diameter * factors[-1] * camera.zoom
    if 0 < on_screen < SMALLEST_ON_SCREEN:
        camera.zoom *= SMALLEST_ON_SCREEN / on_screen


def world_point(viewer: Viewer, layer: Layer, event: Any) -> NDArray[np.float64]:
    """Return where a mouse event is along the axes of a layer, in the layer's units."""
    position = np.array(event.position, float)
    return np.array(position[-layer.ndim :] / units_factors(layer, viewer.dims))


def label_under(viewer: Viewer, layer: Labels, event: Any) -> int:
    """Return the label at a mouse event; 0 for background, or outside the layer."""
    position = np.array(event.position, float)
    position[-layer.ndim :] = world_point(viewer, layer, event)
    value = layer.get_value(
        position, view_direction=event.view_direction, dims_displayed=event.dims_displayed, world=True
    )
    if isinstance(value, tuple):  # of a multiscale layer: level and label
        value = value[1]
    return int(value) if value is not None else 0


def on_click(viewer: Viewer, method: Callable[[Any], None]) -> None:
    """Call a bound method with the mouse event of every click in the viewer, for as long as its object lives.

    Parameters
    ----------
    viewer : napari.Viewer
    method : callable
        Bound method; only a weak reference to its object is kept.
    """
    callbacks = viewer.mouse_drag_callbacks

    def forget(_reference: object) -> None:
        callbacks.remove(watch)

    reference = weakref.WeakMethod(method, forget)

    def watch(_viewer: object, event: Any) -> Iterator[None]:
        pressed = np.array(event.pos)
        if event.button != 1:
            return
        yield
        while event.type == "mouse_move":
            yield
        alive = reference()
        if alive is not None and np.abs(np.array(event.pos) - pressed).max() < STEADY_HAND:
            alive(event)

    callbacks.append(watch)

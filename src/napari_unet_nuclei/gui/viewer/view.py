"""What the viewer shows of a layer, in which units; moving the view to a nucleus, and finding the one under a click."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.viewer.layers import LayerImage

if TYPE_CHECKING:
    import pint
    from napari import Viewer
    from napari.components import Dims
    from napari.layers import Image, Labels, Layer


SMALLEST_ON_SCREEN = 40
"""Canvas pixels; zoom in on a nucleus that would be smaller than this."""

CLICK_DISTANCE = 4
"""Canvas pixels; a press and a release further apart are a drag."""


def current_plane(dims: Dims, layer: Image, image: LayerImage) -> tuple[int, ...]:
    """Return the index, along the leading axes of the image, of the plane that the viewer's sliders point at."""
    point = np.array(dims.point[-layer.ndim :], float) / units_factors(layer, dims)
    index = np.array(layer.world_to_data(point)) / np.array(image.factors)
    positions = [axis for axis, letter in enumerate(image.letters) if letter not in "CYX"]
    return tuple(
        int(np.clip(np.rint(index[axis]), 0, length - 1))
        for axis, length in zip(positions, image.source.leading_shape, strict=True)
    )


def current_channel(dims: Dims, layer: Image, image: LayerImage) -> int | None:
    """Return the channel that the viewer's sliders point at; None if channels are not an axis of the layer."""
    axis = image.letters.find("C")
    if axis < 0:
        return None
    point = np.array(dims.point[-layer.ndim :], float) / units_factors(layer, dims)
    return int(np.clip(np.rint(layer.world_to_data(point)[axis]), 0, image.source.channels - 1))


def visible_region(layer: Image, image: LayerImage) -> Region:
    """Return the visible rectangle of an image, in pixels of its level."""
    shown = np.array(layer.corner_pixels, float)
    shown[1] += 1
    shown *= layer.downsample_factors[layer.data_level][: layer.ndim] / np.array(image.factors)
    y, x = (image.letters.index(letter) for letter in "YX")
    height, width = image.source.plane_shape
    y0, x0 = np.floor(shown[0, [y, x]]).astype(int)
    y1, x1 = np.ceil(shown[1, [y, x]]).astype(int)
    return max(int(y0), 0), min(int(y1), height), max(int(x0), 0), min(int(x1), width)


def part_in_view(layer: Layer, pixels: int) -> Region:
    """Return the rectangle of a 2-D layer that is in view, or so many pixels in the middle of it if it is larger."""
    height, width = layer.data.shape[-2:]
    (y0, x0), (y1, x1) = np.array(layer.corner_pixels)[:, -2:].tolist()
    is_drawn = (y0, x0) != (y1, x1)
    y0, y1, x0, x1 = max(y0, 0), min(y1 + 1, height), max(x0, 0), min(x1 + 1, width)
    if not is_drawn or y0 >= y1 or x0 >= x1:  # or it lies beside the canvas
        y0, y1, x0, x1 = 0, height, 0, width
    return middle_part((y0, y1, x0, x1), pixels)


def middle_part(region: Region, pixels: int) -> Region:
    """Return a rectangle, or so many pixels in the middle of it if it is larger."""
    y0, y1, x0, x1 = region
    share = min((pixels / max((y1 - y0) * (x1 - x0), 1)) ** 0.5, 1.0)
    return *_middle(y0, y1, share), *_middle(x0, x1, share)


def _middle(start: int, stop: int, share: float) -> tuple[int, int]:
    """Return the middle part of a stretch that has a share of its length."""
    length = max(int((stop - start) * share), 1)
    first = start + (stop - start - length) // 2
    return first, first + length


def shows_planes(dims: Dims, image: LayerImage) -> bool:
    """Return whether the canvas shows planes of the image: in 2-D, along Y and X."""
    offset = dims.ndim - len(image.letters)
    plane_axes = {image.letters.index(letter) + offset for letter in "YX"}
    return dims.ndisplay == 2 and set(dims.displayed) == plane_axes


def go_to(viewer: Viewer, layer: Layer, position: NDArray[np.float64], diameter: float) -> None:
    """Centre the view on a position in its plane, and zoom in if what is there would be too small to see.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Layer
    position : ndarray, shape (layer.ndim,)
        World coordinates in the layer's units.
    diameter : float
        In the layer's units along its last axis.
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
    """Return the position of a mouse event along the axes of a layer, in the layer's units."""
    position = np.array(event.position, float)
    return np.array(position[-layer.ndim :] / units_factors(layer, viewer.dims))


def label_under(viewer: Viewer, layer: Labels, event: Any) -> int:
    """Return the label under a mouse event; 0 for background or outside the layer."""
    position = np.array(event.position, float)
    position[-layer.ndim :] = world_point(viewer, layer, event)
    value = layer.get_value(
        position, view_direction=event.view_direction, dims_displayed=event.dims_displayed, world=True
    )
    if isinstance(value, tuple):  # (level, label) in a multiscale layer
        value = value[1]
    return int(value) if value is not None else 0


def on_click(viewer: Viewer, method: Callable[[Any], None]) -> None:
    """Call a bound method with the mouse event of every click in the viewer.

    Only a weak reference to its object is kept; the callback is removed when the object is deleted.
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
        if alive is not None and np.abs(np.array(event.pos) - pressed).max() < CLICK_DISTANCE:
            alive(event)

    callbacks.append(watch)


def units_factors(layer: Layer, dims: Dims) -> NDArray[np.float64]:
    """Return, per axis of a layer, the size of the layer's unit in the viewer's unit.

    napari converts units when it draws, but not in ``layer.world_to_data`` and the like.
    """
    if dims.units is None:
        return np.ones(layer.ndim)
    pairs = zip(layer.units, dims.units[-layer.ndim :], strict=True)
    return np.array([_factor(own, shown) for own, shown in pairs])


def _factor(own: pint.Unit, shown: pint.Unit) -> float:
    """Return the size of one unit in another; 1 if they have different dimensions."""
    return float((1 * own).to(shown).magnitude) if own.is_compatible_with(shown) else 1.0

"""What the viewer shows of an image: the current plane, the rectangle of pixels in view, and in which units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.viewer.layers import LayerImage

if TYPE_CHECKING:
    import pint
    from napari.components import Dims
    from napari.layers import Image, Layer


def viewed_plane(dims: Dims, layer: Image, image: LayerImage) -> tuple[int, ...]:
    """Return the index, along the leading axes of the image, of the plane that the sliders point at."""
    point = np.array(dims.point[-layer.ndim :], float) / units_factors(layer, dims)
    index = np.array(layer.world_to_data(point)) / np.array(image.factors)
    positions = [axis for axis, letter in enumerate(image.letters) if letter not in "CYX"]
    return tuple(
        int(np.clip(np.rint(index[axis]), 0, length - 1))
        for axis, length in zip(positions, image.source.leading_shape, strict=True)
    )


def viewed_channel(dims: Dims, layer: Image, image: LayerImage) -> int | None:
    """Return the channel that the sliders point at; None where channels are no axis of the layer."""
    axis = image.letters.find("C")
    if axis < 0:
        return None
    point = np.array(dims.point[-layer.ndim :], float) / units_factors(layer, dims)
    return int(np.clip(np.rint(layer.world_to_data(point)[axis]), 0, image.source.channels - 1))


def viewed_region(layer: Image, image: LayerImage) -> Region:
    """Return the rectangle of an image that is on the screen, in pixels of the image's level."""
    shown = np.array(layer.corner_pixels, float)
    shown[1] += 1
    shown *= layer.downsample_factors[layer.data_level][: layer.ndim] / np.array(image.factors)
    y, x = (image.letters.index(letter) for letter in "YX")
    height, width = image.source.plane_shape
    y0, x0 = np.floor(shown[0, [y, x]]).astype(int)
    y1, x1 = np.ceil(shown[1, [y, x]]).astype(int)
    return max(int(y0), 0), min(int(y1), height), max(int(x0), 0), min(int(x1), width)


def shows_planes(dims: Dims, image: LayerImage) -> bool:
    """Tell whether the canvas shows the image's planes: in 2-D, and Y and X rather than other axes."""
    offset = dims.ndim - len(image.letters)
    plane_axes = {image.letters.index(letter) + offset for letter in "YX"}
    return dims.ndisplay == 2 and set(dims.displayed) == plane_axes


def units_factors(layer: Layer, dims: Dims) -> NDArray[np.float64]:
    """Return, for every axis of a layer, how many of the viewer's units one of its units is.

    napari converts a layer's units when it draws, but not in ``layer.world_to_data`` and its like.
    """
    if dims.units is None:
        return np.ones(layer.ndim)
    pairs = zip(layer.units, dims.units[-layer.ndim :], strict=True)
    return np.array([_factor(own, shown) for own, shown in pairs])


def _factor(own: pint.Unit, shown: pint.Unit) -> float:
    """Return how many of the other unit one of a unit is; 1 where they measure different things."""
    return float((1 * own).to(shown).magnitude) if own.is_compatible_with(shown) else 1.0

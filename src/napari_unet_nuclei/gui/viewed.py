"""What the viewer shows of an image: the current plane and the rectangle of pixels in view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.layers import LayerImage

if TYPE_CHECKING:
    import pint
    from napari.components import Dims
    from napari.layers import Image


def viewed_plane(dims: Dims, layer: Image, image: LayerImage) -> tuple[int, ...]:
    """Return the index, along the leading axes of the image, of the plane that the sliders point at."""
    index = np.array(layer.world_to_data(_point_in_units_of(layer, dims))) / np.array(image.factors)
    positions = [axis for axis, letter in enumerate(image.letters) if letter not in "CYX"]
    return tuple(
        int(np.clip(np.rint(index[axis]), 0, length - 1))
        for axis, length in zip(positions, image.source.leading_shape, strict=True)
    )


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


def _point_in_units_of(layer: Image, dims: Dims) -> NDArray[np.float64]:
    """Return the sliders' position along the layer's axes in the layer's units: napari converts none of it."""
    point = np.array(dims.point[-layer.ndim :], float)
    if dims.units is None:
        return point
    pairs = zip(dims.units[-layer.ndim :], layer.units, strict=True)
    factors: NDArray[np.float64] = np.array([_conversion(shown, own) for shown, own in pairs])
    return point * factors


def _conversion(shown: pint.Unit, own: pint.Unit) -> float:
    """Return how many of a layer's units one of the sliders' units is; 1 where they measure different things."""
    if not shown.is_compatible_with(own):
        return 1.0
    return float((1 * shown).to(own).magnitude)

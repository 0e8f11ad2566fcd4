"""Project a stack along z, by maximum or mean, plane by plane: it need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource

Projection = Literal["none", "maximum", "mean"]

PROJECTION_HELP = "Stacks: segment every plane (none), or the maximum or the mean of all planes along z."


def project(source: ImageSource, projection: Projection) -> ImageSource:
    """Project an image along z: the maximum in the image's dtype, the mean in float32; a single plane stays as it is.

    Raises
    ------
    ImageShapeError
        As `projected_axis`.

    Examples
    --------
    >>> stack = ImageSource(np.array([[[1, 8]], [[5, 2]]]), "ZYX")
    >>> project(stack, "maximum").array, project(stack, "mean").array
    (array([[5, 8]]), array([[3., 5.]], dtype=float32))
    """
    axis = projected_axis(source, projection)
    if axis is None:
        return source
    # Sliced one at a time, each with all of its time points and channels.
    planes = [(slice(None),) * axis + (z,) for z in range(source.array.shape[axis])]
    read = (np.asarray(source.array[plane]) for plane in planes)
    projected = _maximum(read) if projection == "maximum" else _mean(read, len(planes))
    return replace(source, array=projected, axes=source.axes[:axis] + source.axes[axis + 1 :])


def projected_axis(source: ImageSource, projection: Projection) -> int | None:
    """Return the axis along which an image is projected, None where it stays as it is.

    Where the only stack axis is unknown, it is taken for z; `ImageShapeError` if there are others, but no z.
    """
    if projection == "none" or not source.leading_axes:
        return None
    letter = "Z" if "Z" in source.axes else "Q"
    if source.axes.count(letter) != 1 or (letter == "Q" and source.leading_axes != "Q"):
        raise ImageShapeError(
            f"The image has the axes {source.axes}, none of which is depth (Z): say what its axes are, "
            "or segment it without a projection."
        )
    return source.axes.index(letter)


def _maximum(planes: Iterator[NDArray[Any]]) -> NDArray[Any]:
    result = np.array(next(planes))
    for plane in planes:
        np.maximum(result, plane, out=result)
    return result


def _mean(planes: Iterator[NDArray[Any]], count: int) -> NDArray[np.float32]:
    # Summed in float64: the sum of a stack exceeds uint16, and in float32 loses the low bits of later planes.
    total = np.array(next(planes), np.float64)
    for plane in planes:
        total += plane
    return (total / count).astype(np.float32)
